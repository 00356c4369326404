"""What became of deliveries, as merchants see it, and how they have them sent again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from paywright.clock import Clock, rfc3339
from paywright.db.connection import Database, Row
from paywright.db.created import Creations, Insert
from paywright.db.sql import load
from paywright.errors import (
    EventNotKept,
    InvalidField,
    MerchantNotActive,
    NotFound,
    WebhookEndpointDisabled,
)
from paywright.http.lists import Found, Page, found_of
from paywright.ids import IdSource, typeid, uuid_floor
from paywright.payments.models import Answer, Caller, Operator, RequestContext

MOST_ATTEMPTS_SHOWN = 100
MOST_RESENT = 1_000
"""Deliveries that one request sends again; the answer says whether there are more."""

KEPT_FOR = timedelta(days=30)
"""Deliveries, their attempts and the events that they carry."""

_SQL = load(__file__)

Connection = psycopg.Connection[Row]


class Deliveries:
    """The deliveries of all merchants, for their eyes."""

    def __init__(self, database: Database, clock: Clock, ids: IdSource) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    def page(self, caller: Caller, page: Page) -> Found:
        """A page whose filters are `webhook_endpoint_id`, `event_id` and `status`."""
        parameters = page.parameters() | _of(caller)
        rows = self._database.all(_SQL["newer" if page.is_backwards else "older"], parameters)
        return found_of(rows)

    def find(self, caller: Caller, delivery_id: UUID) -> dict[str, Any]:
        """One as it is now; raise NotFound."""
        row = self._database.one(_SQL["find"], _of(caller) | {"id": delivery_id})
        if row is None:
            raise NotFound
        return shown_delivery(row)

    def attempts(self, caller: Caller, delivery_id: UUID) -> tuple[list[dict[str, Any]], bool]:
        """The newest hundred attempts of one, newest first, and whether there are more.

        Raise NotFound.
        """
        self.find(caller, delivery_id)
        parameters = _of(caller) | {"id": delivery_id, "limit": MOST_ATTEMPTS_SHOWN + 1}
        public_id = typeid("whd", delivery_id)
        rows = self._database.all(_SQL["attempts"], parameters)
        attempts = [
            _shown_attempt(row, public_id, livemode=caller.livemode)
            for row in rows[:MOST_ATTEMPTS_SHOWN]
        ]
        return attempts, len(rows) > MOST_ATTEMPTS_SHOWN

    def resend(
        self, caller: Caller | Operator, delivery_id: UUID, context: RequestContext
    ) -> Answer:
        """Have one sent again at once, whatever became of it, with all its attempts before it.

        Raise NotFound, WebhookEndpointDisabled, or EventNotKept.
        """

        def resend(connection: Connection, values: dict[str, Any]) -> dict[str, Any]:
            _admit(connection, values)
            row = connection.execute(_SQL["resend"], values).fetchone()
            if row is None:
                raise NotFound
            values = values | {name: row[name] for name in ("endpoint_id", "event_id")}
            _check_endpoint(connection, "woken_endpoint", values)
            kept = connection.execute(_SQL["is_kept"], values).fetchone()
            if kept is None or not kept["is_kept"]:
                raise EventNotKept
            resent = connection.execute(_SQL["find"], values).fetchone()
            assert resent is not None, "it is locked"
            return shown_delivery(resent)

        about = {"id": delivery_id, "entity_type": "webhook_delivery"}
        return self._write(caller, context, about, resend)

    def resend_failed(
        self,
        caller: Caller | Operator,
        endpoint_id: UUID,
        since: datetime,
        context: RequestContext,
    ) -> Answer:
        """Have those sent again that failed at one endpoint and are no older than that moment.

        The oldest first, a thousand at most. Raise NotFound, WebhookEndpointDisabled, or
        InvalidField for a moment from before what is kept.
        """
        if since < self._clock.now() - KEPT_FOR:
            raise InvalidField(
                f"since: deliveries are kept for {KEPT_FOR.days} days.", param="since"
            )

        def resend(connection: Connection, values: dict[str, Any]) -> dict[str, Any]:
            _admit(connection, values)
            _check_endpoint(connection, "endpoint", values)
            row = connection.execute(_SQL["resend_failed"], values).fetchone()
            _check_endpoint(connection, "woken_endpoint", values)
            resent = int(row["resent"]) if row else 0
            return {
                "object": "webhook_resend",
                "webhook_endpoint_id": typeid("whe", endpoint_id),
                "since": rfc3339(since),
                "resent": resent,
                "has_more": resent == MOST_RESENT,
                "livemode": caller.livemode,
            }

        about = {
            "id": endpoint_id,
            "entity_type": "webhook_endpoint",
            "endpoint_id": endpoint_id,
            "since": since,
            "from_id": uuid_floor(since - timedelta(hours=1)),  # ids and times are a moment apart
            "limit": MOST_RESENT,
        }
        return self._write(caller, context, about, resend)

    def _write(
        self,
        caller: Caller | Operator,
        context: RequestContext,
        about: dict[str, Any],
        write: Insert,
    ) -> Answer:
        creations = Creations(self._database, self._clock, self._ids)
        if isinstance(caller, Caller):
            replayed = creations.replayed(caller, context)
            if replayed is not None:
                return replayed
        return creations.write(caller, context, about, write, action="resent", status=200)


def shown_delivery(row: Mapping[str, Any]) -> dict[str, Any]:
    """The webhook delivery object of a row; while its endpoint rests, it is not attempted."""
    attempted_at, due_at = row["last_attempt_at"], row["next_retry_at"]
    if due_at is not None and row["rest_until"] is not None:
        due_at = max(due_at, row["rest_until"])
    return {
        "id": typeid("whd", row["id"]),
        "object": "webhook_delivery",
        "event_id": typeid("evt", row["event_id"]),
        "webhook_endpoint_id": typeid("whe", row["endpoint_id"]),
        "status": row["status"],
        "attempts": row["attempts"],
        "last_attempt_at": None if attempted_at is None else rfc3339(attempted_at),
        "last_status_code": row["last_response_code"],
        "last_error": row["last_error"],
        "next_attempt_at": None if due_at is None else rfc3339(due_at),
        "created_at": rfc3339(row["created_at"]),
        "livemode": row["livemode"],
    }


def _shown_attempt(row: Mapping[str, Any], delivery_id: str, *, livemode: bool) -> dict[str, Any]:
    return {
        "object": "webhook_attempt",
        "webhook_delivery_id": delivery_id,
        "number": row["number"],
        "status_code": row["status_code"],
        "error": row["error"],
        "duration_ms": row["duration_ms"],
        "response": row["excerpt"],
        "created_at": rfc3339(row["at"]),
        "livemode": livemode,
    }


def _of(caller: Caller) -> dict[str, Any]:
    return {"merchant_id": caller.merchant_id, "livemode": caller.livemode}


def _admit(connection: Connection, values: Mapping[str, Any]) -> None:
    if connection.execute(_SQL["admit"], values).fetchone() is None:
        raise MerchantNotActive


def _check_endpoint(connection: Connection, name: str, values: Mapping[str, Any]) -> None:
    row = connection.execute(_SQL[name], values).fetchone()
    if row is None:
        raise NotFound
    if not row["enabled"]:
        raise WebhookEndpointDisabled
