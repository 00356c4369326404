"""Many execution environments at once: threads, each with its own connections to real servers."""

from __future__ import annotations

import json
import os
import random
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg

from paywright.clock import SystemClock
from paywright.customers.store import Customers, NewCustomer
from paywright.errors import PaywrightError
from paywright.fees import FeePlan
from paywright.ids import UuidSource, parse_typeid
from paywright.merchants.create import create_merchant
from paywright.money import Currency, Money
from paywright.payments.authorize import Authorize, authorize
from paywright.payments.models import Answer, Caller, RequestContext
from paywright.payments.states import CaptureMethod
from paywright.processors.base import Card
from paywright.settings import Settings
from paywright.wiring import Platform, assemble
from tests.services import Servers

T = TypeVar("T")
_PII_KEY = "key"


def seeds(default: int) -> range:
    """The seeds to try: `default` of them, or as many as PAYWRIGHT_SEEDS says (`make races`)."""
    return range(int(os.environ.get("PAYWRIGHT_SEEDS", default)))


def make_platform(servers: Servers, url: str, valkey_url: str, valkey_timeout_ms: int) -> Platform:
    """What one execution environment has."""
    return assemble(
        Settings(
            environment="local",
            database_url=servers.app_url(url),
            valkey_url=valkey_url,
            valkey_timeout_ms=valkey_timeout_ms,
            pii_key=_PII_KEY,
            processor_timeout_s=0.2,
            rate_limit_per_min=1_000_000,
        )
    )


def context(key: str | None = None) -> RequestContext:
    """A request's, as the gate makes it."""
    return RequestContext(key, b"f" * 32, uuid.uuid4().hex, None, None)


@dataclass
class Crew:
    """Environments that all begin at the same moment."""

    platforms: Sequence[Platform]
    caller: Caller
    api_key: str
    method: uuid.UUID
    owner: psycopg.Connection[Any]

    def at_once(
        self, jobs: Sequence[Callable[[Platform], T]], seed: int
    ) -> list[T | PaywrightError]:
        """Run each job in an environment of its own; errors of the API are results."""
        assert len(jobs) <= len(self.platforms)
        order = list(enumerate(jobs))
        random.Random(seed).shuffle(order)
        start = threading.Barrier(len(jobs))
        results: list[Any] = [None] * len(jobs)

        def play(place: int) -> None:
            index, job = order[place]
            start.wait(timeout=60)
            try:
                results[index] = job(self.platforms[place])
            except PaywrightError as error:
                results[index] = error

        with ThreadPoolExecutor(len(jobs)) as pool:
            list(pool.map(play, range(len(jobs))))
        return results

    def pay(self, amount: int, capture_method: CaptureMethod) -> uuid.UUID:
        """A payment to race for."""
        usd = Currency.of("usd")
        wanted = Authorize(Money(amount, usd), self.method, None, capture_method, False, None, {})
        answer = authorize(
            self.platforms[0].payments, self.caller, wanted, context(uuid.uuid4().hex)
        )
        assert answer.status == 201, answer.body
        found = parse_typeid("txn", json.loads(answer.body)["id"])
        assert found is not None
        return found

    def payment(self, payment_id: uuid.UUID) -> dict[str, Any]:
        """Its row."""
        row = self.owner.cursor(row_factory=psycopg.rows.dict_row).execute(
            "SELECT * FROM transactions WHERE id = %s", [payment_id]
        )
        found = row.fetchone()
        assert found is not None
        return found


def outcomes(results: Sequence[Answer | PaywrightError]) -> dict[str, int]:
    """How often each answer came: `ok`, or an error's code."""
    counted: dict[str, int] = {}
    for result in results:
        name = result.code if isinstance(result, PaywrightError) else "ok"
        counted[name] = counted.get(name, 0) + 1
    return counted


@contextmanager
def crew(
    servers: Servers, url: str, valkey_url: str, size: int, *, valkey_timeout_ms: int = 5_000
) -> Iterator[Crew]:
    """A merchant with a card, and environments that act for it.

    Their number makes Valkey's answers late: it seems away only where a test wants that.
    """
    clock = SystemClock()
    with psycopg.connect(url, autocommit=True) as owner:
        merchant = create_merchant(
            owner,
            _PII_KEY,
            name="Busy",
            email=f"{uuid.uuid4().hex}@example.com",
            settlement_currency="usd",
            clock=clock,
            ids=UuidSource(clock),
        )
        merchant_id = parse_typeid("mer", merchant.id)
        assert merchant_id is not None
        key = owner.execute(
            "SELECT id FROM api_keys WHERE merchant_id = %s", [merchant_id]
        ).fetchone()
        assert key is not None
        plans = (FeePlan("card", "*", 290, 0),)
        caller = Caller(merchant_id, key[0], False, Currency.of("usd"), None, plans)
        platforms = [
            make_platform(servers, url, valkey_url, valkey_timeout_ms) for _ in range(size)
        ]
        try:
            yield Crew(platforms, caller, merchant.api_key, _card(platforms[0], caller), owner)
        finally:
            for platform in platforms:
                platform.database.close()
                platform.cache.close()


def _card(platform: Platform, caller: Caller) -> uuid.UUID:
    customers = Customers(platform.database, _PII_KEY, platform.clock, platform.ids)
    made = customers.create(caller, NewCustomer(None, None, None, {}), context())
    customer_id = parse_typeid("cus", json.loads(made.body)["id"])
    assert customer_id is not None
    card = Card("4242424242424242", 12, 2040, None)
    processor = platform.payments.processors.for_method("card")
    added = customers.add_method(caller, customer_id, card, processor, context())
    method = parse_typeid("pm", json.loads(added.body)["id"])
    assert method is not None
    return method
