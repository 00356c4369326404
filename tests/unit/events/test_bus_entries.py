"""What the relay puts on the bus, and in which requests."""

from __future__ import annotations

import json
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from paywright.events.entry import MAX_BYTES, MAX_ENTRIES, Entry, chunks, from_row
from paywright.ids import typeid


def _id(number: int) -> UUID:
    return UUID(int=0x019A2B3C4D5E70008000000000000000 + number)


def test_the_detail_carries_the_payload_byte_for_byte() -> None:
    payload = '{"id": "evt_1",  "name":"Zoë ☕ \\u0041"}'
    entry = from_row(
        {
            "id": _id(1),
            "merchant_id": _id(2),
            "livemode": True,
            "type": "payment.captured",
            "sequence": 3,
            "trace_id": None,
            "payload": payload,
        }
    )
    assert entry.detail_type == "payment.captured"
    assert json.loads(entry.detail) == {
        "event_id": typeid("evt", _id(1)),
        "merchant_id": typeid("mer", _id(2)),
        "livemode": True,
        "sequence": 3,
        "trace_id": None,
        "payload": payload,
    }


def test_a_size_is_in_bytes() -> None:
    assert Entry(_id(1), "a.b", "☕").size == len("paywright") + 3 + 3


@given(st.lists(st.integers(0, MAX_BYTES + 100), max_size=60))
def test_requests_keep_order_and_limits(sizes: list[int]) -> None:
    entries = [Entry(_id(number), "t", "x" * size) for number, size in enumerate(sizes)]
    made = list(chunks(entries))
    assert [entry for chunk in made for entry in chunk] == entries
    for chunk in made:
        assert 1 <= len(chunk) <= MAX_ENTRIES
        assert len(chunk) == 1 or sum(entry.size for entry in chunk) <= MAX_BYTES


def test_small_events_go_ten_at_a_time() -> None:
    entries = [Entry(_id(number), "t", "{}") for number in range(25)]
    assert [len(chunk) for chunk in chunks(entries)] == [10, 10, 5]
