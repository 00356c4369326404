"""Bank accounts as payment methods: what is refused, what is kept, and what is not."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from paywright.ids import parse_typeid
from tests.api import Api, Reply

AMERICAN = {
    "account_number": "000123456789",
    "routing_number": "110000000",
    "country": "US",
    "currency": "usd",
    "account_holder_name": "Augusta Ada King",
}
EUROPEAN = {
    "iban": "de89 3704 0044 0532 0130 00",
    "country": "DE",
    "currency": "eur",
    "account_holder_name": "Augusta Ada King",
}


def add(api: Api, account: dict[str, Any], **more: Any) -> Reply:
    path = f"/v1/customers/{api.customer()}/payment_methods"
    return api.post(path, {"type": "bank_account", "bank_account": account, **more}, key="once")


@pytest.mark.parametrize(
    ("account", "shown"),
    [
        (
            AMERICAN,
            {"bank_name": "TEST BANK", "country": "US", "currency": "usd", "last_four": "6789"},
        ),
        (
            EUROPEAN,
            {
                "bank_name": "TEST BANK GERMANY",
                "country": "DE",
                "currency": "eur",
                "last_four": "3000",
            },
        ),
        (
            EUROPEAN | {"iban": "MT84MALT011000012345MTLCAST001S", "country": "mt"},
            {"bank_name": None, "country": "MT", "currency": "eur", "last_four": "001S"},
        ),
    ],
)
def test_little_is_kept_of_an_account(
    account: dict[str, Any], shown: dict[str, Any], api: Api, owner: psycopg.Connection[Any]
) -> None:
    reply = add(api, account)
    assert reply.status == 201, reply.text
    assert reply.json["type"] == "bank_account"
    assert reply.json["bank_account"] == shown
    assert "card" not in reply.json
    row = owner.execute(
        "SELECT to_jsonb(m) FROM payment_methods m WHERE id = %s",
        [parse_typeid("pm", reply.json["id"])],
    ).fetchone()
    assert row is not None
    assert row[0]["processor"] == "bank_transfer"
    kept = {name: row[0][name] for name in shown}
    assert kept == shown
    number = str(account.get("iban") or account["account_number"]).replace(" ", "").upper()
    for text in (str(row[0]), reply.text):
        assert number not in text.upper()
        assert "Augusta" not in text


@pytest.mark.parametrize(
    ("account", "param"),
    [
        (AMERICAN | {"account_number": "123"}, "bank_account.account_number"),
        (AMERICAN | {"account_number": "12345x"}, "bank_account.account_number"),
        (AMERICAN | {"routing_number": "110000001"}, "bank_account.routing_number"),
        (AMERICAN | {"routing_number": "1100000001"}, "bank_account.routing_number"),
        (AMERICAN | {"routing_number": None}, "bank_account.routing_number"),
        (AMERICAN | {"country": "CA"}, "bank_account.country"),
        (AMERICAN | {"country": "USA"}, "bank_account.country"),
        (AMERICAN | {"currency": "eur"}, "bank_account.currency"),
        (AMERICAN | {"iban": EUROPEAN["iban"]}, "bank_account.iban"),
        (AMERICAN | {"account_holder_name": ""}, "bank_account.account_holder_name"),
        (AMERICAN | {"account_holder_name": None}, "bank_account.account_holder_name"),
        (AMERICAN | {"surprise": 1}, "bank_account.surprise"),
        (EUROPEAN | {"iban": "DE89370400440532013001"}, "bank_account.iban"),
        (EUROPEAN | {"iban": "US89370400440532013000"}, "bank_account.iban"),
        (EUROPEAN | {"country": "FR"}, "bank_account.country"),
        (EUROPEAN | {"currency": "chf"}, "bank_account.currency"),
        (EUROPEAN | {"routing_number": "110000000"}, "bank_account.routing_number"),
    ],
)
def test_what_is_wrong_with_an_account_is_said_without_its_number(
    account: dict[str, Any], param: str, api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    reply = add(api, account)
    error = reply.json["error"]
    assert (reply.status, error["code"], error["param"]) == (400, "invalid_field", param)
    for name in ("iban", "account_number"):
        if account.get(name):
            assert str(account[name]) not in reply.text
            assert str(account[name]) not in caplog.text
    assert add(api, AMERICAN).status == 201, "the key is free for the corrected request"


@pytest.mark.parametrize(
    ("account", "fields", "param"),
    [
        (AMERICAN, {"capture": False}, "capture"),
        (AMERICAN, {"capture_method": "manual_multiple"}, "capture"),
        (AMERICAN, {"currency": "eur"}, "currency"),
        (EUROPEAN, {"currency": "usd"}, "currency"),
    ],
)
def test_what_an_account_is_never_able_to_do_is_refused_before_anything_is_written(
    account: dict[str, Any],
    fields: dict[str, Any],
    param: str,
    api: Api,
    owner: psycopg.Connection[Any],
) -> None:
    method = add(api, account).json["id"]
    reply = api.pay(method, **{"currency": account["currency"], **fields})
    error = reply.json["error"]
    assert (reply.status, error["code"], error["param"]) == (400, "invalid_field", param)
    made = "SELECT count(*) FROM transactions WHERE payment_method_id = %s"
    assert owner.execute(made, [parse_typeid("pm", method)]).fetchone() == (0,)
    assert api.pay(method, currency=account["currency"].upper()).status == 201


def test_an_account_that_is_declined_is_no_card(api: Api, owner: psycopg.Connection[Any]) -> None:
    method = add(api, AMERICAN).json["id"]
    owner.execute(  # the bank has closed it
        "DELETE FROM simulator.bank_accounts WHERE token ="
        " (SELECT token_vault_ref FROM payment_methods WHERE id = %s)",
        [parse_typeid("pm", method)],
    )
    reply = api.pay(method)
    error = reply.json["error"]
    assert (reply.status, error["type"]) == (402, "invalid_request_error")
    assert (error["code"], error["decline_code"]) == (
        "payment_method_declined",
        "account_not_found",
    )
    assert "card" not in error["message"]
    failed = api.get(f"/v1/payments/{error['payment_id']}").json
    assert (failed["status"], failed["failure_code"]) == ("failed", "payment_method_declined")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"type": "bank_account"}, "bank_account"),
        ({"type": "bank_account", "card": {}}, "card.number"),
        ({"type": "card"}, "card"),
        ({"type": "card", "bank_account": AMERICAN}, "card"),
        ({"type": "cheque"}, "type"),
        ({"bank_account": AMERICAN}, "type"),
        (
            {
                "type": "bank_account",
                "bank_account": AMERICAN,
                "card": {"number": "4242424242424242", "exp_month": 1, "exp_year": 2040},
            },
            "card",
        ),
    ],
)
def test_the_type_names_what_comes_with_it(body: dict[str, Any], param: str, api: Api) -> None:
    reply = api.post(f"/v1/customers/{api.customer()}/payment_methods", body)
    error = reply.json["error"]
    assert (reply.status, error["code"], error["param"]) == (400, "invalid_field", param)


def test_a_card_and_an_account_are_one_customers(api: Api) -> None:
    path = f"/v1/customers/{api.customer()}/payment_methods"
    first = api.post(path, {"type": "bank_account", "bank_account": AMERICAN})
    card = {"number": "4242424242424242", "exp_month": 1, "exp_year": 2040}
    second = api.post(path, {"type": "card", "card": card})
    assert (first.json["is_default"], second.json["is_default"]) == (True, False)
    assert second.json["card"]["last_four"] == "4242"
    assert "bank_account" not in second.json
