"""One effect for each key, with Valkey and without."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
import redis

from paywright import wiring
from paywright.http.admission import fingerprint_key
from paywright.http.messages import Request
from paywright.merchants.create import NewMerchant
from paywright.settings import Settings
from paywright.wiring import Platform
from tests.api import Api
from tests.platform import PII_KEY
from tests.valkey_proxy import valkey_proxy
from tests.waiting import until

_SOON_MS = 250
"""Valkey is away after it, where a test makes it late."""


def payments(owner: psycopg.Connection[Any]) -> int:
    row = owner.execute("SELECT count(*) FROM transactions").fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture(params=["with Valkey", "without Valkey"])
def any_api(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    app_database_url: str,
    new_merchant: Callable[..., NewMerchant],
) -> Api:
    request.getfixturevalue("settings")
    if request.param == "without Valkey":
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            monkeypatch.setenv("VALKEY_URL", f"redis://127.0.0.1:{probe.getsockname()[1]}/0")
    request.getfixturevalue("platform")
    return Api(new_merchant())


def test_an_answer_is_replayed_byte_for_byte(any_api: Api, owner: psycopg.Connection[Any]) -> None:
    body = {"amount": 100, "currency": "usd", "payment_method_id": any_api.card()}
    first = any_api.post("/v1/payments", body, key="k")
    before = payments(owner)
    again = any_api.post("/v1/payments", body, key="k")
    assert (first.status, again.status) == (201, 201)
    assert again.text == first.text
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert payments(owner) == before


def test_a_key_with_another_body_is_an_error(any_api: Api) -> None:
    body = {"amount": 100, "currency": "usd", "payment_method_id": any_api.card()}
    any_api.post("/v1/payments", body, key="k")
    other = any_api.post("/v1/payments", {**body, "amount": 101}, key="k")
    assert (other.status, other.json["error"]["type"]) == (400, "idempotency_error")


def test_a_body_in_another_order_is_the_same_request(any_api: Api) -> None:
    body = {"amount": 100, "currency": "usd", "metadata": {"a": "1", "b": "2"}}
    body["payment_method_id"] = any_api.card()
    first = any_api.post("/v1/payments", body, key="k")
    body["metadata"] = {"b": "2", "a": "1"}
    again = any_api.post(
        "/v1/payments", json.dumps(dict(reversed(body.items())), indent=1), key="k"
    )
    assert (first.status, again.status, again.text) == (201, 201, first.text)
    assert again.headers["idempotent-replayed"] == "true"


def test_a_key_with_another_path_is_an_error(any_api: Api) -> None:
    card = any_api.card()
    one, two = (any_api.pay(card, 500, capture=False).json["id"] for _ in range(2))
    assert any_api.post(f"/v1/payments/{one}/capture", {}, key="k").status == 200
    for path in (f"/v1/payments/{two}/capture", f"/v1/payments/{two}/void"):
        other = any_api.post(path, {}, key="k")
        assert (other.status, other.json["error"]["code"]) == (400, "idempotency_key_reused")
    assert any_api.get(f"/v1/payments/{two}").json["status"] == "authorized"


def test_a_card_cannot_be_guessed_from_what_is_kept_of_its_request(
    api: Api, platform: Platform, owner: psycopg.Connection[Any]
) -> None:
    """Without the key, the digest of each card that one tries says nothing."""
    card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}
    body = {"type": "card", "card": card}
    path = f"/v1/customers/{api.customer()}/payment_methods"
    assert api.post(path, body, key="guess").status == 201
    request = Request("POST", path, {}, json.dumps(body).encode(), "r", None)
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    plain = hashlib.sha256(f"POST {path}\n{canonical}".encode()).digest()
    row = owner.execute("SELECT fingerprint FROM idempotency_keys WHERE key = 'guess'").fetchone()
    assert row is not None
    assert row[0] == request.fingerprint(fingerprint_key(PII_KEY))
    assert row[0] not in {plain, request.fingerprint(b""), request.fingerprint(PII_KEY.encode())}
    names = platform.cache.send(("KEYS", "*:idempotency:*"))[0]
    cached = b" ".join(platform.cache.get(name.decode()) or b"" for name in names)
    assert base64.b64encode(row[0]) in cached
    assert base64.b64encode(plain) not in cached


def test_keys_are_each_merchants_own(api: Api, new_merchant: Callable[..., NewMerchant]) -> None:
    other = Api(new_merchant())
    one = {"amount": 100, "currency": "usd", "payment_method_id": api.card()}
    two = {"amount": 100, "currency": "usd", "payment_method_id": other.card()}
    first = api.post("/v1/payments", one, key="same")
    second = other.post("/v1/payments", two, key="same")
    assert (first.status, second.status) == (201, 201)
    assert first.json["id"] != second.json["id"]


def test_a_customer_is_created_once_for_a_key(any_api: Api) -> None:
    one = any_api.post("/v1/customers", {"external_id": "c1"}, key="k")
    two = any_api.post("/v1/customers", {"external_id": "c1"}, key="k")
    assert (one.status, two.status) == (201, 201)
    assert one.text == two.text
    three = any_api.post("/v1/customers", {"external_id": "c1"})
    assert (three.status, three.json["error"]["code"]) == (409, "customer_exists")


def test_a_capture_is_replayed(any_api: Api) -> None:
    held = any_api.pay(any_api.card(), 500, capture=False).json
    path = f"/v1/payments/{held['id']}/capture"
    first = any_api.post(path, {}, key="c")
    again = any_api.post(path, {}, key="c")
    assert (first.status, again.status) == (200, 200)
    assert again.text == first.text


def test_a_lock_that_was_told_of_too_late_keeps_no_retry_out(
    settings: Settings,
    valkey_url: str,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    with valkey_proxy(valkey_url) as proxy, redis.Redis.from_url(valkey_url) as valkey:
        monkeypatch.setenv("VALKEY_URL", proxy.url)
        monkeypatch.setenv("VALKEY_TIMEOUT_MS", str(_SOON_MS))
        request.getfixturevalue("platform")
        api: Api = request.getfixturevalue("api")
        body = {"amount": 1, "currency": "usd", "payment_method_id": api.card("4000000000000002")}
        locks = "*:idempotency:*:lock"
        assert valkey.keys(locks) == []
        proxy.needle, proxy.late_s = b":idempotency:", _SOON_MS / 1000 * 2
        first = api.post("/v1/payments", body, key="late")
        proxy.needle = None
        assert proxy.late == 1, "the lock was taken, and the database asked instead"
        assert first.json["error"]["code"] == "card_declined"
        # Left alone it would be there for 30 s.
        until(lambda: valkey.keys(locks) == [], "the end of the lock", within_s=20)
        again = api.post("/v1/payments", body, key="late")
        assert again.json["error"]["code"] == "card_declined"


@pytest.mark.parametrize("with_valkey", [True, False])
def test_parallel_requests_with_one_key_charge_once(
    with_valkey: bool,
    api: Api,
    owner: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Each thread has a platform of its own, as each execution environment has.
    body = f'{{"amount":100,"currency":"usd","payment_method_id":"{api.card()}"}}'
    if not with_valkey:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            monkeypatch.setenv("VALKEY_URL", f"redis://127.0.0.1:{probe.getsockname()[1]}/0")
    before = payments(owner)

    def attempt(number: int) -> tuple[int, str]:
        from paywright.errors import PaywrightError
        from paywright.http.messages import money_of
        from paywright.ids import parse_typeid
        from paywright.payments.authorize import Authorize, authorize
        from paywright.payments.states import CaptureMethod

        platform = wiring.assemble(Settings())
        request = Request(
            "POST",
            "/v1/payments",
            {"authorization": f"Bearer {api.merchant.api_key}", "idempotency-key": "one"},
            body.encode(),
            f"r{number}",
            None,
        )
        method = parse_typeid("pm", request.document["payment_method_id"])
        assert method is not None
        wanted = Authorize(
            money_of(100, "usd"), method, None, CaptureMethod.AUTOMATIC, False, None, {}
        )
        try:
            reply = platform.gate.serve(
                request,
                lambda caller, context: authorize(platform.payments, caller, wanted, context),
                key_required=True,
            )
            return reply.status, reply.body
        except PaywrightError as error:
            return type(error).status, error.code
        finally:
            platform.database.close()
            platform.cache.close()

    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(attempt, range(32)))
    assert payments(owner) - before == 1
    assert {status for status, _ in replies} <= {201, 409}
    assert len({text for status, text in replies if status == 201}) == 1
