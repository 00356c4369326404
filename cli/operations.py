"""Operations that nobody has decided yet: which there are, and having one looked at again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from cli import database
from cli.errors import Failure
from cli.place import Place
from paywright.ids import parse_typeid

LIMIT = 1_000

_LIST = """
    SELECT p.operation_id, o.kind, p.merchant_id, p.transaction_id, p.amount, o.currency,
           o.processor, o.created_at, p.attempts, p.due_at, p.needs_person
      FROM pending_operations p
      JOIN payment_operations o ON o.merchant_id = p.merchant_id AND o.id = p.operation_id
     WHERE p.needs_person OR NOT %(stuck)s
     ORDER BY p.needs_person DESC, p.due_at
     LIMIT %(limit)s
"""
_RETRY = """
    UPDATE pending_operations
       SET due_at = %(now)s, attempts = 0, needs_person = false
     WHERE operation_id = %(operation_id)s OR transaction_id = %(payment_id)s
"""


@dataclass(frozen=True)
class UndecidedOperation:
    """An operation without an outcome; `amount` is in the minor unit of `currency`."""

    operation_id: UUID
    kind: str
    merchant_id: UUID
    transaction_id: UUID
    amount: int
    currency: str
    processor: str
    created_at: datetime
    attempts: int
    due_at: datetime
    needs_person: bool


def undecided(place: Place, *, only_stuck: bool) -> list[UndecidedOperation]:
    """What is not decided, those that wait for a person first; at most `LIMIT`."""
    with (
        database.connect(place.database_url) as connection,
        connection.cursor(row_factory=class_row(UndecidedOperation)) as cursor,
    ):
        return cursor.execute(_LIST, {"stuck": only_stuck, "limit": LIMIT}).fetchall()


def retry(place: Place, named: str, now: datetime) -> int:
    """Have recovery look at an operation at once, or at all of a payment's; how many there are.

    `named` is op_…, the same as a UUID (as logs have it), or txn_…. Failure if it is no such id, or
    of nothing undecided.
    """
    operation_id, payment_id = parse_typeid("op", named) or _uuid(named), parse_typeid("txn", named)
    if operation_id is None and payment_id is None:
        raise Failure(
            f"{named} is no operation's id and no payment's: `operations list` shows them."
        )
    wanted = {"operation_id": operation_id, "payment_id": payment_id, "now": now}
    with database.connect(place.database_url) as connection:
        done = connection.execute(_RETRY, wanted)
        connection.commit()
    if done.rowcount == 0:
        raise Failure(f"There is no undecided operation {named}: it may be decided by now.")
    return done.rowcount


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
