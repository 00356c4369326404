"""The webhook endpoints of merchants: made, changed, given another secret, deleted.

All writes of one merchant wait for each other, so that its limit holds. A secret is in the answer
that makes it and nowhere else; what is kept of that answer for replays is encrypted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from paywright.clock import Clock, rfc3339
from paywright.db.connection import Database, Row
from paywright.db.created import Creations, Insert
from paywright.db.sql import load
from paywright.errors import (
    InvalidField,
    MerchantNotActive,
    NotFound,
    WebhookEndpointDisabled,
    WebhookEndpointLimitReached,
)
from paywright.event import API_VERSION, event_text
from paywright.http.lists import Found, Page, found_of
from paywright.ids import IdSource, typeid
from paywright.payments.models import Answer, Caller, RequestContext, to_json
from paywright.webhooks.filters import TEST_EVENT, wanted_since
from paywright.webhooks.secrets import new_secret
from paywright.webhooks.urls import UnsafeUrl

MAX_ENDPOINTS = 100
"""Of one merchant and mode: each event is one request to each of them, paid for by all."""

OVERLAP = timedelta(hours=24)
"""Business time for which the secret before the present one signs as well."""

API_VERSIONS = (API_VERSION,)
"""Of the events' form; the last is what an endpoint gets that asks for none."""

BY_REQUEST = "disabled by request"

_SQL = load(__file__)
_CHANGEABLE = ("url", "description", "event_types", "enabled", "api_version")

Connection = psycopg.Connection[Row]


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """What a merchant gives of an endpoint."""

    url: str
    event_types: list[str]
    description: str | None = None
    enabled: bool = True
    api_version: str = API_VERSIONS[-1]
    from_profile: bool = False


