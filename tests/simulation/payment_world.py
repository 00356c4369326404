"""The platform that payments are made in by the machine of the model, and what happened there."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import psycopg
import redis

from paywright.clock import SystemClock
from paywright.ids import UuidSource, parse_typeid
from paywright.ledger.sequencer import Sequencer
from paywright.ledger.verify import verify
from paywright.merchants.create import create_merchant
from paywright.payments.expiry import expire_due
from paywright.wiring import Platform
from tests.api import Api
from tests.clock_file import ClockFile
from tests.platform import PII_KEY

_EXAMPLES_BETWEEN_PROOFS = 5


@dataclass
class World:
    """The platform under test, and what has happened in it."""

    platform: Platform
    house: Platform
    owner: psycopg.Connection[Any]
    clock: ClockFile
    sequencer: Sequencer
    valkey: redis.Redis
    seen: Counter[str] = field(default_factory=Counter)
    examples: int = 0
    first_failure: Exception | None = None

    def merchant(self) -> Api:
        wall = SystemClock()
        made = create_merchant(
            self.owner,
            PII_KEY,
            name="Ada",
            email=f"{uuid.uuid4().hex}@example.com",
            settlement_currency="usd",
            clock=wall,
            ids=UuidSource(wall),
        )
        self.owner.execute(
            "INSERT INTO fee_plans VALUES (%s, 'card', '*', 290, 7, true)",
            [parse_typeid("mer", made.id)],
        )
        return Api(made)

    def sequence(self) -> None:
        """Give every journal its place."""
        while self.sequencer.run_once():
            pass

    def prove(self) -> None:
        """Replayed from its first row, the ledger comes to what it says."""
        while expire_due(self.house.payments):  # the clock moved for those of other examples too
            pass
        self.sequence()
        assert verify(self.platform.database, now=self.platform.clock.now()).problems == []

    def over(self, seen: Counter[str]) -> None:
        """An example is over, and this is what was in it."""
        self.seen.update(seen)
        self.examples += 1
        if self.examples % _EXAMPLES_BETWEEN_PROOFS == 0:
            self.prove()
