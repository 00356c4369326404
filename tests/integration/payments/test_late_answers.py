"""What processors decide days later: transfers, refunds, and what comes back after all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from paywright.db import Database
from paywright.housekeeping import keep_house
from paywright.ids import parse_typeid
from paywright.payments.notices import hear_notices
from paywright.payments.recovery import LOOK_AGAIN_AFTER, recover_due
from paywright.wiring import Platform
from tests.api import Api
from tests.clock_file import ClockFile

DAYS = timedelta(days=10)
"""Longer than either scheme takes, over any weekend."""


@pytest.fixture(autouse=True)
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClockFile:
    made = ClockFile(tmp_path / "clock")
    monkeypatch.setenv("CLOCK_FILE", str(tmp_path / "clock"))
    return made


@pytest.fixture
def later(platform: Platform, clock: ClockFile) -> Callable[[timedelta], None]:
    """Lets business time pass, and housekeeping do what is then due."""

    def pass_time(by: timedelta) -> None:
        clock.advance(by)
        while hear_notices(platform.payments):
            pass
        recover_due(platform.payments)

    return pass_time


def account(api: Api, number: str) -> str:
    given = {"account_number": number, "routing_number": "110000000", "country": "US"}
    body = given | {"currency": "usd", "account_holder_name": "Ada"}
    path = f"/v1/customers/{api.customer()}/payment_methods"
    return str(api.post(path, {"type": "bank_account", "bank_account": body}).json["id"])


def now(api: Api, payment: dict[str, Any]) -> tuple[str, str | None]:
    found = api.get(f"/v1/payments/{payment['id']}").json
    return found["status"], found["pending_reason"]


def test_a_transfer_is_captured_when_it_is_confirmed(
    api: Api, later: Callable[[timedelta], None]
) -> None:
    reply = api.pay(account(api, "000123456789"), 5000)
    assert (reply.status, reply.json["status"]) == (201, "pending")
    assert reply.json["pending_reason"] == "bank_transfer"
    later(timedelta(hours=1))
    assert now(api, reply.json) == ("pending", "bank_transfer"), "it is not an unknown outcome"
    later(DAYS)
    assert now(api, reply.json) == ("captured", None)


def test_a_refund_that_is_decided_later_says_who_decides(
    api: Api, later: Callable[[timedelta], None]
) -> None:
    card = api.pay(api.card("4000000000007726"), 5000).json
    transfer = api.pay(account(api, "000123456789"), 5000).json
    later(DAYS)
    for payment, reason in ((card, "processor_pending"), (transfer, "bank_transfer")):
        asked = api.post(f"/v1/payments/{payment['id']}/refund", {"amount": 100})
        assert (asked.status, asked.json["pending_reason"]) == (201, None)
        kept = api.get(f"/v1/payments/{payment['id']}/refunds").json["data"][0]
        for refund in (asked.json["refund"], kept):
            assert (refund["status"], refund["pending_reason"]) == ("pending", reason)


@pytest.mark.parametrize(("number", "code"), [("000222222227", "R01"), ("000111111113", "R02")])
def test_a_transfer_that_is_returned_fails_with_its_code(
    number: str, code: str, api: Api, later: Callable[[timedelta], None]
) -> None:
    payment = api.pay(account(api, number), 5000).json
    later(DAYS)
    assert now(api, payment) == ("failed", None)
    failed = api.get(f"/v1/payments/{payment['id']}").json
    assert (failed["failure_code"], failed["failure_message"]) == ("payment_method_declined", code)


@pytest.mark.parametrize(
    ("number", "becomes"), [("000123456789", "captured"), ("000222222227", "failed")]
)
def test_a_transfers_key_is_kept_until_a_day_after_it_is_decided(
    number: str,
    becomes: str,
    api: Api,
    later: Callable[[timedelta], None],
    platform: Platform,
    owner: psycopg.Connection[Any],
    housekeeping_database_url: str,
) -> None:
    body = {"amount": 5000, "currency": "usd", "payment_method_id": account(api, number)}
    first = api.post("/v1/payments", body, key="transfer")
    database = Database(housekeeping_database_url)
    # ACH takes four days: after three a key of a decided payment would be long forgotten.
    three_days, most_of_a_day = timedelta(days=3), timedelta(hours=23)
    for by, state in ((three_days, "pending"), (DAYS, becomes), (most_of_a_day, becomes)):
        later(by)
        keep_house(platform.payments, database, for_s=0)
        platform.cache.send(("FLUSHDB",))
        again = api.post("/v1/payments", body, key="transfer")
        assert (again.status, again.text) == (201, first.text)
        assert [each["status"] for each in api.get("/v1/payments").json["data"]] == [state]
    later(timedelta(hours=2))
    keep_house(platform.payments, database, for_s=0)
    database.close()
    kept = "SELECT count(*) FROM idempotency_keys WHERE merchant_id = %s AND key = 'transfer'"
    assert owner.execute(kept, [parse_typeid("mer", api.merchant.id)]).fetchone() == (0,)


def test_a_transfer_that_gets_no_answer_is_reversed_and_fails(
    api: Api, later: Callable[[timedelta], None], platform: Platform
) -> None:
    payment = api.pay(account(api, "000999999991"), 5000).json
    assert now(api, payment) == ("pending", "processor_unknown")
    later(timedelta(minutes=5))
    for pause in LOOK_AGAIN_AFTER:
        assert now(api, payment) == ("pending", "processor_unknown")
        later(pause + timedelta(minutes=1))
    assert now(api, payment) == ("failed", None)
    later(DAYS)
    assert now(api, payment) == ("failed", None)


def test_a_confirmed_transfer_comes_back(
    api: Api, later: Callable[[timedelta], None], owner: psycopg.Connection[Any]
) -> None:
    payment = api.pay(account(api, "000555555559"), 5000).json
    later(2 * DAYS)
    assert "R10" in str(api.get(f"/v1/payments/{payment['id']}").json)
    assert now(api, payment) == ("failed", None)


@pytest.mark.parametrize(
    ("number", "at_once", "at_last"),
    [
        ("4000000000007726", "pending", "succeeded"),
        ("4000000000005126", "succeeded", "failed"),
        ("4000000000003071", "pending", "succeeded"),
    ],
)
def test_a_refund_ends_later(
    number: str, at_once: str, at_last: str, api: Api, later: Callable[[timedelta], None]
) -> None:
    payment = api.pay(api.card(number), 5000).json
    assert api.post(f"/v1/payments/{payment['id']}/refund", {"amount": 2000}).status == 201
    path = f"/v1/payments/{payment['id']}/refunds"
    assert [each["status"] for each in api.get(path).json["data"]] == [at_once]
    later(timedelta(hours=1, minutes=1))
    assert [each["status"] for each in api.get(path).json["data"]] == [at_last]
    refunded = api.get(f"/v1/payments/{payment['id']}").json["refunded_amount"]
    assert refunded == (2000 if at_last == "succeeded" else 0)


@pytest.mark.parametrize(
    ("number", "step", "becomes"),
    [("4000000000003055", "capture", "captured"), ("4000000000003063", "void", "voided")],
)
def test_a_step_without_an_answer_was_done(
    number: str, step: str, becomes: str, api: Api, later: Callable[[timedelta], None]
) -> None:
    payment = api.pay(api.card(number), 5000, capture=False).json
    api.post(f"/v1/payments/{payment['id']}/{step}")
    assert now(api, payment) == ("pending", "processor_unknown")
    later(timedelta(minutes=5))
    assert now(api, payment) == (becomes, None)