class Endpoints:
    """The endpoints of all merchants.

    `check_url` raises UnsafeUrl for what no webhook is sent to; `pii_key` encrypts secrets.
    """

    def __init__(
        self,
        database: Database,
        pii_key: str,
        clock: Clock,
        ids: IdSource,
        check_url: Callable[[str], None],
    ) -> None:
        self._database = database
        self._pii_key = pii_key
        self._clock = clock
        self._ids = ids
        self._check_url = check_url

    def create(self, caller: Caller, new: NewEndpoint, context: RequestContext) -> Answer:
        """Make an endpoint; its secret is in the answer.

        Raise InvalidField for a URL that is not safe, or WebhookEndpointLimitReached.
        """
        creations = self._creations(secret=True)
        if replayed := creations.replayed(caller, context):
            return replayed
        self._check(new.url, "url")
        return creations.write(
            caller,
            context,
            {"id": self._ids.new(), "entity_type": "webhook_endpoint"},
            lambda connection, values: self._insert(connection, values, new),
        )

    def find(self, caller: Caller, endpoint_id: UUID) -> dict[str, Any]:
        """An endpoint as the API shows it; raise NotFound."""
        row = self._database.one(_SQL["find"], self._mine(caller) | {"id": endpoint_id})
        if row is None:
            raise NotFound
        return shown_endpoint(row)

    def page(self, caller: Caller, page: Page) -> Found:
        """The endpoints of a page whose filter is `enabled`."""
        parameters = page.parameters() | self._mine(caller)
        return found_of(
            self._database.all(_SQL["newer" if page.is_backwards else "older"], parameters)
        )

    def change(
        self,
        caller: Caller,
        endpoint_id: UUID,
        changes: Mapping[str, Any],
        context: RequestContext,
    ) -> Answer:
        """Change some fields; raise NotFound, or InvalidField for a URL that is not safe.

        Nothing is written, and nothing audited, where they are as asked for already.
        """
        if "url" in changes:
            self._check(changes["url"], "url")
        return self._write(caller, endpoint_id, context, _updating(changes), "updated")

    def delete(self, caller: Caller, endpoint_id: UUID, context: RequestContext) -> Answer:
        """Delete an endpoint with its secrets; what waits for it is delivered no more.

        Raise NotFound.
        """

        def delete(connection: Connection, values: dict[str, Any]) -> dict[str, Any]:
            _admit(connection, values)
            gone = _one(connection, "delete", values)
            return {"id": typeid("whe", gone["id"]), "object": "webhook_endpoint", "deleted": True}

        return self._write(caller, endpoint_id, context, delete, "deleted")

    def rotate_secret(
        self,
        caller: Caller,
        endpoint_id: UUID,
        context: RequestContext,
        *,
        overlap: timedelta = OVERLAP,
    ) -> Answer:
        """Give an endpoint another secret, which is in the answer; raise NotFound.

        The one before signs as well for the `overlap`; one before that ends now.
        """
        creations = self._creations(secret=True)
        if replayed := creations.replayed(caller, context):
            return replayed
        secret = new_secret()

        def rotate(connection: Connection, values: dict[str, Any]) -> dict[str, Any]:
            _admit(connection, values)
            parameters = {
                **values,
                "secret": secret,
                "pii_key": self._pii_key,
                "previous_until": values["now"] + overlap,
            }
            return {**shown_endpoint(_one(connection, "rotate", parameters)), "secret": secret}

        parameters = {"id": endpoint_id, "entity_type": "webhook_endpoint"}
        return creations.write(
            caller, context, parameters, rotate, action="secret_rotated", status=200
        )

    def send_test(self, caller: Caller, endpoint_id: UUID, context: RequestContext) -> Answer:
        """Have a test event sent to this endpoint alone, by the way that all events go.

        Raise NotFound, or WebhookEndpointDisabled.
        """
        creations = self._creations()
        if replayed := creations.replayed(caller, context):
            return replayed
        event_id = self._ids.new()

        def tell(connection: Connection, values: dict[str, Any]) -> dict[str, Any]:
            _admit(connection, values)
            row = _one(connection, "next_sequence", values)
            if not row["enabled"]:
                raise WebhookEndpointDisabled
            event = event_text(
                event_id,
                TEST_EVENT,
                created_at=values["now"],
                livemode=caller.livemode,
                sequence=row["sequence"],
                about=to_json(shown_endpoint(row)),
            )
            told = {
                "event_id": event_id,
                "event_type": TEST_EVENT,
                "sequence": row["sequence"],
                "payload": event,
            }
            connection.execute(_SQL["tell"], {**values, **told})
            told_event: dict[str, Any] = json.loads(event)
            return told_event

        parameters = {"id": endpoint_id, "entity_type": "webhook_endpoint"}
        return creations.write(caller, context, parameters, tell, action="test_sent")

    def set_profile_url(
        self, caller: Caller, url: str | None, context: RequestContext
    ) -> str | None:
        """Have the endpoint of the merchant's profile at this URL, and enabled; None removes it.

        Return its secret where it was made now. Raise InvalidField for a URL that is not safe, or
        WebhookEndpointLimitReached.
        """
        if url is not None:
            self._check(url, "webhook_url")
        try:
            return self._set_profile_url(caller, url, context)
        except (NotFound, psycopg.errors.UniqueViolation):
            # Somebody else removed it, or made it, at this moment.
            return self._set_profile_url(caller, url, context)

    def _set_profile_url(
        self, caller: Caller, url: str | None, context: RequestContext
    ) -> str | None:
        row = self._database.one(_SQL["of_profile"], self._mine(caller))
        if row is None and url is not None:
            new = NewEndpoint(url, ["*"], from_profile=True)
            made: dict[str, Any] = {}

            def insert(connection: Connection, values: dict[str, Any]) -> dict[str, Any]:
                made.update(self._insert(connection, values, new))
                return made

            self._write(caller, self._ids.new(), context, insert, "created")
            return str(made["secret"])
        if row is not None and url is None:
            self.delete(caller, row["id"], context)
        elif row is not None and (row["url"], row["enabled"]) != (url, True):
            changes = {"url": url, "enabled": True}
            self._write(caller, row["id"], context, _updating(changes), "updated")
        return None

    def _insert(
        self, connection: Connection, values: dict[str, Any], new: NewEndpoint
    ) -> dict[str, Any]:
        _admit(connection, values)
        if _one(connection, "count", values)["endpoints"] >= MAX_ENDPOINTS:
            raise WebhookEndpointLimitReached
        secret = new_secret()
        parameters = {
            **values,
            "url": new.url,
            "description": new.description,
            "event_types": new.event_types,
            "secret": secret,
            "pii_key": self._pii_key,
            "enabled": new.enabled,
            "disabled_reason": None if new.enabled else BY_REQUEST,
            "disabled_at": None if new.enabled else values["now"],
            "api_version": new.api_version,
            "from_profile": new.from_profile,
        }
        return {**shown_endpoint(_one(connection, "insert", parameters)), "secret": secret}

    def _write(
        self,
        caller: Caller,
        endpoint_id: UUID,
        context: RequestContext,
        write: Insert,
        action: str,
    ) -> Answer:
        """What is asked for by methods that have no idempotency key."""
        parameters = {"id": endpoint_id, "entity_type": "webhook_endpoint"}
        return self._creations().write(
            caller, context, parameters, write, action=action, status=200
        )

    def _creations(self, *, secret: bool = False) -> Creations:
        pii_key = self._pii_key if secret else None
        return Creations(self._database, self._clock, self._ids, pii_key=pii_key)

    def _check(self, url: str, param: str) -> None:
        try:
            self._check_url(url)
        except UnsafeUrl as error:
            raise InvalidField(f"{param}: {error}", param=param) from None

    def _mine(self, caller: Caller) -> dict[str, Any]:
        return {
            "merchant_id": caller.merchant_id,
            "livemode": caller.livemode,
            "now": self._clock.now(),
        }


