"""Currencies, amounts, conversion and splitting."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paywright.money import Currency, Money, all_currencies, major_units

_CASES = Path(__file__).parent / "cases"
_CONVERSIONS = json.loads((_CASES / "conversions.json").read_text())
_ROUNDING = json.loads((_CASES / "rounding.json").read_text())
_ISO_4217 = json.loads((_CASES / "iso4217.json").read_text())
USD = Currency.of("usd")


@pytest.mark.parametrize(("code", "exponent"), [("JPY", 0), ("usd", 2), ("Kwd", 3), ("CLF", 4)])
def test_exponents_are_iso_4217s(code: str, exponent: int) -> None:
    assert Currency.of(code) == Currency(code.lower(), exponent)


@pytest.mark.parametrize("code", ["", "us", "usdx", "xau", "xxx", "dem", "ＵＳＤ"])
def test_what_is_no_tender_is_refused(code: str) -> None:
    with pytest.raises(ValueError, match="not an ISO 4217"):
        Currency.of(code)


def test_every_active_tender_with_a_minor_unit_can_be_charged_and_nothing_else() -> None:
    listed = {
        code.lower(): int(exponent)
        for exponent, codes in _ISO_4217["by_minor_units"].items()
        if exponent != "None"
        for code in codes
    }
    assert {currency.code: currency.exponent for currency in all_currencies()} == listed
    for code in _ISO_4217["by_minor_units"]["None"]:
        with pytest.raises(ValueError, match="not an ISO 4217"):
            Currency.of(code)


@pytest.mark.parametrize("case", _ROUNDING["cases"], ids=lambda case: case["value"])
def test_a_half_goes_to_the_even_neighbour(case: dict[str, str | int]) -> None:
    value, yen = Decimal(str(case["value"])), Currency.of("jpy")
    sign = -1 if value < 0 else 1
    assert Money(sign, yen).convert(abs(value), Currency.of("krw")).amount == case["expected"]


@pytest.mark.parametrize(
    "case", _CONVERSIONS["cases"], ids=lambda c: f"{c['amount_minor']}{c['base']}-{c['quote']}"
)
def test_conversion_rounds_half_even_once(case: dict[str, str | int]) -> None:
    amount = Money(int(case["amount_minor"]), Currency.of(str(case["base"])))
    converted = amount.convert(Decimal(str(case["rate"])), Currency.of(str(case["quote"])))
    assert converted.amount == case["half_even"]


@pytest.mark.parametrize("rate", ["0", "-1", "NaN", "Infinity"])
def test_a_rate_must_be_positive(rate: str) -> None:
    with pytest.raises(ValueError, match="positive"):
        Money(1, USD).convert(Decimal(rate), USD)


@given(st.integers(0, 10**12), st.integers(1, 500))
def test_parts_sum_to_the_whole_and_the_first_get_the_rest(amount: int, parts: int) -> None:
    split = [part.amount for part in Money(amount, USD).split(parts)]
    assert sum(split) == amount
    assert split == sorted(split, reverse=True)
    assert split[0] - split[-1] <= 1


def test_currencies_do_not_mix() -> None:
    with pytest.raises(ValueError, match="does not add up"):
        Money(1, USD) + Money(1, Currency.of("eur"))


@pytest.mark.parametrize(
    ("amount", "code", "text"),
    [(1099, "usd", "10.99"), (5, "usd", "0.05"), (5, "jpy", "5"), (1, "clf", "0.0001")],
)
def test_people_read_major_units(amount: int, code: str, text: str) -> None:
    assert major_units(amount, Currency.of(code)) == text
