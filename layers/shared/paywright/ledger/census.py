"""Every merchant that has something in the ledger, one after another, however many there are."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from paywright import db

_QUERIES = db.load(__file__)


def merchants(database: db.Database) -> Iterator[UUID]:
    """All that have a journal, entry, link, payment, operation or refund, by their ids."""
    after = UUID(int=0)
    while True:
        row = database.one(_QUERIES["next_merchant"], {"after": after})
        if row is None or row["merchant_id"] is None:
            return
        after = row["merchant_id"]
        yield after
