"""Whether payments, their operations and refunds say the same as the ledger, and as each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import psycopg

from paywright import db

_QUERIES = db.load(__file__)


def disagreements(
    connection: psycopg.Connection[Any], parameters: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    """The rows of a merchant that do not agree: `place` (their table), `id`, `livemode`, `problem`.

    `parameters` are `merchant_id`, `months` (partitions of payments that are here) and `limit`. The
    connection is in the transaction of whoever asks, and joins without nested loops until its end.
    """
    connection.execute(_QUERIES["plan"])
    yield from connection.execute(_QUERIES["disagreements"], parameters)
