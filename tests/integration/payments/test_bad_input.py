"""Whatever is wrong with a request, it is refused with the right error and nothing is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from paywright.merchants.create import NewMerchant
from tests.api import Api

_TABLES = ("transactions", "payment_operations", "journals", "outbox", "customers")


def counts(owner: psycopg.Connection[Any]) -> list[Any]:
    return [owner.execute(f"SELECT count(*) FROM {table}").fetchone() for table in _TABLES]


@pytest.mark.parametrize(
    ("change", "status", "code", "param"),
    [
        ({"amount": 0}, 400, "amount_out_of_range", "amount"),
        ({"amount": -5}, 400, "amount_out_of_range", "amount"),
        ({"amount": 10**11}, 400, "amount_out_of_range", "amount"),
        ({"amount": 10**30}, 400, "amount_out_of_range", "amount"),
        ({"amount": "5"}, 400, "invalid_field", "amount"),
        ({"amount": 5.5}, 400, "invalid_field", "amount"),
        ({"amount": True}, 400, "invalid_field", "amount"),
        ({"amount": None}, 400, "invalid_field", "amount"),
        ({"currency": "xyz"}, 400, "unknown_currency", "currency"),
        ({"currency": "xau"}, 400, "unknown_currency", "currency"),
        ({"currency": 5}, 400, "invalid_field", "currency"),
        ({"payment_method_id": "pm_nonsense"}, 400, "invalid_field", "payment_method_id"),
        ({"payment_method_id": "x" * 9999}, 400, "invalid_field", "payment_method_id"),
        ({"customer_id": "cus_nonsense"}, 400, "invalid_field", "customer_id"),
        ({"capture": "yes"}, 400, "invalid_field", "capture"),
        ({"surprise": 1}, 400, "invalid_field", "surprise"),
        ({"metadata": {"a": {"b": 1}}}, 400, "invalid_field", "metadata.a"),
        ({"metadata": {str(n): "" for n in range(51)}}, 400, "invalid_field", "metadata"),
        ({"description": "a\x00b"}, 400, "invalid_field", "description"),
        ({"description": "x" * 1001}, 400, "invalid_field", "description"),
    ],
)
def test_a_field_is_refused(
    change: dict[str, Any],
    status: int,
    code: str,
    param: str,
    api: Api,
    owner: psycopg.Connection[Any],
) -> None:
    method = api.card()
    before = counts(owner)
    body = {"amount": 100, "currency": "usd", "payment_method_id": method} | change
    reply = api.post("/v1/payments", body, key="k")
    error = reply.json["error"]
    assert (reply.status, error["code"], error["param"]) == (status, code, param)
    assert error["type"] == "invalid_request_error"
    assert error["request_id"] == reply.headers["request-id"]
    assert counts(owner) == before
    # The key is free again: the corrected request goes through with it.
    good = {"amount": 100, "currency": "usd", "payment_method_id": method}
    assert api.post("/v1/payments", good, key="k").status == 201


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        ("{", {}, 400, "malformed_json"),
        ("", {}, 400, "malformed_json"),
        ('{"amount": NaN}', {}, 400, "malformed_json"),
        ("[" * 100_000, {}, 400, "malformed_json"),
        ("[]", {}, 400, "invalid_field"),
        ("null", {}, 400, "invalid_field"),
        ('{"a":"' + "x" * 2_000_000 + '"}', {}, 413, "body_too_large"),
        ("{}", {"content-type": "text/plain"}, 415, "content_type_not_json"),
        ("{}", {"idempotency-key": ""}, 400, "idempotency_key_missing"),
        ("{}", {"idempotency-key": "x" * 256}, 400, "idempotency_key_invalid"),
        ("{}", {"authorization": ""}, 401, "api_key_missing"),
        ("{}", {"authorization": "Basic abc"}, 401, "api_key_missing"),
        ("{}", {"authorization": "Bearer sk_test_wrong"}, 401, "api_key_invalid"),
    ],
)
def test_a_request_is_refused(
    body: str,
    headers: dict[str, str],
    status: int,
    code: str,
    api: Api,
    owner: psycopg.Connection[Any],
) -> None:
    before = counts(owner)
    reply = api.post("/v1/payments", body, **{"idempotency-key": "k", **headers})
    assert (reply.status, reply.json["error"]["code"]) == (status, code)
    assert counts(owner) == before


_MALFORMED = ("malformed_json", None)


def _invalid(param: str) -> tuple[str, str]:
    return "invalid_field", param


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        # Two readers may each see another amount.
        ('"amount": 1', *_invalid("amount")),
        ('"amount": 100', *_invalid("amount")),
        ('"metadata": {"order": "1", "order": "2"}', *_invalid("order")),
        ('"metadata": {"a": {"b": 1, "\\u0062": 1}}', *_invalid("b")),
        ('"\\u0000": 1, "\\u0000": 2', *_invalid("…")),
        # Numbers that are no number of minor units.
        ('"quantity": NaN', *_MALFORMED),
        ('"quantity": -Infinity', *_MALFORMED),
        ('"quantity": 1' + "0" * 4_300, *_MALFORMED),
        ('"quantity": 01', *_MALFORMED),
        ('"quantity": +1', *_MALFORMED),
        ('"quantity": 0x1', *_MALFORMED),
        # What is no text, or none that can be kept.
        ('"description": "a\x01"', *_MALFORMED),
        (b'"description": "\xff"', *_MALFORMED),
        (b'"description": "\xed\xa0\x80"', *_MALFORMED),
        ('"description": "\\ud800"', *_invalid("description")),
        ('"description": "\\u0000"', *_invalid("description")),
        ('"metadata": {"a": "\\udfff"}', *_invalid("metadata.a")),
        ('"metadata": {"\\u0000": ""}', *_invalid("metadata.….[key]")),
        ('"metadata": {"\\ud800": ""}', *_invalid("metadata.….[key]")),
        ('"\\u0000": 1', *_invalid("…")),
        ('"\\ud800": 1', "invalid_field", None),
        ('"fx_quote_id": "fxq_\\u0000"', *_invalid("fx_quote_id")),
        ('"customer_id": "cus_\\ud800"', *_invalid("customer_id")),
        # More than anybody means.
        ('"' + "x" * 500_000 + '": 1', *_invalid("…")),
        ('"metadata": ' + '{"a":' * 900 + "1" + "}" * 900, *_invalid("metadata.a")),
        ('"metadata": ' + "[" * 50_000 + "]" * 50_000, *_MALFORMED),
        ('"metadata": ' + '{"a":' * 50_000 + "1" + "}" * 50_000, *_MALFORMED),
        ('"description": "a",', *_MALFORMED),
    ],
)
def test_a_body_that_another_reader_might_read_otherwise_is_refused(
    change: str | bytes,
    code: str,
    param: str | None,
    api: Api,
    owner: psycopg.Connection[Any],
) -> None:
    good = f'{{"amount": 100, "currency": "usd", "payment_method_id": "{api.card()}"'.encode()
    added = change if isinstance(change, bytes) else change.encode()
    before = counts(owner)
    reply = api.post("/v1/payments", good + b", " + added + b"}", key="k")
    error = reply.json["error"]
    assert (reply.status, error["code"], error.get("param")) == (400, code, param)
    assert counts(owner) == before
    assert api.post("/v1/payments", good + b"}", key="k").status == 201


@pytest.mark.parametrize("amount", ["1e400", "-1e400", "10.0", "1e2", "[1]", '{"a": 1}', '""'])
def test_an_amount_is_an_integer(amount: str, api: Api) -> None:
    body = f'{{"amount": {amount}, "currency": "usd", "payment_method_id": "pm_"}}'
    error = api.post("/v1/payments", body, key="k").json["error"]
    assert (error["code"], error["param"]) == ("invalid_field", "amount")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32-be", "latin-1"])
def test_a_body_is_utf_8(encoding: str, api: Api) -> None:
    body = {"amount": 100, "currency": "usd", "payment_method_id": api.card(), "description": "é"}
    text = json.dumps(body, ensure_ascii=False)
    reply = api.post("/v1/payments", text.encode(encoding), key="k")
    assert (reply.status, reply.json["error"]["code"]) == (400, "malformed_json")
    assert api.post("/v1/payments", text.encode(), key="k").status == 201


def test_anothers_objects_are_as_unknown_as_none(
    api: Api, new_merchant: Callable[..., NewMerchant], owner: psycopg.Connection[Any]
) -> None:
    other = Api(new_merchant())
    method = other.card()
    payment = other.pay(method, capture=False).json["id"]
    customer = other.customer()
    before = counts(owner)
    none = "txn_01k6n00000e008000000000001"
    assert api.get(f"/v1/payments/{payment}").status == 404
    known = api.post(f"/v1/payments/{payment}/capture")
    unknown = api.post(f"/v1/payments/{none}/capture")
    for reply in (known, unknown):
        reply.json["error"].pop("request_id")
    assert known.status == 404
    assert {**known.json["error"], "request_id": 0} == {**unknown.json["error"], "request_id": 0}
    assert api.get(f"/v1/customers/{customer}").status == 404
    card = {"number": "4242424242424242", "exp_month": 1, "exp_year": 2040}
    body = {"type": "card", "card": card}
    assert api.post(f"/v1/customers/{customer}/payment_methods", body).status == 404
    assert api.pay(method).json["error"]["param"] == "payment_method_id"
    assert counts(owner) == before


def test_a_suspended_merchant_is_refused_even_while_it_is_cached(
    api: Api, owner: psycopg.Connection[Any]
) -> None:
    from paywright.ids import parse_typeid

    method = api.card()
    owner.execute(
        "UPDATE merchants SET status = 'suspended' WHERE id = %s",
        [parse_typeid("mer", api.merchant.id)],
    )
    reply = api.pay(method)
    assert (reply.status, reply.json["error"]["code"]) == (403, "merchant_not_active")


@pytest.mark.parametrize(
    ("number", "code"),
    [("4242424242424241", "incorrect_number"), ("4242", None), ("4242-4242-4242-4242", None)],
)
def test_a_card_is_refused_without_being_repeated(
    number: str, code: str | None, api: Api, owner: psycopg.Connection[Any]
) -> None:
    customer = api.customer()
    card = {"number": number, "exp_month": 1, "exp_year": 2040}
    body = {"type": "card", "card": card}
    reply = api.post(f"/v1/customers/{customer}/payment_methods", body)
    assert reply.status in (400, 402)
    assert reply.json["error"].get("decline_code") == code
    assert number not in reply.text


def test_a_merchants_limit_is_kept(new_merchant: Callable[..., NewMerchant], api: Api) -> None:
    slow = Api(new_merchant(rate_limit_per_min=3))
    replies = [slow.get("/v1/merchants/me") for _ in range(4)]
    assert [reply.status for reply in replies] == [200, 200, 200, 429]
    assert replies[0].headers["ratelimit-remaining"] == "2"
    assert 1 <= int(replies[3].headers["retry-after"]) <= 60
    assert api.get("/v1/merchants/me").status == 200
    assert json.loads(replies[3].text)["error"]["type"] == "rate_limit_error"
