"""A caller that an environment remembers counts only as long as Valkey says the same of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from paywright.errors import ApiKeyInvalid, IdempotencyKeyMissing
from paywright.http.callers import key_digest
from paywright.http.messages import Request
from paywright.merchants.create import NewMerchant
from paywright.payments.models import Answer, Caller
from paywright.wiring import Platform
from tests.api import Api


def _request(merchant: NewMerchant, key: str | None) -> Request:
    headers = {"authorization": f"Bearer {merchant.api_key}"}
    if key is not None:
        headers["idempotency-key"] = key
    return Request("POST", "/v1/payments", headers, b"{}", "request", None)


@pytest.fixture
def merchant(new_merchant: Callable[..., NewMerchant], platform: Platform) -> NewMerchant:
    """One that was here twice: found in PostgreSQL, then remembered from Valkey."""
    merchant = new_merchant()
    for key in ("a", "b"):
        _serve(platform, _request(merchant, key))
    return merchant


def _serve(platform: Platform, request: Request) -> Caller:
    callers = []

    def service(caller: Caller, _context: object) -> Answer:
        callers.append(caller)
        return Answer(200, "{}")

    platform.gate.serve(request, service, key_required=True)
    return callers[0]


def _forget(platform: Platform, request: Request) -> None:
    platform.cache.send(("DEL", platform.cache.key("caller", key_digest(request).hex())))


def test_the_same_caller_is_let_in(merchant: NewMerchant, platform: Platform) -> None:
    first, again = (_serve(platform, _request(merchant, key)) for key in ("c", "d"))
    assert first is again


def test_a_revoked_key_is_refused_at_once(
    merchant: NewMerchant, platform: Platform, owner: psycopg.Connection[Any]
) -> None:
    request = _request(merchant, "c")
    _serve(platform, request)
    owner.execute("UPDATE api_keys SET revoked_at = now()")
    _forget(platform, request)
    with pytest.raises(ApiKeyInvalid):
        _serve(platform, _request(merchant, "d"))
    with pytest.raises(ApiKeyInvalid):
        _serve(platform, _request(merchant, None))


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ("UPDATE api_keys SET revoked_at = now()", (401, "api_key_invalid")),
        ("UPDATE merchants SET status = 'suspended'", (403, "merchant_not_active")),
        ("UPDATE merchants SET status = 'closed'", (403, "merchant_not_active")),
        (
            "UPDATE api_keys SET revoked_at = now(); UPDATE merchants SET status = 'closed'",
            (401, "api_key_invalid"),
        ),
    ],
)
def test_whatever_writes_finds_out_and_is_believed(
    change: str, outcome: tuple[int, str], api: Api, owner: psycopg.Connection[Any]
) -> None:
    held = api.pay(api.card(), capture=False).json["id"]
    api.get("/v1/merchants/me")
    owner.execute(change.encode())
    try:
        seen = [
            api.post(f"/v1/payments/{held}/capture", {}, key="k"),
            api.get("/v1/merchants/me"),
            api.post(f"/v1/payments/{held}/capture", {}, key="k"),
        ]
    finally:
        owner.execute("UPDATE merchants SET status = 'active'")
    assert [(reply.status, reply.json["error"]["code"]) for reply in seen] == [outcome] * 3


def test_a_change_is_seen_at_once_and_no_lock_is_left(
    merchant: NewMerchant, platform: Platform, owner: psycopg.Connection[Any]
) -> None:
    request = _request(merchant, "c")
    assert _serve(platform, request).rate_limit_per_min is None
    owner.execute("UPDATE merchants SET rate_limit_per_min = 77")
    _forget(platform, request)
    assert _serve(platform, _request(merchant, "d")).rate_limit_per_min == 77


def test_a_request_without_its_key_is_told_so(merchant: NewMerchant, platform: Platform) -> None:
    _serve(platform, _request(merchant, "c"))
    with pytest.raises(IdempotencyKeyMissing):
        _serve(platform, _request(merchant, None))
