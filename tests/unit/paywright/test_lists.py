"""What a list's query means: pages, cursors, times, and what is refused by name."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from paywright.errors import InvalidRequest
from paywright.http.lists import (
    MAX_SCANNED,
    Page,
    choice_filter,
    currency_filter,
    found_of,
    list_of,
    moment,
    page_of,
    typeid_filter,
)
from paywright.ids import typeid, uuid_floor

_NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def page(*query: tuple[str, str]) -> Page:
    filters: dict[str, Any] = {
        "status": choice_filter(("open", "closed")),
        "currency": currency_filter,
        "customer_id": typeid_filter("cus"),
    }
    return page_of(query, prefix="txn", filters=filters)


def row(number: int, *, matches: bool = True, looked_at: int = 0) -> dict[str, Any]:
    return {"id": uuid.UUID(int=number), "matches": matches, "looked_at": looked_at}


def shown(page: Page, rows: list[dict[str, Any]]) -> dict[str, Any]:
    made = list_of("/v1/x", page, found_of(rows), lambda each: {"id": each["id"].int}, prefix="txn")
    cursor = made["next_cursor"]
    assert made["has_more"] is (cursor is not None)
    data = [each["id"] for each in made["data"]]
    return {"data": data, "cursor": cursor}


def test_without_parameters_it_is_the_newest_ten() -> None:
    asked = page()
    assert (asked.limit, asked.is_backwards) == (10, False)
    newest, oldest = uuid_floor(datetime(9999, 12, 31, tzinfo=UTC)), uuid.UUID(int=1)
    assert asked.after < oldest < newest < asked.before
    assert asked.filters == {"status": None, "currency": None, "customer_id": None}


def test_filters_are_read() -> None:
    customer = uuid.uuid4()
    asked = page(("currency", "USD"), ("status", "open"), ("customer_id", typeid("cus", customer)))
    assert asked.filters == {"status": "open", "currency": "usd", "customer_id": customer}


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ([("limit", "0")], "limit"),
        ([("limit", "101")], "limit"),
        ([("limit", "-1")], "limit"),
        ([("limit", "1e1")], "limit"),
        ([("limit", "")], "limit"),
        ([("limit", "٣")], "limit"),
        ([("limit", "5"), ("limit", "5")], "limit"),
        ([("starting_after", "re_01kaqd1e8pe5b9n2w4tq7c3m0x")], "starting_after"),
        ([("starting_after", "txn_nonsense")], "starting_after"),
        ([("ending_before", "")], "ending_before"),
        (
            [
                ("starting_after", typeid("txn", uuid.uuid4())),
                ("ending_before", typeid("txn", uuid.uuid4())),
            ],
            "ending_before",
        ),
        ([("created[gte]", "yesterday")], "created[gte]"),
        ([("created[gt]", "2026-11-22")], "created[gt]"),
        ([("created[lt]", "2026-11-22T12:00:00")], "created[lt]"),
        ([("created[lte]", "2026-11-22T12:00:00 01:00")], "created[lte]"),
        ([("created[lte]", "2026-13-22T12:00:00Z")], "created[lte]"),
        ([("created[lte]", "0001-01-01T00:00:00+23:00")], "created[lte]"),
        ([("created", "2026-11-22T12:00:00Z")], "created"),
        ([("created[eq]", "2026-11-22T12:00:00Z")], "created[eq]"),
        ([("currency", "xyz")], "currency"),
        ([("status", "OPEN")], "status"),
        ([("customer_id", "txn_01kaqd1e8pe5b9n2w4tq7c3m0x")], "customer_id"),
        ([("surprise", "1")], "surprise"),
        ([("sür\x00prise", "1")], "…"),
    ],
)
def test_what_is_wrong_is_named(query: list[tuple[str, str]], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        page(*query)
    assert caught.value.param == param
    assert caught.value.status == 400


def test_times_are_compared_by_the_milliseconds_that_are_shown() -> None:
    at = "2026-11-22T12:00:00.000Z"
    assert page(("created[gte]", at)).created_from == _NOON
    assert page(("created[gt]", at)).created_from == _NOON + _MS
    assert page(("created[lte]", at)).created_until == _NOON + _MS
    assert page(("created[lt]", at)).created_until == _NOON
    finer = "2026-11-22T12:00:00.000001Z"
    assert page(("created[gte]", finer)).created_from == _NOON + _MS
    assert page(("created[lt]", finer)).created_until == _NOON + _MS


def test_times_bound_the_ids_that_are_looked_at() -> None:
    asked = page(("created[gte]", "2026-11-22T12:00:00Z"), ("created[lt]", "2026-11-22T13:00:00Z"))
    assert asked.after == uuid_floor(_NOON - timedelta(hours=1))
    assert asked.before == uuid_floor(_NOON + timedelta(hours=2))
    ancient = page(("created[lt]", "1066-10-14T09:00:00Z"))
    assert ancient.before == uuid.UUID(int=0)


@pytest.mark.parametrize("text", ["2026-11-22T12:00:00Z", "2026-11-22t13:00:00.000000001+01:00"])
def test_a_moment_has_its_zone(text: str) -> None:
    assert moment("as_of", text) == _NOON


def test_a_full_page_goes_on_after_its_last_row() -> None:
    asked = page(("limit", "2"))
    assert shown(asked, [row(5), row(4), row(3)]) == {
        "data": [5, 4],
        "cursor": typeid("txn", uuid.UUID(int=4)),
    }
    assert shown(asked, [row(5), row(4)]) == {"data": [5, 4], "cursor": None}


def test_a_page_of_newer_rows_is_shown_newest_first_and_goes_on_from_the_newest() -> None:
    asked = page(("limit", "2"), ("ending_before", typeid("txn", uuid.UUID(int=2))))
    assert asked.after == uuid.UUID(int=2)
    assert shown(asked, [row(3), row(4), row(5)]) == {
        "data": [4, 3],
        "cursor": typeid("txn", uuid.UUID(int=4)),
    }


def test_a_search_that_was_cut_short_says_where_to_go_on() -> None:
    asked = page(("limit", "2"))
    last = row(3, matches=False, looked_at=MAX_SCANNED)
    cursor = typeid("txn", uuid.UUID(int=3))
    assert shown(asked, [last]) == {"data": [], "cursor": cursor}
    assert shown(asked, [row(5), last]) == {"data": [5], "cursor": cursor}
    assert shown(asked, [row(5), row(4), last]) == {"data": [5, 4], "cursor": cursor}
    matching = row(3, looked_at=MAX_SCANNED)
    assert shown(asked, [row(5), matching]) == {"data": [5, 3], "cursor": cursor}
    assert shown(asked, [row(5), row(4), matching])["cursor"] == typeid("txn", uuid.UUID(int=4))
