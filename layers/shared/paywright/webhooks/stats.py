"""How deliveries to an endpoint went lately: how many arrived, how fast, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from paywright.clock import Clock, rfc3339
from paywright.db.connection import Database
from paywright.db.sql import load
from paywright.ids import typeid
from paywright.payments.models import Caller
from paywright.webhooks.deliveries import reason_of

MOST_ATTEMPTS = 10_000
"""How many attempts are looked at, the newest ones, so that the cost is bounded."""

_SQL = load(__file__)


def stats(database: Database, clock: Clock, caller: Caller, endpoint_id: UUID) -> dict[str, Any]:
    """The statistics of an endpoint that is known to be the caller's.

    Durations are those of attempts that got an answer. A period begins later than its name says,
    at `since`, where there were more than `MOST_ATTEMPTS`.
    """
    parameters = {
        "merchant_id": caller.merchant_id,
        "id": endpoint_id,
        "now": clock.now(),
        "most": MOST_ATTEMPTS,
    }
    rows = database.all(_SQL["stats"], parameters)
    failed = database.one(_SQL["last_failed"], parameters)
    return {
        "object": "webhook_endpoint_stats",
        "webhook_endpoint_id": typeid("whe", endpoint_id),
        **{row["name"]: _period(row) for row in rows},
        "last_error": None if failed is None else _error(failed),
        "livemode": caller.livemode,
    }


def _period(row: Mapping[str, Any]) -> dict[str, Any]:
    attempts, (median, high) = row["attempts"], row["durations_ms"] or (None, None)
    return {
        "since": rfc3339(row["since"]),
        "attempts": attempts,
        "succeeded": row["succeeded"],
        "success_rate": round(row["succeeded"] / attempts, 4) if attempts else None,
        "duration_p50_ms": median,
        "duration_p95_ms": high,
    }


def _error(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "at": rfc3339(row["at"]),
        "status_code": row["status_code"],
        "message": reason_of(row["error"], row["status_code"]),
    }
