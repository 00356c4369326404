"""Tables of rates: what is read, what is refused, and what comes of crossing them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paywright.fx.pegs import PEGS
from paywright.fx.rates import Rate
from paywright.fx.tables import InvalidTable, RateTable, parse
from paywright.money import MAX_AMOUNT_MINOR, Currency, Money, all_currencies

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
AT = datetime(2026, 11, 24, tzinfo=UTC)
UNITS = {"usd": Decimal("1.1172"), "jpy": Decimal("175.68"), "idr": Decimal("20275.17")}
TABLE = RateTable(Currency.of("eur"), UNITS, "ecb", AT)
GOOD = {"base": "EUR", "at": "2026-11-24T00:00:00Z", "rates": {"USD": 1.1172, "JPY": "175.68"}}


def cross(base: str, quote: str, table: RateTable = TABLE) -> Rate | None:
    return table.cross(Currency.of(base), Currency.of(quote), NOW)


@pytest.mark.parametrize(
    ("base", "quote", "value", "source"),
    [
        ("eur", "usd", "1.1172", "ecb"),
        ("usd", "eur", "0.895094880057", "ecb"),
        ("jpy", "usd", "0.00635928961749", "ecb"),
        ("usd", "aed", "3.6725", "peg"),
        ("usd", "sar", "3.75", "peg"),
        ("usd", "qar", "3.64", "peg"),
        ("omr", "usd", "2.6008", "peg"),
        ("usd", "bhd", "0.376", "peg"),
        ("usd", "jod", "0.709", "peg"),
        ("aed", "sar", "1.02110279101", "peg"),
        ("eur", "aed", "4.102917", "ecb+peg"),
        ("idr", "bhd", "0.0000207183071708", "ecb+peg"),
    ],
)
def test_pairs_are_crossed(base: str, quote: str, value: str, source: str) -> None:
    assert cross(base, quote) == Rate(Decimal(value), source, NOW if source == "peg" else AT)


def test_what_is_neither_listed_nor_pegged_has_no_rate() -> None:
    assert cross("kwd", "usd") is None
    assert cross("eur", "kwd") is None


def test_a_peg_needs_the_dollar_to_reach_another_currency() -> None:
    without = RateTable(Currency.of("eur"), {"jpy": Decimal("175.68")}, "ecb", AT)
    assert cross("eur", "aed", without) is None
    assert cross("usd", "aed", without) == Rate(Decimal("3.6725"), "peg", NOW)


def test_a_listed_rate_goes_before_a_peg() -> None:
    listed = RateTable(Currency.of("usd"), {"aed": Decimal("3.70")}, "live", AT)
    assert cross("usd", "aed", listed) == Rate(Decimal("3.7"), "live", AT)


def test_the_largest_payment_converted_fits_a_bigint_or_there_is_no_rate() -> None:
    for value in ("1e3", "1e5", "1e7", "1e9"):
        table = RateTable(Currency.of("usd"), {"irr": Decimal(value)}, "live", AT)
        for code in ("usd", "bhd", "aed"):
            found = cross(code, "irr", table)
            if found is not None:
                largest = Money(MAX_AMOUNT_MINOR, Currency.of(code))
                assert largest.convert(found.value, Currency.of("irr")).amount < 2**63
    assert cross("usd", "irr", table) is None


@given(st.sampled_from(all_currencies()), st.sampled_from(all_currencies()), st.data())
def test_there_and_back_is_one_to_eleven_digits(
    one: Currency, other: Currency, data: st.DataObject
) -> None:
    price = st.decimals("0.001", "1000", places=6).filter(lambda value: value > 0)
    units = {currency.code: data.draw(price) for currency in all_currencies()}
    base = units.popitem()[0]
    table = RateTable(Currency.of(base), units, "test", AT)
    there, back = table.cross(one, other, NOW), table.cross(other, one, NOW)
    assert there is not None
    assert back is not None
    assert abs(there.value * back.value - 1) < Decimal("1e-10")


def test_every_peg_names_its_central_bank() -> None:
    assert set(PEGS) == {"aed", "sar", "qar", "omr", "bhd", "jod"}
    assert all("Bank" in peg.source for peg in PEGS.values())
    assert all(Currency.of(code) for code in PEGS)


@pytest.mark.parametrize(
    ("moment", "at"),
    [
        ({"at": "2026-11-25T11:59:30+01:00"}, datetime(2026, 11, 25, 10, 59, 30, tzinfo=UTC)),
        ({"timestamp": 1_795_600_800}, datetime(2026, 11, 25, 10, tzinfo=UTC)),
        ({"date": "2026-11-24"}, AT),
        ({"timestamp": 1_795_600_800, "date": "2026-11-24"}, NOW - timedelta(hours=2)),
    ],
)
def test_a_table_says_when_in_one_of_three_ways(moment: dict[str, Any], at: datetime) -> None:
    text = json.dumps({"base": "usd", "rates": {"eur": 0.9}, **moment})
    assert parse(text, source="live", now=NOW).at == at


def test_numbers_are_read_as_decimals_and_what_is_no_tender_is_left_out() -> None:
    text = json.dumps(GOOD | {"rates": GOOD["rates"] | {"XAU": 0.0002, "BTC": -1, "EUR": 1}})  # type: ignore[operator]
    table = parse(text, source="live", now=NOW)
    assert table.units == {"usd": Decimal("1.1172"), "jpy": Decimal("175.68")}
    assert parse(table.to_json(), source="live", now=NOW) == table


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"base": "XYZ"}, "`base` is no ISO 4217 code"),
        ({"base": None}, "`base` is no ISO 4217 code"),
        ({"at": None}, "neither `at` nor"),
        ({"at": "2026-11-24T00:00:00"}, "no time zone"),
        ({"at": "yesterday"}, "cannot be read"),
        ({"at": None, "timestamp": 10**30}, "cannot be read"),
        ({"at": None, "timestamp": True}, "neither `at` nor"),
        ({"at": None, "date": "24/11/2026"}, "cannot be read"),
        ({"at": "2026-11-27T00:00:00Z"}, "in the future"),
        ({"rates": {}}, "no object with rates"),
        ({"rates": []}, "no object with rates"),
        ({"rates": {f"x{number}": 1 for number in range(1001)}}, "more than 1000"),
        ({"rates": {"USD": 1, "usd": 1}}, "usd is listed twice"),
        ({"rates": {"usd": 0}}, "usd is not between"),
        ({"rates": {"usd": -1.1}}, "usd is not between"),
        ({"rates": {"usd": 1e10}}, "usd is not between"),
        ({"rates": {"usd": "NaN"}}, "usd is not between"),
        ({"rates": {"usd": "1,1"}}, "usd is no number"),
        ({"rates": {"usd": True}}, "usd is no number"),
        ({"rates": {"usd": None}}, "usd is no number"),
        ({"rates": {"usd": [1.1]}}, "usd is no number"),
        ({"rates": {"usd": 1.1, "eur": 2}}, "to itself is not 1"),
    ],
)
def test_a_table_with_one_mistake_is_refused_whole(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidTable, match=message):
        parse(json.dumps(GOOD | change), source="live", now=NOW)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "1", "null", "<html>", '{"base": "usd"', '{"rates": {"usd": NaN}}', "[" * 100_000],
)
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(InvalidTable, match="JSON"):
        parse(text, source="live", now=NOW)


@given(st.binary(max_size=200))
def test_no_bytes_bring_the_reader_down(text: bytes) -> None:
    with pytest.raises(InvalidTable):
        parse(text, source="live", now=NOW)
