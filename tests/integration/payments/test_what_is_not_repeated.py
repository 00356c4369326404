"""A card's number may stand anywhere in a request: afterwards it is in no answer, row or log."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
import redis

from paywright.errors import InvalidField
from paywright.ids import parse_typeid
from paywright.wiring import Platform
from tests.api import Api, Reply
from tests.card_numbers import found_in, in_database, in_valkey
from tests.refusals import refusals

NUMBER = "5200828282828210"
GROUPED = "5200 8282 8282 8210"
SENT = (NUMBER, GROUPED)
CARD = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}
METHOD = {"type": "card", "card": CARD}
MADE = "/v1/webhook_endpoints"


def _unseen(reply: Reply, owner: psycopg.Connection[Any], valkey_url: str, logged: str) -> None:
    said = f"{reply.text} {reply.headers} {logged}"
    with redis.Redis.from_url(valkey_url) as client:
        found = in_database(owner, SENT) | in_valkey(client, SENT) | found_in(said, SENT)
    assert not {place for place in found if place.endswith("that ends in 8210")}


@pytest.mark.parametrize("name", [NUMBER, GROUPED, "073", "a\x00", "x" * 900_000, "é"])
@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/payments", lambda name: {name: 1, "amount": 1}, "…"),
        ("methods", lambda name: {**METHOD, "card": {**CARD, name: "x"}}, "card.…"),
        ("methods", lambda name: {**METHOD, name: NUMBER}, "…"),
        ("/v1/customers", lambda name: {"metadata": {name: 5}}, "metadata.…"),
    ],
)
def test_the_name_of_a_field(
    path: str,
    body: Callable[[str], dict[str, Any]],
    param: str,
    name: str,
    api: Api,
    owner: psycopg.Connection[Any],
    valkey_url: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if path == "methods":
        path = f"/v1/customers/{api.customer()}/payment_methods"
    content = body(name)
    if path == "/v1/payments":
        content |= {"currency": "usd", "payment_method_id": "pm_01kaqd0a3he8t9x5m2w7n4b6qc"}
    reply = api.post(path, content, key="k")
    error = reply.json["error"]
    assert (reply.status, error["code"]) == (400, "invalid_field")
    assert error["param"].removesuffix(".[key]") == param
    assert len(reply.text) < 500
    noted = owner.execute(
        "SELECT changes->>'param', pg_column_size(changes) FROM audit_log"
        " WHERE action = 'request_refused' AND merchant_id = %s ORDER BY id DESC LIMIT 1",
        [parse_typeid("mer", api.merchant.id)],
    ).fetchone()
    assert noted is not None
    assert noted[0] == error["param"]
    assert noted[1] < 300
    _unseen(reply, owner, valkey_url, "".join(capsys.readouterr()))


@pytest.mark.parametrize("written", [NUMBER, f"card {GROUPED}!"])
@pytest.mark.parametrize(
    ("path", "field", "body"),
    [
        ("/v1/payments", "description", lambda text: {"description": text}),
        ("/v1/payments", "metadata.order", lambda text: {"metadata": {"order": text}}),
        ("/v1/payments", "metadata.….[key]", lambda text: {"metadata": {text: "order"}}),
        ("refund", "metadata.order", lambda text: {"metadata": {"order": text}}),
        ("/v1/customers", "external_id", lambda text: {"external_id": text}),
        ("/v1/customers", "name", lambda text: {"name": text}),
        ("/v1/customers", "email", lambda text: {"email": f"{text}@example.com"}),
        ("/v1/customers", "metadata.order", lambda text: {"metadata": {"order": text}}),
        (MADE, "description", lambda text: {"url": "https://a.example.com", "description": text}),
        (MADE, "url", lambda text: {"url": f"https://a.example.com/?card={text}"}),
        ("/v1/merchants/me", "webhook_url", lambda text: {"webhook_url": f"https://a.b/{text}"}),
        (
            "/v1/merchants/me",
            "notifications.email",
            lambda text: {"notifications": {"email": f"{text}@example.com"}},
        ),
    ],
)
def test_what_a_field_says(
    path: str,
    field: str,
    body: Callable[[str], dict[str, Any]],
    written: str,
    api: Api,
    owner: psycopg.Connection[Any],
    valkey_url: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    content = body(written)
    if path == "/v1/payments":
        content |= {"amount": 100, "currency": "usd", "payment_method_id": api.card()}
    if path == "refund":
        path = f"/v1/payments/{api.pay(api.card()).json['id']}/refund"
    change = path == "/v1/merchants/me"
    reply = api.patch(path, content) if change else api.post(path, content, key="k")
    error = reply.json["error"]
    assert (reply.status, error["code"], error["param"]) == (400, "invalid_field", field)
    assert "the number of a card" in error["message"]
    _unseen(reply, owner, valkey_url, "".join(capsys.readouterr()))


@pytest.mark.parametrize("valkey", ["there", "forgetful"])
@pytest.mark.parametrize("key", [NUMBER, f"order {GROUPED} 12/27"])
@pytest.mark.parametrize("path", ["/v1/payments", "capture", "/v1/customers"])
def test_an_idempotency_key(
    path: str,
    key: str,
    valkey: str,
    api: Api,
    platform: Platform,
    owner: psycopg.Connection[Any],
    valkey_url: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    body: dict[str, Any] = {"name": "Ada"}
    other: dict[str, Any] = {"name": "Eve"}
    if path != "/v1/customers":
        other = {"amount": 50}
    if path == "/v1/payments":
        body = {"amount": 100, "currency": "usd", "payment_method_id": api.card()}
    if path == "capture":
        held = api.pay(api.card(), capture=False).json["id"]
        path, body = f"/v1/payments/{held}/capture", {}
    first = api.post(path, body, key=key)
    if valkey == "forgetful":
        platform.cache.send(("FLUSHDB",))
    again = api.post(path, body, key=key)
    another = api.post(path, body | other, key=key)
    beside = api.post("/v1/customers", {"name": "Bea"}, key=f"{key} 2")

    assert first.status in {200, 201}
    assert (again.status, again.text) == (first.status, first.text)
    assert again.headers["idempotent-replayed"] == "true"
    assert (another.status, another.json["error"]["type"]) == (400, "idempotency_error")
    assert beside.status == 201
    kept = owner.execute(
        "SELECT key FROM idempotency_keys WHERE merchant_id = %s ORDER BY key",
        [parse_typeid("mer", api.merchant.id)],
    ).fetchall()
    assert len([name for (name,) in kept if re.fullmatch("hmac-sha256:[0-9a-f]{64}", name)]) == 2
    logged = "".join(capsys.readouterr())
    for reply in (first, again, another, beside):
        _unseen(reply, owner, valkey_url, logged)


def test_an_idempotency_key_that_is_refused(
    api: Api,
    owner: psycopg.Connection[Any],
    valkey_url: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for key in (NUMBER, NUMBER * 16):
        reply = api.post("/v1/payments", {}, key=key)
        assert reply.status == 400
        _unseen(reply, owner, valkey_url, "".join(capsys.readouterr()))


def test_the_user_agent(
    api: Api,
    owner: psycopg.Connection[Any],
    valkey_url: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    agents = {"user-agent": f"shop/1.0 ({NUMBER}; {GROUPED})"}
    body = {"amount": 100, "currency": "usd", "payment_method_id": api.card()}
    for number, status in ((100, 201), (-1, 400)):
        reply = api.post("/v1/payments", body | {"amount": number}, key=f"k{number}", **agents)
        assert reply.status == status
        shown = owner.execute(
            "SELECT user_agent FROM audit_log WHERE merchant_id = %s ORDER BY id DESC LIMIT 1",
            [parse_typeid("mer", api.merchant.id)],
        )
        assert shown.fetchone() == ("shop/1.0 (************8210; ************8210)",)
    assert refusals(owner, api.merchant.id)[-1]["param"] == "amount"
    logged = "".join(capsys.readouterr())
    assert not found_in(logged + reply.text, SENT)


@pytest.mark.parametrize(
    "query",
    [f"{NUMBER}=1", "5200+8282+8282+8210=1", f"limit={NUMBER}", f"status={NUMBER}", "073=1"],
)
@pytest.mark.parametrize("path", ["/v1/payments", "/v1/events", "/v1/balance"])
def test_a_query(
    path: str,
    query: str,
    api: Api,
    owner: psycopg.Connection[Any],
    valkey_url: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    reply = api.get(f"{path}?{query}")
    assert (reply.status, reply.json["error"]["code"]) == (400, "invalid_field")
    assert "073" not in reply.text.replace(reply.json["error"]["request_id"], "")
    _unseen(reply, owner, valkey_url, "".join(capsys.readouterr()))


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": NUMBER},
        {"authorization": f"Bearer {NUMBER}"},
        {"authorization": NUMBER},
        {"traceparent": NUMBER},
        {"x-amzn-trace-id": f"Root={NUMBER}"},
    ],
)
def test_other_headers(
    headers: dict[str, str],
    api: Api,
    owner: psycopg.Connection[Any],
    valkey_url: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    reply = api.post("/v1/customers", {}, **headers)
    _unseen(reply, owner, valkey_url, "".join(capsys.readouterr()))


@pytest.mark.parametrize("field", ["name", "email", "webhook_url"])
def test_a_new_merchant(field: str, new_merchant: Callable[..., Any]) -> None:
    written = {
        "name": NUMBER,
        "email": f"{NUMBER}@a.example",
        "webhook_url": f"https://a.b/{NUMBER}",
    }
    with pytest.raises(InvalidField) as caught:
        new_merchant(**{field: written[field]})
    assert caught.value.param == field
    assert NUMBER not in caught.value.message
