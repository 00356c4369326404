"""A merchant's events, those that wait to be relayed too: one, or a page at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from paywright.db import Database, load
from paywright.errors import InvalidField
from paywright.event import EventType
from paywright.http.lists import Found, Page, found_of
from paywright.ids import parse_typeid, uuid_floor
from paywright.payments.models import Caller
from paywright.webhooks.filters import wants

KEPT_FOR = timedelta(days=30)
"""Business time; afterwards housekeeping deletes them."""

_ID_MARGIN = timedelta(hours=1)
_OBJECTS = ("txn", "re", "whe")
"""The prefixes of what events are about."""

_SQL = load(__file__)


def find_event(database: Database, caller: Caller, event_id: UUID, now: datetime) -> str | None:
    """An event as it is sent, byte for byte; None where there is none that is still kept."""
    row = database.one(
        _SQL["find"],
        {
            "merchant_id": caller.merchant_id,
            "livemode": caller.livemode,
            "id": event_id,
            "since": now - KEPT_FOR,
        },
    )
    return None if row is None else str(row["payload"])


def find_events(database: Database, caller: Caller, page: Page, now: datetime) -> Found:
    """The events of a page whose filters are `type` and `object_id`."""
    since = now - KEPT_FOR
    kept = replace(
        page,
        created_from=max(page.created_from, since),
        after=max(page.after, uuid_floor(since - _ID_MARGIN)),
    )
    parameters = kept.parameters() | {
        "merchant_id": caller.merchant_id,
        "livemode": caller.livemode,
        "is_backwards": page.is_backwards,
    }
    name = "newer" if page.is_backwards else "older"
    if page.filters["object_id"] is not None:
        name = "of_object"
    return found_of(database.all(_SQL[name], parameters))


def shown_event(row: Mapping[str, Any]) -> dict[str, Any]:
    """The event object of a row."""
    event: dict[str, Any] = row["payload"]
    return event


def type_filter(name: str, text: str) -> list[str]:
    """The types that `payment.captured`, `payment.*` or `*` stands for; raise InvalidField."""
    found = [str(each) for each in EventType if wants((text,), each)]
    if not found:
        groups = dict.fromkeys(f"{each.partition('.')[0]}.*" for each in EventType)
        raise InvalidField(
            f"{name}: one of {', '.join(EventType)}, or {', '.join(groups)}.", param=name
        )
    return found


def object_filter(name: str, text: str) -> UUID:
    """The id of anything that events are about; raise InvalidField."""
    found = parse_typeid(text.partition("_")[0], text)
    if found is None or not text.startswith(tuple(f"{prefix}_" for prefix in _OBJECTS)):
        begins = ", ".join(f"{prefix}_" for prefix in _OBJECTS)
        raise InvalidField(f"{name}: an id that begins with one of {begins}.", param=name)
    return found
