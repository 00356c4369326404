"""Texts that hold a card's number are told from those that only hold many digits."""

from __future__ import annotations

import random
import uuid

import pytest

from paywright.card_numbers import crossed_out, holds_card_number, luhn_valid
from paywright.errors import IdempotencyKeyInvalid, InvalidField
from paywright.http.lists import parameters_of
from paywright.http.messages import Request, shown_name
from paywright.ids import typeid
from paywright.processors.test_cards import SCENARIOS

CARD = "4242424242424242"
OTHERS = (
    "5555555555554444",
    "2223003122003222",
    "378282246310005",
    "30569309025904",
    "36227206271667",
    "6011111111111117",
    "6555900000604105",
    "3566002020360505",
    "6205500000000000004",
    "6759649826438453",
)


def test_every_test_card_is_a_card() -> None:
    for number in (*SCENARIOS, *OTHERS):
        assert luhn_valid(number), number
        assert holds_card_number(number), number
        assert not holds_card_number(number[:-1] + str((int(number[-1]) + 1) % 10))


@pytest.mark.parametrize(
    "text",
    [
        f"card {CARD}, thanks",
        f"card:{CARD}.",
        f"order_{CARD}",
        f"cart-{CARD}-2",
        f"no. {CARD}",
        f'{{"number":"{CARD}"}}',
        "4242 4242 4242 4242",
        "4242-4242-4242-4242",
        "4242.4242.4242.4242",
        "4242  4242\n4242\u00a04242",
        "exp 12 34: 4242 4242 4242 4242",
        "3782 822463 10005",
        "3056 930902 5904",
        "6205 5000 0000 0000 004",
        f"1234567890123456 and {CARD}",
        "4242 4242 4242 4242 12/27",
        "4242 4242 4242 4242 123",
        "4242-4242-4242-4242 12/27 123",
        "4242-4242-4242-4242-123",
        "5555 5555 5555 4444 12",
        "exp 2027 4242 4242 4242 4242",
        "exp 2027-4242-4242-4242-4242",
        "1227 4242 4242 4242 4242 1227 123",
        "12.4242.4242.4242.4242",
        "2027 3782 822463 10005 1234",
        "2027 6205 5000 0000 0000 004",
        "AT61 1904 3002 3457 3201, 4242 4242 4242 4242",
        "2304 4242 4242 4242 4242",
        "2223 0031 2200 3222",
    ],
)
def test_a_card_number_is_found(text: str) -> None:
    assert holds_card_number(text)


@pytest.mark.parametrize("gap", [" ", "-", ".", "  ", "\u00a0"])
def test_what_is_written_beside_a_card_does_not_hide_it(gap: str) -> None:
    number = gap.join(["4000", "0000", "0000", "0002"])
    for beside in ("1", "12", "123", "1234", "12/27", "12 27", "2027", "1227 123", "5/2027"):
        assert holds_card_number(f"{number}{gap}{beside}"), beside
        assert holds_card_number(f"{beside}{gap}{number}"), beside
        assert holds_card_number(f"{beside}{gap}{number}{gap}{beside}"), beside


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4242424242424241",
        "1764098412345000",  # microseconds
        "4006381333931",  # an article's number
        f"A{CARD}",
        f"{CARD}a",
        f"0.{CARD}",
        f"9{CARD}1",
        "+49 30 1234567 +49 30 7654321",
        "DE89 3704 0044 0532 0130 00",
        "RF18 5390 0754 7034",
        "2026-11-26 05:29:33.123456 2026-11-26",
        "1111 2222 3333 4444",
        "4242 4242 4242 4241 12/27",
        "2019 2020 2021 2022 2023 2024 2025 2026 2027",
    ],
)
def test_other_digits_are_none(text: str) -> None:
    assert not holds_card_number(text)


def test_no_time_with_a_number_behind_is_one() -> None:
    for last in range(10_000):
        assert not holds_card_number(f"261126153000{last:04d}")
    # The first seconds, minutes, hours, days and months that there are not.
    for begin in ("261126153060", "261126156000", "261126240000", "261132000000", "261300000000"):
        assert any(holds_card_number(f"{begin}{last:04d}") for last in range(10)), begin


