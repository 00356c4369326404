"""Webhook endpoints, deliveries and attempts in PostgreSQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any
from uuid import UUID

import psycopg

from paywright import db
from paywright.clock import Clock
from paywright.db.connection import Row, with_retries
from paywright.event import EventType
from paywright.ids import IdSource, typeid
from paywright.observability import get_logger
from paywright.webhooks.deliveries import Delivery, Endpoint, Hang, Outcome, reason_of
from paywright.webhooks.disabled import disabled_event
from paywright.webhooks.filters import wanted_then
from paywright.webhooks.health import (
    BROKEN_AFTER,
    FAILING_REASON,
    FIRST_REST_S,
    LONGEST_REST_S,
    Health,
    Seen,
    hangs,
    is_news,
    reason_to_disable,
    seen,
)
from paywright.webhooks.message import Event

_QUERIES = db.load(__file__)

_NOT_KEPT = "the event is kept no longer"
_NOT_WANTED = "no longer wanted: other event_types were set, or the endpoint was disabled meanwhile"

_MOST_LOOKS = 20
"""Of one `take`: what comes to nothing keeps others waiting no longer than it must."""

_MOST_SECRETS = 10_000
_MOST_CLOSED = 1_000
_RESTS = {
    "broken_after": BROKEN_AFTER,
    "first_rest_s": FIRST_REST_S,
    "longest_rest_s": LONGEST_REST_S,
}


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that is due: `reason` is why it failed, where only that is left to be told."""

    delivery: Delivery
    reason: str | None = None


