"""A processor that is not there: it answers as the test cards say, and remembers what it said.

Its memory is its own schema in PostgreSQL, written in transactions of its own, so that `lookup` is
as honest after a crash of the caller as a real processor's would be.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from uuid import UUID

from paywright.clock import Clock
from paywright.db import Database, load
from paywright.money import Money
from paywright.processors.base import (
    Approved,
    Card,
    CardInvalid,
    Declined,
    Notice,
    Outcome,
    TokenizedCard,
    Unknown,
)
from paywright.processors.test_cards import brand_of, luhn_valid, scenario_of

_SQL = load(__file__)
_COST_BASIS_POINTS = 180
_SLOW_S = 3.0


class Simulator:
    """The simulated processor of test mode. It charges 1.8 % of what it takes."""

    name = "simulator"
    can_look_up = True

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        timeout_s: float,
        fingerprint_key: bytes,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._database = database
        self._clock = clock
        self._timeout_s = timeout_s
        self._fingerprint_key = fingerprint_key
        self._sleep = sleep

    def tokenize(self, card: Card) -> TokenizedCard:
        """Exchange a card for a token; only how it behaves is kept of its number."""
        if not 12 <= len(card.number) <= 19 or not luhn_valid(card.number):
            raise CardInvalid("incorrect_number")
        now = self._clock.now()
        if (card.exp_year, card.exp_month) < (now.year, now.month):
            raise CardInvalid("expired_card")
        scenario = scenario_of(card.number)
        token = f"sim_{secrets.token_urlsafe(18)}"
        self._database.run(_SQL["insert_card"], {"token": token, "scenario": scenario, "now": now})
        return TokenizedCard(
            token=token,
            # Keyed: card numbers are few enough to be guessed from a bare hash.
            fingerprint=hmac.digest(self._fingerprint_key, card.number.encode(), "sha256").hex(),
            brand=brand_of(card.number),
            last_four=card.number[-4:],
            risk="highest" if scenario == "highest_risk" else "normal",
        )

    def authorize(self, operation_id: UUID, *, token: str, amount: Money, capture: bool) -> Outcome:
        """Decide as the token's card does."""
        return self._decide(operation_id, "sale" if capture else "authorize", token, amount)

    def capture(self, operation_id: UUID, *, reference: str, amount: Money, final: bool) -> Outcome:
        """Approve: what was authorized can be captured."""
        assert reference
        return self._decide(operation_id, "capture", None, amount)

    def void(self, operation_id: UUID, *, reference: str) -> Outcome:
        """Approve: what is held can be let go."""
        assert reference
        return self._decide(operation_id, "void", None, None)

    def refund(self, operation_id: UUID, *, reference: str, amount: Money) -> Outcome:
        """Approve: what was taken can be given back."""
        assert reference
        return self._decide(operation_id, "refund", None, amount)

    def lookup(self, operation_id: UUID) -> Outcome | None:
        """What was answered, or would have been had the answer come."""
        row = self._database.one(_SQL["find"], {"operation_id": operation_id})
        if row is None or row["reversed"]:
            return None
        return _outcome(row["approved"], row["reference"], row["decline_code"])

    def reverse(self, operation_id: UUID) -> None:
        """Undo a request, also one that is yet to arrive."""
        self._database.run(
            _SQL["reverse"],
            {
                "operation_id": operation_id,
                "reference": _new_reference(),
                "now": self._clock.now(),
            },
        )

    def notices(self, limit: int) -> list[Notice]:
        """Nothing: all that it answers is final."""
        return []

    def acknowledge(self, operation_ids: list[UUID]) -> None:
        """Nothing was told."""

    def cost(self, amount: Money) -> Money:
        """1.8 % of the amount."""
        return amount.share(_COST_BASIS_POINTS)

    def _decide(
        self, operation_id: UUID, kind: str, token: str | None, amount: Money | None
    ) -> Outcome:
        row = self._database.one(
            _SQL["decide"],
            {
                "operation_id": operation_id,
                "kind": kind,
                "reference": _new_reference(),
                "token": token,
                "amount": 0 if amount is None else amount.amount,
                "currency": "" if amount is None else amount.currency.code,
                "now": self._clock.now(),
            },
        )
        assert row is not None
        if row["scenario"] in ("timeout_approved", "timeout_declined"):
            self._sleep(self._timeout_s)
            raise Unknown("no answer in time")
        if row["scenario"] == "slow":
            self._sleep(_SLOW_S)
        return _outcome(row["approved"], row["reference"], row["decline_code"])


def _new_reference() -> str:
    return f"ch_{secrets.token_hex(12)}"


def _outcome(approved: bool, reference: str, decline_code: str | None) -> Outcome:
    if approved:
        return Approved(reference)
    return Declined(decline_code or "generic_decline", reference)