@pytest.mark.parametrize(
    "shape", ["AT 4", "SK 5", "PL 6", "HU 6", "DE 4 2", "CH 4 1", "IL 4 3", "IT"]
)
def test_no_iban_in_groups_is_one(shape: str) -> None:
    numbers = random.Random(7)
    country, *lengths = shape.split()
    for _ in range(2000):
        groups = ["X054"] if country == "IT" else []
        groups += [f"{numbers.randrange(10_000):04d}" for _ in range(int((lengths or ["4"])[0]))]
        groups += ["7" * int(rest) for rest in (lengths or ["4", "3"])[1:]]
        for gap in (" ", "\u00a0"):
            text = gap.join([f"{country}61", *groups])
            assert not holds_card_number(f"IBAN: {text}."), text


def test_a_lot_of_digits_takes_no_time() -> None:
    """A pattern that looks at the rest of the text from each digit on would take hours."""
    for shape in (
        "4",
        "4242 4242 4242 4243 ",
        "4 ",
        "AA11 1234 ",
        "6205 5000 0000 0001 004 ",
        "-1",
    ):
        assert not holds_card_number(shape * (1_000_000 // len(shape)))


def test_ids_are_none() -> None:
    numbers = random.Random(7)
    for _ in range(20_000):
        made = uuid.UUID(int=numbers.getrandbits(128), version=4)
        for text in (str(made), made.hex, typeid("txn", made)):
            assert not holds_card_number(text), text


def test_what_may_be_a_card_number_is_crossed_out() -> None:
    agent = f"shop/1.0 (+{CARD}; 4242 4242 4242 4242) 20100101"
    assert crossed_out(agent) == "shop/1.0 (+************4242; ************4242) 20100101"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("4242 4242 4242 4242 123", "*******************"),
        ("4242-4242-4242-4242 12/27", "******************/27"),
        ("4242424242424242 123", "*******************"),
        ("2027 4242 4242 4242 4242", "********************"),
        ("3782 822463 10005 1234", "*******************"),
        ("3782 822463 10005", "***********0005"),
        ("4242.4242.4242.4242", "************4242"),
        ("4242  4242\n4242\u00a04242", "************4242"),
        ("Chrome/120.0.6099.130 10.1.2.3", "Chrome/120.0.6099.130 10.1.2.3"),
    ],
)
def test_what_is_crossed_out_shows_no_security_code(text: str, shown: str) -> None:
    assert crossed_out(text) == shown


@pytest.mark.parametrize("key", ["a" * 256, "a\n", "\x7f"])
def test_keys_that_are_none(key: str) -> None:
    request = Request("POST", "/", {"idempotency-key": key}, b"", "r", None)
    with pytest.raises(IdempotencyKeyInvalid):
        request.idempotency_key(required=True)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("amount", "amount"),
        ("paymentMethodId", "paymentMethodId"),
        ("created[now]", "created[now]"),
        ("order2", "order2"),
        ("order-2024-073", "order-2024-073"),
        ("n42_42-42[4]", "n42_42-42[4]"),
        ("n4242_4242", "…"),
        ("n42424242", "…"),
        ("4_2_4_2_4_2_4_2", "…"),
        (f"n{CARD}", "…"),
        ("4242", "…"),
        ("-073", "…"),
        (CARD, "…"),
        ("073", "…"),
        ("a\x00", "…"),
        ("a" * 41, "…"),
        ("é", "…"),
        ("a\n", "…"),
        ("", "…"),
    ],
)
def test_names_are_repeated_where_they_are_words(name: str, shown: str) -> None:
    assert shown_name(name) == shown
    with pytest.raises(InvalidField) as caught:
        parameters_of([(name, "")], ["known"])
    assert caught.value.param == shown
    assert caught.value.message == f"{shown}: no such parameter; there are known."


@pytest.mark.parametrize(
    ("document", "shown"),
    [
        ('{"amount": 1, "amount": 1}', "amount"),
        ('{"metadata": {"order2": "a", "order2": "b"}}', "order2"),
        ('{"metadata": {"order-id": "a", "b": {}, "order-id": "a"}}', "order-id"),
        (f'{{"metadata": {{"{CARD}": "a", "{CARD}": "b"}}}}', "…"),
        ('{"card": {"073": 1, "073": 1}}', "…"),
    ],
)
def test_a_field_that_is_given_twice_is_named(document: str, shown: str) -> None:
    request = Request("POST", "/", {}, document.encode(), "r", None)
    with pytest.raises(InvalidField) as caught:
        _ = request.document
    assert caught.value.param == shown
    assert caught.value.message == f"{shown}: is given more than once."