class PostgresDeliveryStore:
    """Keeps one delivery for each event and endpoint.

    Secrets are decrypted in the database, once each: that costs more there than all the rest of a
    delivery, and what is encrypted anew has another key here. Every method raises `db.Lost` when
    the database is away.
    """

    def __init__(self, database: db.Database, ids: IdSource, clock: Clock, pii_key: str) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock
        self._pii_key = pii_key
        self._secrets: dict[bytes, str] = {}  # by what they are encrypted

    def plan(self, events: Sequence[Event]) -> list[Delivery]:
        """What is to be begun: to whom an event is new, or has failed. Nothing is written yet."""
        if not events:
            return []
        parameters = {
            "merchant_ids": [event.merchant_id for event in events],
            "livemodes": [event.livemode for event in events],
            "numbers": list(range(len(events))),
            "events": [event.id for event in events],
            "now": self._clock.now(),
        }
        wanted = {  # an event that comes for all and for one of them is one event to that one
            (row["event_id"], row["endpoint_id"]): row
            for row in self._database.all(_QUERIES["plan"], parameters)
            if row["status"] in (None, "failed") and _is_for(events[row["number"]], row)
        }
        rows = list(wanted.values())
        return [
            Delivery(
                row["delivery_id"] or new,
                events[row["number"]],
                endpoint,
                turn=row["turn"] or 0,
            )
            for row, endpoint, new in zip(
                rows, self._endpoints(rows), self._ids.several(len(rows)), strict=True
            )
        ]

    def take(
        self,
        *,
        limit: int,
        for_the_ill: int,
        for_the_new: int,
        at_once: int,
        under_way: Sequence[Delivery],
        lease_s: float,
    ) -> list[Due]:
        """What is due, up to `limit`; after `lease_s` it is due again.

        What its endpoint wants no longer is failed instead, but for what somebody asked for.
        An endpoint has at most `at_once` at a time, with those `under_way`, of which none is sent
        again until it is over; all that fail or are slow together at most `for_the_ill`, all of
        which nothing is known `for_the_new`.
        """
        now = self._clock.now()
        until = now + timedelta(seconds=lease_s)
        parameters = {
            "now": now,
            "until": until,
            "limit": limit,
            "for_the_ill": for_the_ill,
            "for_the_new": for_the_new,
            "at_once": at_once,
            "under_way": [each.id for each in under_way],
        } | _busy(under_way)
        rows: list[Row] = []
        for _ in range(_MOST_LOOKS):
            found = with_retries(lambda: self._database.all(_QUERIES["take"], parameters))
            vain = [(row, why) for row in found if (why := _why_in_vain(row))]
            if vain:
                self._give_up(vain, until)
            rows = [row for row in found if not _why_in_vain(row)]
            if rows or not vain:
                break
        return [
            Due(
                Delivery(row["delivery_id"], _event_of(row), endpoint, row["tries"], row["turn"]),
                _reason(row),
            )
            for row, endpoint in zip(rows, self._endpoints(rows), strict=True)
        ]

    def next_due(
        self, after: datetime, *, at_once: int, under_way: Sequence[Delivery]
    ) -> datetime | None:
        """When something can be sent next after that moment, with what is `under_way` till then.

        An endpoint has at most `at_once` at a time. What those that are disabled are owed counts
        for nothing.
        """
        parameters = {"after": after, "at_once": at_once} | _busy(under_way)
        (row,) = self._database.all(_QUERIES["next_due"], parameters)
        due_at: datetime | None = row["due_at"]
        return due_at

    def record(self, outcomes: Sequence[Outcome], hanging: Iterable[Hang] = ()) -> None:
        """Keep what came of deliveries, each of another event or endpoint.

        `hanging` are endpoints that have not answered and should have. What is sent to an endpoint
        is disabled, and its merchant told, where an answer or days of failures ask for it.
        """
        results: dict[UUID, list[Outcome]] = {}
        for outcome in outcomes:
            if outcome.answer is not None:
                results.setdefault(outcome.delivery.endpoint.id, []).append(outcome)
        now = self._clock.now()
        news = {each.endpoint.id: (each.endpoint, hangs(each.since, now)) for each in hanging}
        for these in results.values():
            endpoint, what = these[-1].delivery.endpoint, seen(these)
            if endpoint.id in news:
                began = max(what.began, news[endpoint.id][1].began)
                news[endpoint.id] = endpoint, replace(what, began=began, slow=True)
            elif is_news(endpoint.health, what):
                news[endpoint.id] = endpoint, what
        if outcomes or news:
            parameters = _of_outcomes(outcomes) | _of_news(news.values()) | _RESTS | {"now": now}
            try:
                with_retries(lambda: self._database.run(_QUERIES["record"], parameters))
            except psycopg.errors.UniqueViolation:
                # An attempt was told by somebody else at this moment; now that can be seen.
                with_retries(lambda: self._database.run(_QUERIES["record"], parameters))
        for these in results.values():
            reason = reason_to_disable(these[-1].delivery.endpoint.health, these)
            if reason is not None:
                self._disable(reason, these[-1], now)

    def is_failed(self, delivery: Delivery) -> bool:
        """Whether it still is, or was sent again or delivered by a copy meanwhile."""
        return self._database.one(_QUERIES["is_failed"], _key_of(delivery)) is not None

    def settle(self, delivery: Delivery) -> None:
        """A failed one is told of: nothing is to be done with it, unless it was sent again."""
        self._database.run(_QUERIES["settle"], _key_of(delivery))

    def close(self) -> int:
        """Fail what waits for endpoints that are disabled or deleted, a thousand at most."""
        parameters = {"limit": _MOST_CLOSED}
        return with_retries(lambda: self._database.run(_QUERIES["close"], parameters))

    def _disable(self, reason: str, last: Outcome, now: datetime) -> None:
        endpoint, event_id = last.delivery.endpoint, self._ids.new()
        parameters = {
            "merchant_id": endpoint.merchant_id,
            "id": endpoint.id,
            "sequence": endpoint.sequence,
            "url": endpoint.url,
            "failing_since": endpoint.health.failing_since if reason == FAILING_REASON else None,
            "reason": reason,
            "event_id": event_id,
            "event_type": EventType.ENDPOINT_DISABLED,
            "payload": disabled_event(event_id, reason, last, now),
            "now": now,
        }
        self._database.run(_QUERIES["disable"], parameters)

    def _give_up(self, vain: Sequence[tuple[Row, str]], until: datetime) -> None:
        parameters = {
            "endpoint_ids": [row["endpoint_id"] for row, _ in vain],
            "ids": [row["delivery_id"] for row, _ in vain],
            "reasons": [reason for _, reason in vain],
            "until": until,
        }
        with_retries(lambda: self._database.run(_QUERIES["give_up"], parameters))

    def _endpoints(self, rows: Sequence[Row]) -> list[Endpoint]:
        """The endpoint of each row; rows of one share it."""
        made: dict[UUID, Endpoint] = {}
        for row in rows:
            if row["endpoint_id"] not in made:
                made[row["endpoint_id"]] = Endpoint(
                    merchant_id=row["merchant_id"],
                    id=row["endpoint_id"],
                    url=row["url"],
                    secrets=self._secrets_of(row),
                    sequence=row["endpoint_sequence"],
                    health=Health(
                        row["answered_at"], row["failing_since"], row["failures"], row["slow"]
                    ),
                )
        return [made[row["endpoint_id"]] for row in rows]

    def _secrets_of(self, endpoint: Mapping[str, Any]) -> tuple[str, ...]:
        """An endpoint's secrets, the present one first; none where that cannot be decrypted."""
        columns = ("secret_encrypted", "previous_secret_encrypted")
        encrypted = [endpoint[name] for name in columns if endpoint[name] is not None]
        known = (self._decrypted(each, endpoint["endpoint_id"]) for each in encrypted)
        return tuple(takewhile(bool, known))

    def _decrypted(self, encrypted: bytes, endpoint_id: UUID) -> str:
        """A secret; empty where it cannot be decrypted, of which the log tells once."""
        if encrypted not in self._secrets:
            if len(self._secrets) >= _MOST_SECRETS:
                self._secrets.clear()
            parameters = {"encrypted": encrypted, "pii_key": self._pii_key}
            try:
                (row,) = self._database.all(_QUERIES["decrypt"], parameters)
            except psycopg.Error as error:
                get_logger().error(
                    "A webhook endpoint's secret cannot be decrypted; if PII_KEY is what it was"
                    " encrypted with, the secret is damaged and has to be rotated",
                    extra={"endpoint": typeid("whe", endpoint_id), "reason": type(error).__name__},
                )
                row = {"secret": ""}
            self._secrets[encrypted] = row["secret"]
        return self._secrets[encrypted]


