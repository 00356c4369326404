"""What a bank transfer that comes back posts: all that was settled for it, and the fee for that."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from paywright.ids import parse_typeid
from paywright.payments.notices import hear_notices
from paywright.wiring import Platform
from tests.api import Api
from tests.clock_file import ClockFile
from tests.ledger_of import Line, accounts, journal, kinds

AMERICAN = {"account_number": "000555555559", "routing_number": "110000000", "country": "US"}
EUROPEAN = {"iban": "DE35370400440532013002", "country": "DE"}
"""Both are confirmed, and come back some days later."""

_DAYS = timedelta(days=10)


@pytest.fixture(autouse=True)
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClockFile:
    made = ClockFile(tmp_path / "clock")
    monkeypatch.setenv("CLOCK_FILE", str(tmp_path / "clock"))
    return made


def transfer(api: Api, account: dict[str, str], currency: str, amount: int) -> str:
    """A transfer that the bank has not confirmed yet."""
    details = {**account, "currency": currency, "account_holder_name": "Ada"}
    path = f"/v1/customers/{api.customer()}/payment_methods"
    method = api.post(path, {"type": "bank_account", "bank_account": details}).json["id"]
    return str(api.pay(method, amount, currency=currency).json["id"])


def agree_on(owner: psycopg.Connection[Any], api: Api, fee: int) -> None:
    """What a transfer that comes back costs this merchant."""
    owner.execute(
        "INSERT INTO fee_plans VALUES (%s, 'bank_return', 'usd', 0, %s)",
        [parse_typeid("mer", api.merchant.id), fee],
    )


def balance(of: int, fee: int) -> list[Line]:
    """The merchant's side: it gives back `of`, and pays for that."""
    lines: list[Line] = [("debit", "merchant_balance", "", of + fee, "usd")]
    return lines + ([("credit", "platform_fee", "", fee, "usd")] if fee else [])


@pytest.mark.parametrize("fee", [0, 250])
def test_all_of_it_goes_back_and_the_fee_that_was_agreed_on(
    fee: int, api: Api, platform: Platform, owner: psycopg.Connection[Any], clock: ClockFile
) -> None:
    if fee:
        agree_on(owner, api, fee)
    payment_id = transfer(api, AMERICAN, "usd", 10_000)
    clock.advance(_DAYS)
    hear_notices(platform.payments)
    before = accounts(owner, payment_id)
    assert before["merchant_balance"] == -9_900, "less one percent"
    clock.advance(_DAYS)
    hear_notices(platform.payments)
    assert journal(owner, payment_id, "return") == [
        *balance(10_000, fee),
        ("credit", "processor_receivable", "bank_transfer", 10_000, "usd"),
    ]
    after = accounts(owner, payment_id)
    assert after["merchant_balance"] - before["merchant_balance"] == 10_000 + fee
    assert kinds(owner, payment_id) == ["authorize", "return"]


def test_a_converted_transfer_goes_back_as_it_was_settled(
    api: Api, platform: Platform, owner: psycopg.Connection[Any], clock: ClockFile
) -> None:
    owner.execute(
        "UPDATE merchants SET fx_spread_bps = 200 WHERE id = %s",
        [parse_typeid("mer", api.merchant.id)],
    )
    agree_on(owner, api, 250)
    payment_id = transfer(api, EUROPEAN, "eur", 10_000)
    clock.advance(_DAYS)
    hear_notices(platform.payments)
    settled = api.get(f"/v1/payments/{payment_id}").json["settlement_amount"]
    assert settled > 10_000
    clock.advance(_DAYS)
    hear_notices(platform.payments)
    assert journal(owner, payment_id, "return") == [
        *balance(settled, 250),
        ("credit", "processor_receivable", "bank_transfer", 10_000, "eur"),
        ("credit", "fx_clearing", "", settled, "usd"),
        ("debit", "fx_clearing", "", 10_000, "eur"),
    ]
    assert accounts(owner, payment_id)["fx_clearing"] == 0, "in each of the two currencies"


def test_what_was_refunded_before_stays_refunded(
    api: Api, platform: Platform, owner: psycopg.Connection[Any], clock: ClockFile
) -> None:
    payment_id = transfer(api, AMERICAN, "usd", 10_000)
    clock.advance(_DAYS)
    hear_notices(platform.payments)
    assert api.post(f"/v1/payments/{payment_id}/refund", {"amount": 4_000}).status == 201
    clock.advance(_DAYS)
    hear_notices(platform.payments)
    shown = api.get(f"/v1/payments/{payment_id}").json
    assert (shown["status"], shown["failure_code"]) == ("failed", "bank_transfer_returned")
    assert shown["refunded_amount"] == 4_000
    assert journal(owner, payment_id, "return") == [
        *balance(10_000, 0),
        ("credit", "processor_receivable", "bank_transfer", 10_000, "usd"),
    ]
    assert journal(owner, payment_id, "refund") == [
        ("debit", "customer_refund", "", 4_000, "usd"),
        ("credit", "processor_receivable", "bank_transfer", 4_000, "usd"),
    ]


def test_what_was_never_confirmed_posts_nothing(
    api: Api, platform: Platform, owner: psycopg.Connection[Any], clock: ClockFile
) -> None:
    agree_on(owner, api, 250)
    no_account = {**AMERICAN, "account_number": "000111111116"}
    payment_id = transfer(api, no_account, "usd", 10_000)
    clock.advance(_DAYS)
    hear_notices(platform.payments)
    assert api.get(f"/v1/payments/{payment_id}").json["status"] == "failed"
    assert kinds(owner, payment_id) == []
