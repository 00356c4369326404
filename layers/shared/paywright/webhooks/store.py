"""Webhook endpoints and deliveries in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

from paywright import db
from paywright.clock import Clock
from paywright.db.connection import with_retries
from paywright.ids import IdSource
from paywright.webhooks.deliver import Attempt, Delivery
from paywright.webhooks.filters import wants
from paywright.webhooks.message import Event

_QUERIES = db.load(__file__)


_MOST_SECRETS = 10_000


class PostgresDeliveryStore:
    """Keeps one delivery for each event and endpoint.

    Secrets are decrypted in the database, once each: that costs more there than all the rest of a
    delivery, and what is encrypted anew has another key here.
    """

    def __init__(self, database: db.Database, ids: IdSource, clock: Clock, pii_key: str) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock
        self._pii_key = pii_key
        self._secrets: dict[bytes, str] = {}  # by what they are encrypted

    def plan(self, events: Sequence[Event]) -> list[Delivery]:
        """What is still to be delivered, each with its record."""
        if not events:
            return []
        endpoints = self._database.all(
            _QUERIES["endpoints"],
            {
                "merchant_ids": [event.merchant_id for event in events],
                "livemodes": [event.livemode for event in events],
                "now": self._clock.now(),
            },
        )
        self._decrypt({secret for endpoint in endpoints for secret in _secrets_of(endpoint)})
        wanted = {
            (event.id, endpoint["id"]): (event, endpoint)
            for event in events
            for endpoint in endpoints
            if (event.merchant_id, event.livemode)
            == (endpoint["merchant_id"], endpoint["livemode"])
            and _is_for(event, endpoint)
        }
        parameters = {
            "event_merchant_ids": [event.merchant_id for event in events],
            "events": [event.id for event in events],
            "merchant_ids": [event.merchant_id for event, _ in wanted.values()],
            "ids": [self._ids.new() for _ in wanted],
            "event_ids": [event_id for event_id, _ in wanted],
            "endpoint_ids": [endpoint_id for _, endpoint_id in wanted],
            "now": self._clock.now(),
        }
        begun = with_retries(lambda: self._database.all(_QUERIES["begin"], parameters))
        deliveries = []
        for row in begun:
            event, endpoint = wanted[row["event_id"], row["endpoint_id"]]
            secrets = tuple([self._secrets[secret] for secret in _secrets_of(endpoint)])
            deliveries.append(Delivery(row["id"], event, endpoint["id"], endpoint["url"], secrets))
        return deliveries

    def _decrypt(self, encrypted: Set[bytes]) -> None:
        """Know the secrets of these."""
        unknown = list(encrypted - self._secrets.keys())
        if not unknown:
            return
        if len(self._secrets) + len(unknown) > _MOST_SECRETS:
            self._secrets.clear()
            unknown = list(encrypted)
        parameters = {"encrypted": unknown, "pii_key": self._pii_key}
        rows = self._database.all(_QUERIES["decrypt"], parameters)
        self._secrets |= {row["encrypted"]: row["secret"] for row in rows}

    def record(self, attempts: Sequence[Attempt]) -> None:
        """Keep what came of attempts, and disable the endpoints that are gone."""
        if not attempts:
            return
        parameters = {
            "merchant_ids": [attempt.delivery.event.merchant_id for attempt in attempts],
            "ids": [attempt.delivery.id for attempt in attempts],
            "endpoint_ids": [attempt.delivery.endpoint_id for attempt in attempts],
            "statuses": [attempt.status for attempt in attempts],
            "attempted_ats": [attempt.at for attempt in attempts],
            "retry_ats": [attempt.next_retry_at for attempt in attempts],
            "codes": [attempt.answer.status for attempt in attempts],
            "errors": [attempt.answer.error for attempt in attempts],
            "gone": [attempt.endpoint_is_gone for attempt in attempts],
        }
        with_retries(lambda: self._database.run(_QUERIES["record"], parameters))


def _is_for(event: Event, endpoint: Mapping[str, Any]) -> bool:
    if event.endpoint_id is not None:
        return bool(event.endpoint_id == endpoint["id"])
    return wants(endpoint["event_types"], event.type)


def _secrets_of(endpoint: Mapping[str, Any]) -> list[bytes]:
    """An endpoint's secrets, encrypted, the present one first."""
    columns = ("secret_encrypted", "previous_secret_encrypted")
    return [endpoint[name] for name in columns if endpoint[name] is not None]