def _busy(under_way: Iterable[Delivery]) -> dict[str, Any]:
    busy = Counter(each.endpoint.id for each in under_way)
    return {"busy_endpoints": list(busy), "busy_deliveries": list(busy.values())}


def _key_of(delivery: Delivery) -> dict[str, UUID]:
    return {"merchant_id": delivery.endpoint.merchant_id, "id": delivery.id}


def _is_for(event: Event, endpoint: Mapping[str, Any]) -> bool:
    """Whether it is sent there: to that one alone, or to all that wanted it when it was made."""
    if event.endpoint_id is not None:
        return bool(event.endpoint_id == endpoint["endpoint_id"])
    return _wants(endpoint, event.id, event.type)


def _wants(endpoint: Mapping[str, Any], event_id: UUID, event_type: str) -> bool:
    """Whether it wants such events, and did when this one was made."""
    wanted = zip(endpoint["wanted_types"], endpoint["wanted_since"], strict=True)
    return wanted_then(wanted, event_id, event_type)


def _why_in_vain(row: Row) -> str | None:
    """Why a delivery that is due is not sent, if it is not."""
    if row["payload"] is None:
        return _NOT_KEPT
    if row["status"] != "pending" or row["asked_for"]:
        return None
    return None if _wants(row, row["event_id"], row["type"]) else _NOT_WANTED


def _event_of(row: Row) -> Event:
    return Event(
        merchant_id=row["merchant_id"],
        livemode=row["livemode"],
        id=row["event_id"],
        public_id=typeid("evt", row["event_id"]),
        type=row["type"],
        payload=row["payload"].encode(),
        trace_id=row["trace_id"],
        sequence=row["sequence"],
        endpoint_id=row["endpoint_id"] if row["asked_for"] else None,
    )


def _reason(row: Row) -> str | None:
    """Why a delivery has failed that has."""
    if row["status"] != "failed":
        return None
    return reason_of(row["last_error"], row["last_response_code"])


def _of_outcomes(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    answers = [outcome.answer for outcome in outcomes]
    deliveries = [outcome.delivery for outcome in outcomes]
    return {
        "merchant_ids": [each.event.merchant_id for each in deliveries],
        "ids": [each.id for each in deliveries],
        "event_ids": [each.event.id for each in deliveries],
        "endpoint_ids": [each.endpoint.id for each in deliveries],
        "statuses": [outcome.status for outcome in outcomes],
        "tries": [outcome.tries for outcome in outcomes],
        "attempted_ats": [outcome.at if outcome.answer else None for outcome in outcomes],
        "due_ats": [outcome.due_at for outcome in outcomes],
        "codes": [answer and answer.status for answer in answers],
        "errors": [answer and answer.error for answer in answers],
        "durations_ms": [answer and answer.duration_ms for answer in answers],
        "excerpts": [answer and answer.excerpt for answer in answers],
        "livemodes": [each.event.livemode for each in deliveries],
        "asked_for": [each.event.endpoint_id is not None for each in deliveries],
        "turns": [each.turn for each in deliveries],
        "trace_ids": [each.event.trace_id for each in deliveries],
    }


def _of_news(news: Iterable[tuple[Endpoint, Seen]]) -> dict[str, Any]:
    known = list(news)
    endpoints, seen_of = [each for each, _ in known], [what for _, what in known]
    return {
        "seen_merchant_ids": [endpoint.merchant_id for endpoint in endpoints],
        "seen_endpoint_ids": [endpoint.id for endpoint in endpoints],
        "seen_urls": [endpoint.url for endpoint in endpoints],
        "seen_began": [what.began for what in seen_of],
        "seen_ats": [what.at for what in seen_of],
        "seen_succeeded": [what.succeeded for what in seen_of],
        "seen_failures": [what.failures for what in seen_of],
        "seen_failing_since": [what.failing_since for what in seen_of],
        "seen_slow": [what.slow for what in seen_of],
    }
