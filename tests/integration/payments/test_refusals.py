"""What cannot be done is refused with the code that says why; only the audit log has a new row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from paywright.wiring import Platform
from tests.api import Api
from tests.refusals import contents, refusals, refused

_OTHER = '{"amount":1,"currency":"usd","payment_method_id":"pm_01kaqd0a3he8t9x5m2w7n4b6qc"}'


def held(api: Api) -> str:
    return str(api.pay(api.card(), 1000, capture=False).json["id"])


def captured(api: Api) -> str:
    return str(api.pay(api.card(), 1000).json["id"])


def held_yen(api: Api) -> str:
    return str(api.pay(api.card(), 1000, currency="jpy", capture=False).json["id"])


def captured_yen(api: Api) -> str:
    return str(api.pay(api.card(), 1000, currency="jpy").json["id"])


def refunded(api: Api) -> str:
    payment_id = captured(api)
    api.post(f"/v1/payments/{payment_id}/refund", {"amount": 600})
    return payment_id


@pytest.mark.parametrize(
    ("make", "operation", "body", "status", "code"),
    [
        (held, "capture", {"amount": 1001}, 400, "capture_exceeds_authorization"),
        (held, "capture", {"amount": 2**63}, 400, "amount_out_of_range"),
        (held, "capture", {"amount": 100_000_000_000}, 400, "amount_out_of_range"),
        (held, "capture", {"amount": 0}, 400, "amount_out_of_range"),
        (held, "capture", {"amount": -1}, 400, "amount_out_of_range"),
        (held, "capture", {"amount": 10.5}, 400, "invalid_field"),
        (held, "capture", {"amount": None}, 400, "invalid_field"),
        (captured, "refund", {"amount": None}, 400, "invalid_field"),
        (held, "capture", {"currency": "jpy"}, 400, "invalid_field"),
        (held, "capture", {"final": False}, 400, "invalid_field"),
        (held, "capture", {"amount": 400, "final": False}, 400, "invalid_field"),
        (held, "refund", {"amount": 1}, 409, "payment_not_refundable"),
        (captured, "void", {}, 409, "payment_not_voidable"),
        (captured, "capture", {}, 409, "payment_not_capturable"),
        (captured, "refund", {"amount": 1001}, 400, "refund_exceeds_capture"),
        (captured, "refund", {"reason": "because"}, 400, "invalid_field"),
        (refunded, "refund", {"amount": 401}, 400, "refund_exceeds_capture"),
        # As if the yen had cents, or an amount were in whole units.
        (held_yen, "capture", {"amount": "10.50"}, 400, "invalid_field"),
        (held_yen, "capture", {"amount": 10.5}, 400, "invalid_field"),
        (held_yen, "capture", {"amount": 10.0}, 400, "invalid_field"),
        (held_yen, "capture", {"amount": 100_000}, 400, "capture_exceeds_authorization"),
        (captured_yen, "refund", {"amount": "10.50"}, 400, "invalid_field"),
        (captured_yen, "refund", {"amount": 10.0}, 400, "invalid_field"),
        (captured_yen, "refund", {"amount": 100_000}, 400, "refund_exceeds_capture"),
    ],
)
def test_refused_operations_write_one_audit_row(
    make: Callable[[Api], str],
    operation: str,
    body: dict[str, Any],
    status: int,
    code: str,
    api: Api,
    owner: psycopg.Connection[Any],
) -> None:
    payment_id = make(api)
    refused(api, owner, f"/v1/payments/{payment_id}/{operation}", body, (status, code), payment_id)


def test_another_merchants_payment(
    api: Api, new_merchant: Any, owner: psycopg.Connection[Any]
) -> None:
    payment_id = captured(api)
    stranger = Api(new_merchant())
    path = f"/v1/payments/{payment_id}/refund"
    refused(stranger, owner, path, {}, (404, "not_found"), payment_id)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"currency": "xbt"}, "unknown_currency"),
        ({"currency": "xxx"}, "unknown_currency"),
        ({"amount": 2**64}, "amount_out_of_range"),
        ({"amount": 100_000_000_000}, "amount_out_of_range"),
        ({"amount": 1.5}, "invalid_field"),
        ({"amount": 10.0, "currency": "jpy"}, "invalid_field"),
        ({"amount": "10.50", "currency": "jpy"}, "invalid_field"),
        ({"amount": "10.500", "currency": "kwd"}, "invalid_field"),
        ({"capture": True, "capture_method": "manual"}, "invalid_field"),
        ({"payment_method_id": "pm_01kaqd0a3he8t9x5m2w7n4b6qc"}, "invalid_field"),
    ],
)
def test_refused_payments(
    fields: dict[str, Any], code: str, api: Api, owner: psycopg.Connection[Any]
) -> None:
    body = {"amount": 1000, "currency": "usd", "payment_method_id": api.card()} | fields
    refused(api, owner, "/v1/payments", body, (400, code), api.merchant.id)


def test_what_a_path_holds_is_not_written_down(api: Api, owner: psycopg.Connection[Any]) -> None:
    api.post("/v1/payments/4242424242424242/capture", {})
    assert refusals(owner, api.merchant.id)[-1]["request"] == "POST /v1/payments/…/capture"


@pytest.mark.parametrize("seen_before", [0, 2])
@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        ("{}", {"idempotency-key": ""}, "idempotency_key_missing"),
        ("{}", {"idempotency-key": "x" * 256}, "idempotency_key_invalid"),
        ("{", {}, "malformed_json"),
        ("{}", {"content-type": "text/plain"}, "content_type_not_json"),
        ('{"a":"' + "x" * 1_000_000 + '"}', {}, "body_too_large"),
        ("{}", {}, "invalid_field"),
        (_OTHER, {"idempotency-key": "used"}, "idempotency_key_reused"),
    ],
)
def test_what_is_refused_before_anything_is_looked_at(
    body: str,
    headers: dict[str, str],
    code: str,
    seen_before: int,
    api: Api,
    platform: Platform,
    owner: psycopg.Connection[Any],
) -> None:
    good = {"amount": 100, "currency": "usd", "payment_method_id": api.card()}
    assert api.post("/v1/payments", good, key="used").status == 201
    if not seen_before:
        platform.cache.send(("FLUSHDB",))
    before = contents(owner)
    reply = api.post("/v1/payments", body, **{"idempotency-key": "k", **headers})
    assert reply.json["error"]["code"] == code
    assert contents(owner) == before
    noted = [{"request": row["request"], "code": row["code"]} for row in _noted(owner, api)]
    assert noted == [{"request": "POST /v1/payments", "code": code}]


def test_an_operation_that_is_in_another_ones_way(api: Api, owner: psycopg.Connection[Any]) -> None:
    pending = api.pay(api.card("4000000000003006")).json["id"]
    before = owner.execute("SELECT count(*) FROM audit_log").fetchone()
    for key in (None, "k", "k"):
        reply = api.post(f"/v1/payments/{pending}/capture", key=key)
        assert reply.json["error"]["code"] == "operation_in_progress"
        assert "retry-after" in reply.headers
    # Whoever comes again when told to would fill the log, and it says nothing new.
    assert owner.execute("SELECT count(*) FROM audit_log").fetchone() == before


def test_refusals_are_noted_within_the_limit(
    new_merchant: Any, platform: Platform, owner: psycopg.Connection[Any]
) -> None:
    api = Api(new_merchant(rate_limit_per_min=3))
    replies = [api.post("/v1/payments", "{", key="k") for _ in range(5)]
    assert [reply.status for reply in replies] == [400, 400, 400, 429, 429]
    assert len(_noted(owner, api)) == 3


def test_what_nobody_sent_or_only_read_is_not_noted(
    api: Api, owner: psycopg.Connection[Any]
) -> None:
    before = owner.execute("SELECT count(*) FROM audit_log").fetchone()
    assert api.post("/v1/payments", {}, key="k", authorization="Bearer sk_test_x").status == 401
    assert api.get("/v1/payments?surprise=1").status == 400
    assert owner.execute("SELECT count(*) FROM audit_log").fetchone() == before


def _noted(owner: psycopg.Connection[Any], api: Api) -> list[dict[str, str]]:
    return refusals(owner, api.merchant.id)
