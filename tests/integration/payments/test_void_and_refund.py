"""Void, refund, several captures and expiry, through the functions against a real database."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from paywright.clock import SystemClock
from paywright.db.payments import PostgresPayments
from paywright.ids import parse_typeid
from paywright.payments.expiry import expire_due
from paywright.payments.services import Services
from paywright.wiring import Platform
from tests.api import Api, Reply
from tests.ledger_of import accounts, events, kinds


class Later:
    """A clock ahead of the platform's by what is added to it."""

    def __init__(self, platform: Platform) -> None:
        self._clock = platform.clock
        self.ahead = timedelta()

    def now(self) -> Any:
        return self._clock.now() + self.ahead


@pytest.fixture
def clock(platform: Platform) -> Later:
    return Later(platform)


@pytest.fixture
def later(platform: Platform, clock: Later) -> Services:
    store = PostgresPayments(platform.database, clock)
    return replace(platform.payments, clock=clock, store=store)


def code(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.json["error"]["code"]


def hold(api: Api, amount: int = 1000, **fields: Any) -> str:
    return str(api.pay(api.card(), amount, capture=False, **fields).json["id"])


def test_a_void_releases_the_hold(api: Api, owner: psycopg.Connection[Any]) -> None:
    payment_id = hold(api)
    reply = api.post(f"/v1/payments/{payment_id}/void")
    assert reply.status == 200, reply.text
    assert (reply.json["status"], reply.json["void_reason"]) == ("voided", "requested")
    assert reply.json["expires_at"] is None
    assert kinds(owner, payment_id) == ["authorize", "void"]
    assert set(accounts(owner, payment_id).values()) == {0}
    assert events(owner, payment_id) == [("payment.authorized", 1), ("payment.voided", 2)]
    assert code(api.post(f"/v1/payments/{payment_id}/void")) == (409, "payment_not_voidable")
    assert code(api.post(f"/v1/payments/{payment_id}/capture")) == (409, "payment_not_capturable")
    assert code(api.post(f"/v1/payments/{payment_id}/refund")) == (409, "payment_not_refundable")


def test_what_is_captured_cannot_be_voided(api: Api) -> None:
    payment_id = api.pay(api.card()).json["id"]
    assert code(api.post(f"/v1/payments/{payment_id}/void")) == (409, "payment_not_voidable")


def test_a_hold_is_captured_in_parts_and_its_rest_voided(
    api: Api, owner: psycopg.Connection[Any]
) -> None:
    reply = api.pay(api.card(), 1000, capture_method="manual_multiple")
    payment_id = reply.json["id"]
    assert reply.json["status"] == "authorized"
    first = api.post(f"/v1/payments/{payment_id}/capture", {"amount": 300}).json
    assert (first["status"], first["captured_amount"]) == ("authorized", 300)
    assert first["expires_at"] is not None
    second = api.post(f"/v1/payments/{payment_id}/capture", {"amount": 200}).json
    assert (second["status"], second["captured_amount"]) == ("authorized", 500)
    too_much = api.post(f"/v1/payments/{payment_id}/capture", {"amount": 501})
    assert code(too_much) == (400, "capture_exceeds_authorization")
    refund = f"/v1/payments/{payment_id}/refund"
    assert code(api.post(refund)) == (409, "payment_not_refundable")
    rest = api.post(f"/v1/payments/{payment_id}/void").json
    assert (rest["status"], rest["void_reason"], rest["captured_amount"]) == (
        "captured",
        "requested",
        500,
    )
    balances = accounts(owner, payment_id)
    assert balances["customer_hold"] == balances["merchant_hold"] == 0
    assert balances["merchant_balance"] + balances["platform_fee"] == -500
    assert kinds(owner, payment_id) == ["authorize", "capture", "capture", "void"]
    assert api.post(refund).json["refunded_amount"] == 500


@pytest.mark.parametrize(("body", "held"), [({"amount": 400, "final": True}, 0), ({}, 0)])
def test_a_final_capture_releases_the_rest(
    body: dict[str, Any], held: int, api: Api, owner: psycopg.Connection[Any]
) -> None:
    payment_id = api.pay(api.card(), 1000, capture_method="manual_multiple").json["id"]
    api.post(f"/v1/payments/{payment_id}/capture", {"amount": 100})
    done = api.post(f"/v1/payments/{payment_id}/capture", body).json
    assert done["status"] == "captured"
    assert accounts(owner, payment_id)["customer_hold"] == held


def test_what_is_captured_once_is_not_captured_as_one_of_several(
    api: Api, owner: psycopg.Connection[Any]
) -> None:
    payment_id = hold(api)
    path = f"/v1/payments/{payment_id}/capture"
    refused = api.post(path, {"amount": 400, "final": False}, key="k")
    assert (code(refused), refused.json["error"]["param"]) == ((400, "invalid_field"), "final")
    assert "Leave `final` out" in refused.json["error"]["message"]
    assert "manual_multiple" in refused.json["error"]["message"]
    assert accounts(owner, payment_id)["customer_hold"] == 1000
    done = api.post(path, {"amount": 400}, key="k").json
    assert (done["status"], done["captured_amount"]) == ("captured", 400)


def test_refunds_in_parts_until_nothing_is_left(api: Api, owner: psycopg.Connection[Any]) -> None:
    payment_id = api.pay(api.card(), 1000).json["id"]
    path = f"/v1/payments/{payment_id}/refund"
    first = api.post(path, {"amount": 400, "reason": "duplicate", "metadata": {"a": "b"}}, key="r")
    assert first.status == 201, first.text
    assert (first.json["status"], first.json["refunded_amount"]) == ("captured", 400)
    made = first.json["refund"]
    assert (made["status"], made["amount"], made["reason"]) == ("succeeded", 400, "duplicate")
    again = api.post(path, {"amount": 400, "reason": "duplicate", "metadata": {"a": "b"}}, key="r")
    assert again.text == first.text
    assert again.headers["idempotent-replayed"] == "true"
    assert code(api.post(path, {"amount": 601})) == (400, "refund_exceeds_capture")
    last = api.post(path).json
    assert (last["status"], last["refunded_amount"]) == ("refunded", 1000)
    assert code(api.post(path)) == (409, "payment_not_refundable")
    balances = accounts(owner, payment_id)
    assert balances["customer_refund"] == 0
    # The fee and the processor's cost stay: 2.9 % and 1.8 % of 1,000.
    assert balances["merchant_balance"] == 29
    assert balances["processor_receivable"] == -18
    assert events(owner, payment_id) == [("payment.captured", 1)]
    assert events(owner, made["id"]) == [("refund.created", 1), ("refund.succeeded", 2)]
    assert kinds(owner, payment_id) == [
        "authorize",
        "refund_requested",
        "refund",
        "refund_requested",
        "refund",
    ]


def test_refunds_are_listed_under_their_payment(api: Api) -> None:
    payment_id = api.pay(api.card(), 1000).json["id"]
    made = [
        api.post(f"/v1/payments/{payment_id}/refund", {"amount": amount}).json["refund"]
        for amount in (100, 200, 300)
    ]
    listed = api.get(f"/v1/payments/{payment_id}/refunds").json
    assert listed["object"] == "list"
    assert [each["id"] for each in listed["data"]] == [each["id"] for each in reversed(made)]
    assert api.get(f"/v1/refunds/{made[1]['id']}").json == made[1]


def test_parts_of_a_converted_payment_sum_to_the_whole(
    api: Api, owner: psycopg.Connection[Any]
) -> None:
    reply = api.pay(api.card(), 1001, currency="eur")
    payment_id, settled = reply.json["id"], reply.json["settlement_amount"]
    parts = [
        api.post(f"/v1/payments/{payment_id}/refund", {"amount": amount}).json["refund"]
        for amount in (333, 333, 335)
    ]
    assert sum(part["settlement_amount"] for part in parts) == settled
    assert accounts(owner, payment_id)["fx_clearing"] == 0


def test_a_plan_may_give_the_share_of_the_fee_back(
    new_merchant: Any, owner: psycopg.Connection[Any], platform: Platform
) -> None:
    merchant = new_merchant()
    owner.execute(
        "INSERT INTO fee_plans VALUES (%s, 'card', '*', 290, 30, true)",
        [parse_typeid("mer", merchant.id)],
    )
    api = Api(merchant)
    payment_id = api.pay(api.card(), 1000).json["id"]
    for amount in (333, 333, 334):
        api.post(f"/v1/payments/{payment_id}/refund", {"amount": amount})
    balances = accounts(owner, payment_id)
    assert balances["platform_fee"] == -30, "the fixed amount stays"
    assert balances["merchant_balance"] == 30


def test_a_hold_expires_once_and_by_itself(
    api: Api, owner: psycopg.Connection[Any], clock: Later, later: Services
) -> None:
    payment_id = hold(api, 700)
    clock.ahead = timedelta(days=6)
    expire_due(later)
    assert api.get(f"/v1/payments/{payment_id}").json["status"] == "authorized"
    clock.ahead = timedelta(days=7, seconds=1)
    expire_due(later)
    expire_due(later)
    shown = api.get(f"/v1/payments/{payment_id}").json
    assert (shown["status"], shown["void_reason"]) == ("voided", "expired")
    assert events(owner, payment_id)[-1] == ("payment.expired", 2)
    assert set(accounts(owner, payment_id).values()) == {0}
    left = owner.execute(
        "SELECT count(*) FROM authorization_expiries WHERE transaction_id = %s",
        [parse_typeid("txn", payment_id)],
    ).fetchone()
    assert left == (0,)


def test_a_visa_without_its_holder_expires_sooner(api: Api, clock: Later, later: Services) -> None:
    payment_id = hold(api, 700, off_session=True)
    clock.ahead = timedelta(days=5, seconds=1)
    expire_due(later)
    assert api.get(f"/v1/payments/{payment_id}").json["status"] == "voided"


def test_a_hold_lasts_up_to_the_moment_at_which_it_expires(
    api: Api, owner: psycopg.Connection[Any], later: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever captures and whoever releases go by the same moment."""
    captured, late = hold(api), hold(api)
    rows = owner.execute(
        "SELECT id, expires_at FROM transactions WHERE id = ANY (%s)",
        [[parse_typeid("txn", each) for each in (captured, late)]],
    ).fetchall()
    ends = dict(rows)

    def stand_at(moment: datetime) -> None:
        monkeypatch.setattr(SystemClock, "now", lambda _: moment)

    def expires_at(payment_id: str) -> datetime:
        found: datetime = ends[parse_typeid("txn", payment_id)]
        return found

    def shown(payment_id: str) -> str:
        return str(api.get(f"/v1/payments/{payment_id}").json["status"])

    stand_at(expires_at(captured) - timedelta(microseconds=1))
    expire_due(later)
    assert shown(captured) == "authorized"
    assert api.post(f"/v1/payments/{captured}/capture").json["status"] == "captured"
    stand_at(expires_at(late))
    assert code(api.post(f"/v1/payments/{late}/capture")) == (409, "authorization_expired")
    assert shown(late) == "authorized"
    expire_due(later)
    assert shown(late) == "voided"


@pytest.mark.parametrize("operation", ["capture", "void", "refund"])
def test_another_merchants_payment_is_not_found(
    operation: str, api: Api, new_merchant: Any
) -> None:
    payment_id = hold(api)
    stranger = Api(new_merchant())
    assert code(stranger.post(f"/v1/payments/{payment_id}/{operation}")) == (404, "not_found")
