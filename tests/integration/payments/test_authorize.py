"""POST /v1/payments against a real database: what is answered, and what is written."""

from __future__ import annotations

from typing import Any

import psycopg

from paywright.ids import parse_typeid
from tests.api import Api


def entries(owner: psycopg.Connection[Any], payment_id: str) -> set[tuple[str, str, int, str]]:
    rows = owner.execute(
        "SELECT entry_type, account_type, amount, currency FROM ledger_entries"
        " WHERE transaction_id = %s",
        [parse_typeid("txn", payment_id)],
    ).fetchall()
    return {tuple(row) for row in rows}


def test_a_sale_is_four_entries_an_audit_row_and_an_event(
    api: Api, owner: psycopg.Connection[Any]
) -> None:
    reply = api.pay(api.card(), 5000, description="Order 1", metadata={"order": "1"})
    assert reply.status == 201, reply.text
    assert reply.json["status"] == "captured"
    assert reply.json["captured_amount"] == 5000
    assert entries(owner, reply.json["id"]) == {
        ("debit", "processor_receivable", 4910, "usd"),
        ("debit", "processor_cost", 90, "usd"),
        ("credit", "merchant_balance", 4855, "usd"),
        ("credit", "platform_fee", 145, "usd"),
    }
    uuid = parse_typeid("txn", reply.json["id"])
    (event,) = owner.execute(
        "SELECT type, sequence, payload FROM outbox WHERE object_id = %s", [uuid]
    ).fetchall()
    assert event[:2] == ("payment.captured", 1)
    assert event[2]["data"]["object"] == reply.json
    (audit,) = owner.execute(
        "SELECT action, actor_type, changes->'status' FROM audit_log WHERE entity_id = %s", [uuid]
    ).fetchall()
    assert audit == ("authorize_succeeded", "api_key", ["pending", "captured"])
    assert api.get(f"/v1/payments/{reply.json['id']}").json == reply.json


def test_a_hold_is_captured_in_part_and_the_rest_released(
    api: Api, owner: psycopg.Connection[Any]
) -> None:
    held = api.pay(api.card(), 10_000, capture=False)
    assert (held.status, held.json["status"]) == (201, "authorized")
    assert held.json["expires_at"] is not None
    assert entries(owner, held.json["id"]) == {
        ("debit", "customer_hold", 10_000, "usd"),
        ("credit", "merchant_hold", 10_000, "usd"),
    }
    captured = api.post(f"/v1/payments/{held.json['id']}/capture", {"amount": 6000})
    assert (captured.status, captured.json["status"]) == (200, "captured")
    assert captured.json["captured_amount"] == 6000
    assert entries(owner, held.json["id"]) >= {
        ("debit", "merchant_hold", 10_000, "usd"),
        ("credit", "customer_hold", 10_000, "usd"),
        ("debit", "processor_receivable", 5892, "usd"),
        ("credit", "merchant_balance", 5826, "usd"),
    }
    again = api.post(f"/v1/payments/{held.json['id']}/capture")
    assert (again.status, again.json["error"]["code"]) == (409, "payment_not_capturable")


def test_a_decline_is_recorded_and_frees_its_key(api: Api, owner: psycopg.Connection[Any]) -> None:
    body = {
        "amount": 700,
        "currency": "usd",
        "payment_method_id": api.card("4000000000009995"),
    }
    first = api.post("/v1/payments", body, key="order-1")
    assert first.status == 402
    error = first.json["error"]
    assert (error["type"], error["code"]) == ("card_error", "card_declined")
    assert error["decline_code"] == "insufficient_funds"
    failed = api.get(f"/v1/payments/{error['payment_id']}").json
    assert (failed["status"], failed["failure_code"]) == ("failed", "card_declined")
    assert entries(owner, error["payment_id"]) == set()
    second = api.post("/v1/payments", body, key="order-1")
    assert second.status == 402
    assert second.json["error"]["payment_id"] != error["payment_id"]
    types = owner.execute(
        "SELECT type FROM outbox WHERE object_id = %s",
        [parse_typeid("txn", error["payment_id"])],
    ).fetchall()
    assert types == [("payment.failed",)]


def test_the_highest_risk_is_declined_without_asking_the_processor(
    api: Api, owner: psycopg.Connection[Any]
) -> None:
    reply = api.pay(api.card("4100000000000019"))
    assert (reply.status, reply.json["error"]["decline_code"]) == (402, "fraudulent")
    asked = owner.execute(
        "SELECT count(*) FROM simulator.requests r JOIN payment_operations o"
        " ON o.id = r.operation_id WHERE o.transaction_id = %s",
        [parse_typeid("txn", reply.json["error"]["payment_id"])],
    ).fetchone()
    assert asked == (0,)


def test_a_payment_in_another_currency_is_converted_at_a_locked_rate(
    api: Api, owner: psycopg.Connection[Any]
) -> None:
    reply = api.pay(api.card(), 150_000, currency="JPY")
    assert reply.status == 201, reply.text
    payment = reply.json
    assert payment["currency"] == "jpy"
    assert payment["settlement_currency"] == "usd"
    mid = payment["settlement_amount"]
    assert mid == round(150_000 * float(payment["fx_rate"]) * 100)
    fee = round(mid * 0.029)
    assert entries(owner, payment["id"]) == {
        ("debit", "processor_receivable", 147_300, "jpy"),
        ("debit", "processor_cost", 2_700, "jpy"),
        ("credit", "fx_clearing", 150_000, "jpy"),
        ("debit", "fx_clearing", mid, "usd"),
        ("credit", "merchant_balance", mid - fee, "usd"),
        ("credit", "platform_fee", fee, "usd"),
    }


def test_without_a_rate_nothing_is_captured_and_the_hold_stays(api: Api) -> None:
    refused = api.pay(api.card(), 1000, currency="kwd")
    assert (refused.status, refused.json["error"]["code"]) == (503, "fx_rate_unavailable")
    held = api.pay(api.card(), 1000, currency="kwd", capture=False)
    assert held.status == 201
    capture = api.post(f"/v1/payments/{held.json['id']}/capture")
    assert capture.status == 503
    assert api.get(f"/v1/payments/{held.json['id']}").json["status"] == "authorized"
