"""Account numbers are checked as far as they can be, and appear in no message."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paywright.processors.bank_accounts import (
    BankAccountInvalid,
    Given,
    checked,
    iban_checked,
    routing_number_checked,
)
from paywright.processors.bank_transfer import after_business_days
from paywright.processors.test_accounts import RETURN_CODES, SCENARIOS, bank_of

AMERICAN = Given("000123456789", None, "110000000", "US", "usd", "Ada Lovelace")
EUROPEAN = Given(None, "DE89 3704 0044 0532 0130 00", None, "DE", "eur", "Ada Lovelace")


@pytest.mark.parametrize(
    "iban",
    # The examples of SWIFT's IBAN registry.
    [
        "AD1200012030200359100100",
        "AT611904300234573201",
        "BE68539007547034",
        "BG80BNBG96611020345678",
        "CH9300762011623852957",
        "CY17002001280000001200527600",
        "CZ6508000000192000145399",
        "DE89370400440532013000",
        "DK5000400440116243",
        "EE382200221020145685",
        "ES9121000418450200051332",
        "FI2112345600000785",
        "FR1420041010050500013M02606",
        "GB29NWBK60161331926819",
        "GR1601101250000000012300695",
        "HR1210010051863000160",
        "HU42117730161111101800000000",
        "IE29AIBK93115212345678",
        "IT60X0542811101000000123456",
        "LI21088100002324013AA",
        "LT121000011101001000",
        "LU280019400644750000",
        "LV80BANK0000435195001",
        "MT84MALT011000012345MTLCAST001S",
        "NL91ABNA0417164300",
        "NO9386011117947",
        "PL61109010140000071219812874",
        "PT50000201231234567890154",
        "RO49AAAA1B31007593840000",
        "SE4550000000058398257466",
        "SI56263300012039086",
        "SK3112000000198742637541",
    ],
)
def test_the_registrys_examples_are_valid(iban: str) -> None:
    assert iban_checked(iban) == iban


@given(st.data())
def test_one_wrong_character_or_two_that_changed_places_are_found(data: st.DataObject) -> None:
    iban = "DE89370400440532013000"
    at = data.draw(st.integers(2, len(iban) - 1))
    other = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != iban[at]]))
    wrong = [iban[:at] + other + iban[at + 1 :]]
    if at + 1 < len(iban) and iban[at] != iban[at + 1]:
        wrong.append(iban[:at] + iban[at + 1] + iban[at] + iban[at + 2 :])
    for each in wrong:
        with pytest.raises(BankAccountInvalid):
            iban_checked(each)


@given(st.text(max_size=40))
def test_whatever_is_no_iban_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(BankAccountInvalid) as refused:
        iban_checked(text + "?")
    assert text + "?" not in str(refused.value)


@pytest.mark.parametrize("number", ["110000000", "021000021", "322271627", "011401533"])
def test_routing_numbers(number: str) -> None:
    assert routing_number_checked(number) == number


@pytest.mark.parametrize(
    "number",
    [None, "", "11000000", "1100000000", "110000001", "000000000", "990000001", "11000000a"],
)
def test_what_is_no_routing_number(number: str | None) -> None:
    with pytest.raises(BankAccountInvalid) as refused:
        routing_number_checked(number)
    assert refused.value.param == "routing_number"


def test_good_accounts() -> None:
    american = checked(AMERICAN)
    assert (american.scheme, american.currency.code, american.country) == ("ach", "usd", "US")
    european = checked(replace(EUROPEAN, country="de", currency="EUR"))
    assert (european.scheme, european.currency.code, european.country) == ("sepa", "eur", "DE")
    assert european.number == "DE89370400440532013000"


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        (replace(AMERICAN, account_number=None), "iban"),
        (replace(AMERICAN, iban=EUROPEAN.iban), "iban"),
        (replace(AMERICAN, country="CA"), "country"),
        (replace(AMERICAN, currency="eur"), "currency"),
        (replace(AMERICAN, routing_number=None), "routing_number"),
        (replace(AMERICAN, account_number="123"), "account_number"),
        (replace(AMERICAN, account_number="1" * 18), "account_number"),
        (replace(AMERICAN, account_number="12345a"), "account_number"),
        (replace(AMERICAN, account_number="١٢٣٤٥"), "account_number"),
        (replace(EUROPEAN, routing_number="110000000"), "routing_number"),
        (replace(EUROPEAN, country="FR"), "country"),
        (replace(EUROPEAN, currency="usd"), "currency"),
        (replace(EUROPEAN, iban="DE8937040044053201300"), "iban"),
        (replace(EUROPEAN, iban="XX89370400440532013000"), "iban"),
        (replace(EUROPEAN, iban="DE٨٩370400440532013000"), "iban"),
    ],
)
def test_what_is_wrong_is_named(wrong: Given, param: str) -> None:
    with pytest.raises(BankAccountInvalid) as refused:
        checked(wrong)
    assert refused.value.param == param
    for secret in (wrong.account_number, wrong.iban, wrong.holder_name):
        assert secret is None or secret not in str(refused.value)


def test_an_account_does_not_show_itself() -> None:
    for each in (AMERICAN, EUROPEAN, checked(AMERICAN), checked(EUROPEAN)):
        assert "12345" not in repr(each)
        assert "3704" not in repr(each)
        assert "Ada" not in repr(each)


def test_every_test_account_is_well_formed() -> None:
    for number, scenario in SCENARIOS.items():
        given = AMERICAN if number.isdigit() else EUROPEAN
        if number.isdigit():
            account = checked(replace(given, account_number=number))
        else:
            account = checked(replace(given, iban=number, country=number[:2]))
        assert account.number == number
        assert bank_of(account.number, account.routing_number) is not None
        _, _, code = scenario.partition(":")
        assert code == "" or code in RETURN_CODES


@pytest.mark.parametrize(
    ("start", "days", "end"),
    # 25 November 2026 is a Wednesday.
    [
        ((11, 25), 1, (11, 26)),
        ((11, 25), 2, (11, 27)),
        ((11, 25), 3, (11, 30)),
        ((11, 25), 4, (12, 1)),
        ((11, 27), 1, (11, 30)),
        ((11, 28), 1, (11, 30)),
        ((11, 29), 1, (11, 30)),
        ((11, 29), 6, (12, 7)),
        ((12, 31), 1, (1, 1)),
    ],
)
def test_weekends_do_not_count(start: tuple[int, int], days: int, end: tuple[int, int]) -> None:
    begun = datetime(2026, *start, 9, 30, tzinfo=UTC)
    year = 2027 if end[0] == 1 else 2026
    assert after_business_days(begun, days) == datetime(year, *end, 9, 30, tzinfo=UTC)
