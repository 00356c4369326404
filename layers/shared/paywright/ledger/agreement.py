"""Whether payments, their operations and refunds say the same as the ledger, and as each other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg

from paywright import db
from paywright.money import all_currencies

_QUERIES = db.load(__file__)
_EXPONENTS = json.dumps({each.code: each.exponent for each in all_currencies()})


def disagreements(
    connection: psycopg.Connection[Any], parameters: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    """The rows of a merchant that do not agree: `place` (their table), `id`, `livemode`, `problem`.

    `parameters` are `merchant_id`, `months` (partitions of payments that are here), `since` (a hold
    that ran out before is released) and `limit`. The connection is in the transaction of whoever
    asks, and joins without nested loops until its end.
    """
    connection.execute(_QUERIES["plan"])
    everything = {**parameters, "exponents": _EXPONENTS}
    yield from connection.execute(_QUERIES["disagreements"], everything)
