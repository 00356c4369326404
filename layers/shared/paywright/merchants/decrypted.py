"""A merchant's name and addresses, read one by one: a damaged one keeps nothing else."""

from __future__ import annotations

from uuid import UUID

import psycopg

from paywright.db.connection import Database
from paywright.db.sql import load
from paywright.ids import typeid
from paywright.observability import get_logger

_SQL = load(__file__)


def decrypted(
    database: Database, pii_key: str, encrypted: bytes, *, merchant_id: UUID, field: str
) -> str | None:
    """The text of a field; None where it cannot be decrypted, of which the log tells."""
    try:
        (row,) = database.all(_SQL["decrypt"], {"encrypted": encrypted, "pii_key": pii_key})
    except psycopg.Error as error:
        get_logger().error(
            "A merchant's name or e-mail address cannot be decrypted; if PII_KEY is what it was"
            " encrypted with, it is damaged and has to be set again",
            extra={
                "merchant": typeid("mer", merchant_id),
                "field": field,
                "reason": type(error).__name__,
            },
        )
        return None
    return str(row["text"])
