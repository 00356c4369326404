"""Which events an endpoint wants: `payment.captured`, `payment.*` or `*`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from paywright.event import EventType
from paywright.ids import uuid_floor

TEST_EVENT = EventType.ENDPOINT_TEST
"""An event about an endpoint that goes to that one alone, whatever it wants."""

FOR_PEOPLE = (EventType.API_KEY_CREATED, EventType.EMAIL_CHANGED)
"""Events that people are mailed about, and no webhook carries."""

EVENT_TYPES = tuple(each for each in EventType if each not in (TEST_EVENT, *FOR_PEOPLE))
"""All that there are for those who ask for them."""

MAX_FILTERS = 50

_CLOCKS_DIFFER = timedelta(seconds=1)
"""By so much at most: an event is not missed that was made right after its endpoint."""


class NoSuchEvents(ValueError):
    """A filter that no event passes; the message says what there is."""


def wants(event_types: Iterable[str], event_type: str) -> bool:
    """Does one of an endpoint's filters match the type of an event?"""
    return any(
        pattern in ("*", event_type)
        or (pattern.endswith(".*") and event_type.startswith(pattern[:-1]))
        for pattern in event_types
    )


def wanted_since(
    before: Mapping[str, datetime], event_types: Sequence[str], now: datetime
) -> dict[str, datetime]:
    """Since when an endpoint wants what it wants from `now` on: filters, each with its moment.

    `before` is the same of what it wanted until now: what passes then and now was always wanted.
    """
    since = dict.fromkeys(event_types, now)
    for former, moment in before.items():
        for present in event_types:
            for narrow, wide in ((former, present), (present, former)):
                if wants((wide,), narrow):
                    since[narrow] = min(moment, since.get(narrow, moment))
    return since


def wanted_then(wanted: Iterable[tuple[str, datetime]], event_id: UUID, event_type: str) -> bool:
    """Is an event wanted by its type, and was it when it was made?

    `wanted` are an endpoint's filters, each since when; an event's id has its time in it.
    """
    return wants(
        (pattern for pattern, since in wanted if event_id >= uuid_floor(since - _CLOCKS_DIFFER)),
        event_type,
    )


def check_filter(pattern: str) -> str:
    """The filter as it is given; raise NoSuchEvents for one that no known type of event matches."""
    if any(wants((pattern,), event_type) for event_type in EVENT_TYPES):
        return pattern
    groups = dict.fromkeys(f"{event_type.partition('.')[0]}.*" for event_type in EVENT_TYPES)
    raise NoSuchEvents(
        f"no event is of this type; there are *, {', '.join(groups)} and {', '.join(EVENT_TYPES)}"
    )
