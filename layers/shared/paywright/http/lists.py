"""How every list of the API is asked for and answered: one page, newest first, cursors by id.

A list is read over a primary key of UUIDv7s, so that the order of ids is the order of time. A
filter that few rows pass could have it read all of a merchant's rows: at most `MAX_SCANNED` are
looked at for one page, and `next_cursor` says where to go on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from paywright.errors import InvalidField, UnknownCurrency
from paywright.http.messages import shown_name
from paywright.ids import parse_typeid, typeid, uuid_floor
from paywright.money import Currency

MAX_LIMIT = 100
DEFAULT_LIMIT = 10
MAX_SCANNED = 10_000
"""How many rows one page may look at, whatever its filters leave of them."""

# An id is made in the same breath as its row's time; an hour is far more than lies between them.
_ID_MARGIN = timedelta(hours=1)
_MILLISECOND = timedelta(milliseconds=1)
_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
)
_LOWEST, _HIGHEST = UUID(int=0), UUID(int=2**128 - 1)
_FIRST_DAY = datetime.min.replace(tzinfo=UTC)
_LAST_DAY = datetime.max.replace(tzinfo=UTC)

Filter = Callable[[str, str], Any]
"""What a filter makes of its parameter's name and text; it raises an error that names it."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page that is asked for. Bounds are exclusive; times are whole milliseconds.

    Rows have ids above `after` and below `before`, and were made from `created_from` to before
    `created_until`. With `is_backwards` those next to `after` are meant, else those next to
    `before`.
    """

    limit: int
    after: UUID
    before: UUID
    is_backwards: bool
    created_from: datetime
    created_until: datetime
    filters: Mapping[str, Any]

    def parameters(self) -> dict[str, Any]:
        """What a list's SQL takes: one row more is asked for, which tells whether more follow."""
        return {
            "after": self.after,
            "before": self.before,
            "created_from": self.created_from,
            "created_until": self.created_until,
            "scan": MAX_SCANNED,
            "rows": self.limit + 1,
            **self.filters,
        }


@dataclass(frozen=True, slots=True)
class Found:
    """Rows in the order in which they were looked for, each with its `id`.

    `stopped_at` is the id of the last row looked at, where that was the `MAX_SCANNED`th.
    """

    rows: Sequence[Mapping[str, Any]]
    stopped_at: UUID | None = None


def page_of(
    query: Iterable[tuple[str, str]], *, prefix: str, filters: Mapping[str, Filter]
) -> Page:
    """The page that a query asks for; `prefix` is of the cursors' ids.

    Raise InvalidField (or a filter's own error) naming the parameter that is wrong, unknown or
    given twice.
    """
    given = parameters_of(query, {*_SHARED, *filters})
    newer, older = given.get("ending_before"), given.get("starting_after")
    if newer is not None and older is not None:
        raise InvalidField(
            "ending_before: give it or starting_after, not both.", param="ending_before"
        )
    created_from, created_until = _created(given)
    after = max(_LOWEST, _id_at(created_from, -_ID_MARGIN))
    before = min(_HIGHEST, _id_at(created_until, _ID_MARGIN))
    if newer is not None:
        after = max(after, typeid_filter(prefix)("ending_before", newer))
    if older is not None:
        before = min(before, typeid_filter(prefix)("starting_after", older))
    return Page(
        limit=_limit(given.get("limit")),
        after=after,
        before=before,
        is_backwards=newer is not None,
        created_from=created_from,
        created_until=created_until,
        filters={
            name: None if name not in given else read(name, given[name])
            for name, read in filters.items()
        },
    )


def parameters_of(query: Iterable[tuple[str, str]], known: Iterable[str]) -> dict[str, str]:
    """A query's parameters by name; raise InvalidField for one that is unknown or given twice."""
    names = set(known)
    given: dict[str, str] = {}
    for name, text in query:
        if name not in names:
            shown = shown_name(name)
            raise InvalidField(
                f"{shown}: no such parameter; there are {', '.join(sorted(names))}.", param=shown
            )
        if name in given:
            raise InvalidField(f"{name}: give it once.", param=name)
        given[name] = text
    return given


