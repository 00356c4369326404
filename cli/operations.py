"""Operations that nobody has decided yet: which there are, and having one looked at again."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from cli import database
from cli.errors import Failure
from cli.place import Place

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
     WHERE operation_id = %(operation_id)s
"""


def undecided(place: Place, *, only_stuck: bool) -> list[dict[str, Any]]:
    """What is not decided, those that wait for a person first; at most `LIMIT`."""
    with database.connect(place.database_url) as connection:
        found = connection.execute(_LIST, {"stuck": only_stuck, "limit": LIMIT})
        assert found.description is not None
        names = [column.name for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found]


def retry(place: Place, operation: str, now: datetime) -> None:
    """Have recovery look at an operation at once; Failure if it is none or was decided."""
    try:
        operation_id = UUID(operation)
    except ValueError as error:
        raise Failure(f"{operation} is no operation's id: `operations list` shows them.") from error
    with database.connect(place.database_url) as connection:
        done = connection.execute(_RETRY, {"operation_id": operation_id, "now": now})
        connection.commit()
    if done.rowcount == 0:
        raise Failure(f"There is no undecided operation {operation}: it may be decided by now.")
