"""What the simulated processors remember: their requests, and what they will say of them later.

It is a schema of its own in PostgreSQL, written in transactions of its own, as if it ran elsewhere:
what was asked and answered survives a crash of whoever asked. What is held, captured and refunded
under a reference is the sum of its requests (`simulator.charges_at`).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import psycopg

from paywright.clock import Clock
from paywright.db import Database, load
from paywright.db.connection import Row
from paywright.money import Money
from paywright.processors.base import Approved, Declined, Notice, Outcome, Pending, Reply, Unknown
from paywright.processors.guard import Charge

_SQL = load(__file__)
Kind = Literal["authorize", "sale", "capture", "void", "refund"]


@dataclass(frozen=True, slots=True)
class Later:
    """Something that will be said of a request; `decline_code` None means that it succeeded."""

    due_at: datetime
    decline_code: str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a request is decided: refused with a code, or approved, or left `pending`."""

    decline_code: str | None = None
    pending: bool = False
    later: tuple[Later, ...] = ()


@dataclass(frozen=True, slots=True)
class Recorded:
    """The answer to a request. `is_new` is False when it came before and is told the same."""

    reply: Reply
    is_new: bool
    scenario: str


class Memory:
    """The memory of one simulated processor, by its name."""

    def __init__(self, processor: str, database: Database, clock: Clock) -> None:
        self._processor = processor
        self._database = database
        self._clock = clock

    def sale(
        self, operation_id: UUID, token: str, amount: Money, verdict: Verdict, scenario: str
    ) -> Recorded:
        """Record a request that stands for itself, or find it recorded."""
        with self._database.transaction() as connection:
            request = self._request(operation_id, "sale", amount) | {"token": token}
            return self._record(connection, request, verdict, scenario)

    def follow_up(
        self,
        operation_id: UUID,
        kind: Kind,
        reference: str,
        amount: Money | None,
        decide: Callable[[Charge | None], Verdict],
        *,
        final: bool = False,
    ) -> Recorded:
        """Record a request about an authorization, decided on what is left of that.

        Requests about one authorization wait for each other, so that each sees the ones before.
        """
        with self._database.transaction() as connection:
            connection.execute(_SQL["lock"], {"reference": reference})
            now = self._clock.now()
            row = connection.execute(
                _SQL["find_charge"], {"reference": reference, "now": now}
            ).fetchone()
            charge = None if row is None else Charge(**row)
            request = self._request(operation_id, kind, amount) | {
                "charge": reference,
                "final": final,
            }
            scenario = "approved" if charge is None else charge.scenario
            return self._record(connection, request, decide(charge), scenario)

    def lookup(self, operation_id: UUID) -> Reply | None:
        """The request's outcome by now; None when it never arrived or was reversed."""
        row = self._database.one(
            _SQL["lookup"], {"operation_id": operation_id, "now": self._clock.now()}
        )
        if row is None or row["reversed"]:
            return None
        if row["outcome"] == "pending":
            return Pending(row["reference"])
        return outcome(row["outcome"] == "approved", row["reference"], row["decline_code"])

    def reverse(self, operation_id: UUID) -> None:
        """Make a request count for nothing, also one that is yet to arrive.

        Raise Unknown where later requests were built on it: those have to be undone first.
        """
        values = {
            "operation_id": operation_id,
            "processor": self._processor,
            "reference": new_reference(),
            "now": self._clock.now(),
        }
        with self._database.transaction() as connection:
            connection.execute(_SQL["lock_of_request"], values)
            if connection.execute(_SQL["built_upon"], values).fetchone() is not None:
                raise Unknown("it was not reversed: later requests were built on it")
            connection.execute(_SQL["reverse"], values)
            connection.execute(_SQL["forget_notices"], values)

    def notices(self, limit: int, besides: Collection[UUID]) -> list[Notice]:
        """What is due to be said, the oldest first, one for each request but those."""
        rows = self._database.all(
            _SQL["notices"],
            {
                "processor": self._processor,
                "limit": limit,
                "besides": list(besides),
                "now": self._clock.now(),
            },
        )
        return [
            Notice(
                row["operation_id"],
                outcome(row["approved"], row["reference"], row["decline_code"]),
            )
            for row in sorted(rows, key=lambda row: (row["due_at"], row["operation_id"]))
        ]

    def acknowledge(self, operation_ids: list[UUID]) -> None:
        """What was told of these requests has been heard."""
        self._database.run(
            _SQL["acknowledge"],
            {
                "processor": self._processor,
                "operation_ids": operation_ids,
                "now": self._clock.now(),
            },
        )

    def _request(self, operation_id: UUID, kind: Kind, amount: Money | None) -> dict[str, Any]:
        return {
            "operation_id": operation_id,
            "processor": self._processor,
            "kind": kind,
            "reference": new_reference(),
            "token": None,
            "charge": None,
            "final": False,
            "amount": 0 if amount is None else amount.amount,
            "currency": "" if amount is None else amount.currency.code,
            "now": self._clock.now(),
        }

    def _record(
        self,
        connection: psycopg.Connection[Row],
        request: dict[str, Any],
        verdict: Verdict,
        scenario: str,
    ) -> Recorded:
        decided = {
            "approved": verdict.decline_code is None and not verdict.pending,
            "pending": verdict.pending,
            "decline_code": verdict.decline_code,
        }
        row = connection.execute(_SQL["record"], request | decided).fetchone()
        if row is None:  # it came before: a repetition is told the same
            row = connection.execute(_SQL["find"], request).fetchone()
            assert row is not None, "requests are never deleted"
            return Recorded(reply_of(row), False, scenario)
        for later in verdict.later:
            values = {"due_at": later.due_at, "decline_code": later.decline_code}
            connection.execute(_SQL["add_notice"], request | values)
        return Recorded(reply_of(row), True, scenario)


def new_reference() -> str:
    """A processor's name for a request."""
    return f"ch_{secrets.token_hex(12)}"


def reply_of(row: Row) -> Reply:
    """What was answered to a request; one that was reversed is refused from then on."""
    if row["reversed"]:
        return Declined("reversed", row["reference"])
    if row["pending"]:
        return Pending(row["reference"])
    return outcome(row["approved"], row["reference"], row["decline_code"])


def outcome(approved: bool, reference: str, decline_code: str | None) -> Outcome:
    """An outcome as the protocol has it."""
    if approved:
        return Approved(reference)
    return Declined(decline_code or "generic_decline", reference)