def found_of(rows: Iterable[Mapping[str, Any]]) -> Found:
    """What a list's SQL found: its rows have `matches` and `looked_at`, which counts from 1.

    The `MAX_SCANNED`th row looked at comes along, whether it matches or not.
    """
    matching = []
    stopped_at = None
    for row in rows:
        if row["matches"]:
            matching.append(row)
        if row["looked_at"] == MAX_SCANNED:
            stopped_at = row["id"]
    return Found(matching, stopped_at)


def list_of(
    url: str,
    page: Page,
    found: Found,
    shown: Callable[[Mapping[str, Any]], dict[str, Any]],
    *,
    prefix: str,
) -> dict[str, Any]:
    """The list object: newest first, and the cursor from which the next page goes on."""
    rows = found.rows[: page.limit]
    cursor = rows[-1]["id"] if len(found.rows) > page.limit else found.stopped_at
    return {
        "object": "list",
        "url": url,
        "has_more": cursor is not None,
        "next_cursor": None if cursor is None else typeid(prefix, cursor),
        "data": [shown(row) for row in (reversed(rows) if page.is_backwards else rows)],
    }


def moment(name: str, text: str) -> datetime:
    """A time as RFC 3339 has it, with its zone; raise InvalidField naming the parameter."""
    try:
        if not _RFC3339.fullmatch(text):
            raise ValueError(text)
        found = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidField(
            f"{name}: give a time as 2026-11-22T20:15:04Z (a + has to be sent as %2B).", param=name
        ) from None
    return found


def currency_filter(name: str, text: str) -> str:
    """A currency's code in lower case; raise UnknownCurrency."""
    try:
        return Currency.of(text).code
    except ValueError as error:
        raise UnknownCurrency(param=name) from error


def choice_filter(choices: Iterable[str]) -> Filter:
    """One of some words."""
    known = tuple(choices)

    def read(name: str, text: str) -> str:
        if text not in known:
            raise InvalidField(f"{name}: one of {', '.join(known)}.", param=name)
        return text

    return read


def typeid_filter(prefix: str) -> Callable[[str, str], UUID]:
    """An id of that prefix; whether there is such an object is not asked."""

    def read(name: str, text: str) -> UUID:
        found = parse_typeid(prefix, text)
        if found is None:
            raise InvalidField(f"{name}: an id that begins with {prefix}_.", param=name)
        return found

    return read


_CREATED = ("created[gte]", "created[gt]", "created[lte]", "created[lt]")
_SHARED = ("limit", "starting_after", "ending_before", *_CREATED)


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= MAX_LIMIT:
        raise InvalidField(f"limit: 1 to {MAX_LIMIT}.", param="limit")
    return int(text)


def _created(given: Mapping[str, str]) -> tuple[datetime, datetime]:
    # What the API shows of a time are its milliseconds, so these are what it is compared by.
    lowest, highest = _FIRST_DAY, _LAST_DAY
    for name in _CREATED:
        if name not in given:
            continue
        exact = moment(name, given[name])
        floor = exact.replace(microsecond=exact.microsecond // 1000 * 1000)
        next_one = floor + _MILLISECOND if floor < _LAST_DAY - _MILLISECOND else _LAST_DAY
        if name == "created[gte]":
            lowest = max(lowest, floor if floor == exact else next_one)
        elif name == "created[gt]":
            lowest = max(lowest, next_one)
        elif name == "created[lte]":
            highest = min(highest, next_one)
        else:
            highest = min(highest, floor if floor == exact else next_one)
    return lowest, highest


def _id_at(bound: datetime, margin: timedelta) -> UUID:
    try:
        return uuid_floor(bound + margin)
    except OverflowError:
        return uuid_floor(bound)