def shown_endpoint(row: Mapping[str, Any]) -> dict[str, Any]:
    """The webhook endpoint object of a row."""
    disabled_at, ends = row["disabled_at"], row["previous_secret_expires_at"]
    rests = row["resting_until"]
    return {
        "id": typeid("whe", row["id"]),
        "object": "webhook_endpoint",
        "url": row["url"],
        "event_types": row["event_types"],
        "enabled": row["enabled"],
        "description": row["description"],
        "api_version": row["api_version"],
        "disabled_reason": row["disabled_reason"],
        "disabled_at": None if disabled_at is None else rfc3339(disabled_at),
        "resting_until": None if rests is None else rfc3339(rests),
        "previous_secret_expires_at": None if ends is None else rfc3339(ends),
        "created_at": rfc3339(row["created_at"]),
        "updated_at": rfc3339(row["updated_at"]),
        "livemode": row["livemode"],
    }


def _admit(connection: Connection, values: Mapping[str, Any]) -> None:
    if connection.execute(_SQL["admit"], values).fetchone() is None:
        raise MerchantNotActive


def _updating(changes: Mapping[str, Any]) -> Insert:
    """What changes some fields of an endpoint, and says so in the audit row."""

    def update(connection: Connection, values: dict[str, Any]) -> dict[str, Any]:
        _admit(connection, values)
        before = _one(connection, "lock", values)
        after = {name: changes.get(name, before[name]) for name in _CHANGEABLE}
        changed = {
            name: [before[name], value] for name, value in after.items() if value != before[name]
        }
        if not changed:
            values["changes"] = None
            return shown_endpoint(before)
        values["changes"] = to_json(changed)
        parameters = {
            **values,
            **after,
            **_disabled(before, after["enabled"], values["now"]),
            **_wanted(before, after, values["now"]),
            "begins_anew": after["url"] != before["url"]
            or (after["enabled"] and not before["enabled"]),
        }
        return shown_endpoint(_one(connection, "update", parameters))

    return update


def _disabled(before: Mapping[str, Any], enabled: bool, now: datetime) -> dict[str, Any]:
    """Why and since when an endpoint is disabled that is, or is from now on."""
    if enabled:
        return {"disabled_reason": None, "disabled_at": None}
    if before["enabled"]:
        return {"disabled_reason": BY_REQUEST, "disabled_at": now}
    return {name: before[name] for name in ("disabled_reason", "disabled_at")}


def _wanted(
    before: Mapping[str, Any], after: Mapping[str, Any], now: datetime
) -> dict[str, list[Any]]:
    """Since when an endpoint wants what: one that is enabled wants nothing of what was before."""
    until_now = dict(zip(before["wanted_types"], before["wanted_since"], strict=True))
    if after["enabled"] and not before["enabled"]:
        until_now = {}
    since = wanted_since(until_now, after["event_types"], now)
    return {"wanted_types": list(since), "wanted_since": list(since.values())}


def _one(connection: Connection, name: str, parameters: Mapping[str, Any]) -> Row:
    row = connection.execute(_SQL[name], parameters).fetchone()
    if row is None:
        raise NotFound
    return row
