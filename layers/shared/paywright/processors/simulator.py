"""A processor of cards that is not there: it answers as the test cards say.

It remembers what it said (`processors.memory`), so that `lookup` is as honest after a crash of the
caller as a real processor's would be, and it is a second guard: it refuses to capture more than it
holds and to refund more than it took.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Collection
from uuid import UUID

from paywright.card_numbers import luhn_valid
from paywright.clock import Clock
from paywright.db import Database, load
from paywright.money import Money
from paywright.processors.base import (
    Card,
    CardInvalid,
    Details,
    Notice,
    Reply,
    Tokenized,
)
from paywright.processors.conduct import Conduct, Fate
from paywright.processors.guard import (
    Charge,
    why_not_captured,
    why_not_refunded,
    why_not_voided,
)
from paywright.processors.memory import (
    Later,
    Memory,
    Recorded,
    Verdict,
    new_reference,
    reply_of,
)
from paywright.processors.test_cards import brand_of, scenario_of

_SQL = load(__file__)
_SLOW_S = 3.0
_REFUND_FAILURE = "expired_or_canceled_card"


class Simulator:
    """The simulated processor of test mode's cards. It charges 1.8 % of what it takes."""

    name = "simulator"
    can_hold = True
    can_look_up = True

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        conduct: Conduct,
        fingerprint_key: bytes,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._database = database
        self._clock = clock
        self._conduct = conduct
        self._fingerprint_key = fingerprint_key
        self._sleep = sleep
        self._memory = Memory(self.name, database, clock)

    def tokenize(self, details: Details) -> Tokenized:
        """Exchange a card for a token; only how it behaves is kept of its number."""
        assert isinstance(details, Card), "the registry sends cards here and nothing else"
        card = details
        if not 12 <= len(card.number) <= 19 or not luhn_valid(card.number):
            raise CardInvalid("incorrect_number")
        now = self._clock.now()
        if (card.exp_year, card.exp_month) < (now.year, now.month):
            raise CardInvalid("expired_card")
        scenario = scenario_of(card.number)
        token = f"sim_{secrets.token_urlsafe(18)}"
        self._database.run(_SQL["insert_card"], {"token": token, "scenario": scenario, "now": now})
        return Tokenized(
            token=token,
            # Keyed: card numbers are few enough to be guessed from a bare hash.
            fingerprint=hmac.digest(self._fingerprint_key, card.number.encode(), "sha256").hex(),
            brand=brand_of(card.number),
            last_four=card.number[-4:],
            risk="highest" if scenario == "highest_risk" else "normal",
        )

    def authorize(self, operation_id: UUID, *, token: str, amount: Money, capture: bool) -> Reply:
        """Decide as the token's card does."""
        fate = self._conduct.fate(operation_id)
        values = {
            "operation_id": operation_id,
            "kind": "sale" if capture else "authorize",
            "reference": new_reference(),
            "token": token,
            "amount": amount.amount,
            "currency": amount.currency.code,
            "decline_code": "processing_error" if fate == "declined" else None,
            "now": self._clock.now(),
        }
        # The second try is for a repetition that came at the same moment as the first request.
        row = self._database.one(_SQL["authorize"], values) or self._database.one(
            _SQL["authorize"], values
        )
        if fate is not None:
            self._conduct.never(self._sleep)
        if row is None or row["scenario"] in ("timeout_approved", "timeout_declined"):
            self._conduct.silence(self._sleep)
        self._conduct.answer(self._sleep, longer_s=_SLOW_S if row["scenario"] == "slow" else 0.0)
        return reply_of(row)

    def capture(self, operation_id: UUID, *, reference: str, amount: Money, final: bool) -> Reply:
        """Take what is held, as far as it goes; more than that is refused."""
        fate = self._conduct.fate(operation_id)

        def decide(charge: Charge | None) -> Verdict:
            return Verdict(_forced(fate) or why_not_captured(charge, amount))

        done = self._memory.follow_up(
            operation_id, "capture", reference, amount, decide, final=final
        )
        return self._answer(done, fate, times_out="capture_timeout")

    def void(self, operation_id: UUID, *, reference: str) -> Reply:
        """Let go of what is held; refused where nothing is."""
        fate = self._conduct.fate(operation_id)

        def decide(charge: Charge | None) -> Verdict:
            return Verdict(_forced(fate) or why_not_voided(charge))

        done = self._memory.follow_up(operation_id, "void", reference, None, decide)
        return self._answer(done, fate, times_out="void_timeout")

    def refund(self, operation_id: UUID, *, reference: str, amount: Money) -> Reply:
        """Give back what was taken, as far as it goes; for two cards the end comes later."""
        fate = self._conduct.fate(operation_id)

        def decide(charge: Charge | None) -> Verdict:
            refused = _forced(fate) or why_not_refunded(charge, amount)
            scenario = "" if charge is None else charge.scenario
            due_at = self._clock.now() + self._conduct.notice_after
            if refused is None and scenario == "refund_pending":
                return Verdict(pending=True, later=(Later(due_at, None),))
            if refused is None and scenario == "refund_fails":
                return Verdict(later=(Later(due_at, _REFUND_FAILURE),))
            return Verdict(refused)

        done = self._memory.follow_up(operation_id, "refund", reference, amount, decide)
        return self._answer(done, fate, times_out="refund_timeout")

    def lookup(self, operation_id: UUID) -> Reply | None:
        """What was answered, or would have been had the answer come, or what came of it since."""
        return self._memory.lookup(operation_id)

    def reverse(self, operation_id: UUID) -> None:
        """Undo a request, also one that is yet to arrive."""
        self._memory.reverse(operation_id)

    def notices(self, limit: int, *, besides: Collection[UUID] = ()) -> list[Notice]:
        """What became of refunds that were pending, or turned out otherwise."""
        return self._memory.notices(limit, besides)

    def acknowledge(self, operation_ids: list[UUID]) -> None:
        """Tell these no more."""
        self._memory.acknowledge(operation_ids)

    def _answer(self, done: Recorded, fate: Fate | None, *, times_out: str) -> Reply:
        if fate is not None:
            self._conduct.never(self._sleep)
        if done.is_new and done.scenario == times_out:
            self._conduct.silence(self._sleep)
        self._conduct.answer(self._sleep)
        return done.reply


def _forced(fate: Fate | None) -> str | None:
    return "processing_error" if fate == "declined" else None
