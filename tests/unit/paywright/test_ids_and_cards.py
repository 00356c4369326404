"""Ids sort by time and are read back; cards show nothing of themselves."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paywright.ids import UuidSource, parse_typeid, typeid
from paywright.processors.base import Card
from paywright.processors.test_cards import brand_of


class Still:
    """A clock that stands."""

    def now(self) -> datetime:
        return datetime(2026, 11, 22, 12, 0, 0, 123_000, UTC)


def test_ids_are_version_7_of_the_clocks_time_and_rise_within_a_millisecond() -> None:
    source = UuidSource(Still())
    made = [source.new() for _ in range(10_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {uuid.version for uuid in made} == {7}
    assert {uuid.variant for uuid in made} == {"specified in RFC 4122"}
    assert made[0].int >> 80 == int(Still().now().timestamp() * 1000)


@given(st.uuids())
def test_a_typeid_is_read_back(uuid: UUID) -> None:
    assert parse_typeid("txn", typeid("txn", uuid)) == uuid
    assert parse_typeid("cus", typeid("txn", uuid)) is None


@given(st.text(max_size=60))
def test_what_is_no_typeid_is_none(text: str) -> None:
    assert parse_typeid("txn", text) is None


def test_a_card_does_not_show_itself() -> None:
    assert "4242" not in repr(Card("4242424242424242", 1, 2040, "123"))


@pytest.mark.parametrize(
    ("number", "brand"),
    [
        ("4242424242424242", "visa"),
        ("5555555555554444", "mastercard"),
        ("2223003122003222", "mastercard"),
        ("378282246310005", "amex"),
        ("6011111111111117", "discover"),
        ("30569309025904", "unknown"),
    ],
)
def test_brands(number: str, brand: str) -> None:
    assert brand_of(number) == brand
