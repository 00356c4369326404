"""A merchant's objects are there for its own keys of the same mode alone, on every route there is.

The routes are those of docs/openapi.json: a new one fails here until it is said how to call it.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from paywright.clock import SystemClock, rfc3339
from paywright.ids import UuidSource, parse_typeid, typeid
from paywright.merchants.create import NewMerchant, new_api_key
from tests.api import Reply
from tests.conformance.openapi.contract import DOCUMENT, CheckedApi
from tests.refusals import contents

_PREFIXES = {
    "customers": "cus",
    "events": "evt",
    "fx/quotes": "fxq",
    "ledger/entries": "le",
    "payments": "txn",
    "refunds": "re",
    "webhook_deliveries": "whd",
    "webhook_endpoints": "whe",
}
_NAMED = {
    "customer_id": "cus",
    "event_id": "evt",
    "fx_quote_id": "fxq",
    "object_id": "txn",
    "payment_id": "txn",
    "payment_method_id": "pm",
    "webhook_endpoint_id": "whe",
}
_THEIR_OWN = {"external_id"}
"""Ids in a body that are the merchant's own words."""

_CARD = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}
_BODIES: dict[str, Any] = {
    "PATCH /v1/merchants/me": {"notifications": {"endpoint_disabled": False}},
    "PATCH /v1/webhook_endpoints/{id}": {"description": "taken over"},
    "POST /v1/customers/{id}/payment_methods": {"type": "card", "card": _CARD},
    "POST /v1/fx/quotes": {"from_currency": "eur"},
    "POST /v1/webhook_endpoints": {"url": "http://127.0.0.1:9/"},
    "POST /v1/webhook_endpoints/{id}/resend": {"since": rfc3339(datetime.now(UTC))},
}
_ROUTES = sorted(
    (method.upper(), path)
    for path, operations in DOCUMENT["paths"].items()
    for method in operations
    if method in {"get", "post", "patch", "put", "delete"}
)
_ERASES_LAST = sorted(_ROUTES, key=lambda route: route[0] == "DELETE")


@dataclass
class World:
    """A merchant with one of everything; `ids` are by prefix, `held` is a payment to capture."""

    api: CheckedApi
    ids: dict[str, str]
    held: str

    def path(self, path: str) -> str:
        """The path with the id of what there is at such a place."""
        if "{id}" not in path:
            return path
        return path.replace("{id}", self.ids[_PREFIXES[_resource(path)]])

    def body(self, method: str, path: str) -> Any:
        """A body that a request there can have."""
        if (method, path) == ("POST", "/v1/payments"):
            return {"amount": 100, "currency": "eur", "payment_method_id": self.ids["pm"]}
        return _BODIES.get(f"{method} {path}")

    def seen(self) -> dict[str, Any]:
        """All that the merchant reads."""
        return {
            path: self.api.get(self.path(path)).json
            for method, path in _ROUTES
            if method == "GET" and not path.endswith("/stats")  # they are of this moment
        }


@pytest.fixture
def world(new_api: Callable[..., CheckedApi], owner: psycopg.Connection[Any]) -> World:
    api = new_api(webhook_url="http://127.0.0.1:9/", allow_loopback=True)
    card = api.card()
    payment = api.pay(card, 5000).json
    api.post(f"/v1/payments/{payment['id']}/refund", {"amount": 100})
    held = api.pay(card, 5000, capture=False).json["id"]
    owner.execute(
        "INSERT INTO webhook_deliveries (merchant_id, id, livemode, event_id, endpoint_id, status,"
        " attempts, last_attempt_at, last_error, created_at)"
        " SELECT e.merchant_id, e.id, false, e.id, w.id, 'failed', 1, now(), 'no answer', now()"
        " FROM outbox e JOIN webhook_endpoints w USING (merchant_id)"
        " WHERE e.merchant_id = %s AND e.type = 'payment.captured'",
        [parse_typeid("mer", api.merchant.id)],
    )
    lists = {
        "evt": f"/v1/events?object_id={payment['id']}",
        "le": "/v1/ledger/entries",
        "re": f"/v1/payments/{payment['id']}/refunds",
        "whd": "/v1/webhook_deliveries",
        "whe": "/v1/webhook_endpoints",
    }
    ids = {prefix: api.get(path).json["data"][0]["id"] for prefix, path in lists.items()}
    ids |= {"txn": payment["id"], "cus": payment["customer_id"], "pm": card}
    ids["fxq"] = api.post("/v1/fx/quotes", {"from_currency": "eur"}).json["id"]
    return World(api, ids, held)


@pytest.fixture(params=["another merchant", "the other mode"])
def stranger(
    request: pytest.FixtureRequest,
    world: World,
    new_api: Callable[..., CheckedApi],
    owner: psycopg.Connection[Any],
) -> CheckedApi:
    """Who may see nothing of it."""
    if request.param == "another merchant":
        return new_api()
    key = new_api_key(livemode=True)
    owner.execute(
        "INSERT INTO api_keys (merchant_id, id, livemode, key_hash, last_four, created_at)"
        " VALUES (%s, %s, true, %s, %s, now())",
        [
            parse_typeid("mer", world.api.merchant.id),
            uuid.uuid4(),
            hashlib.sha256(key.encode()).digest(),
            key[-4:],
        ],
    )
    return CheckedApi(NewMerchant(world.api.merchant.id, key, None))


def test_every_route_that_names_an_object(
    world: World, stranger: CheckedApi, owner: psycopg.Connection[Any]
) -> None:
    before, rows = world.seen(), contents(owner)
    routes = [route for route in _ERASES_LAST if "{id}" in route[1]]
    assert len(routes) >= 19
    for method, path in routes:
        body = world.body(method, path)
        reply = send(stranger, method, world.path(path), body)
        prefix = _PREFIXES[_resource(path)]
        none = send(stranger, method, path.replace("{id}", typeid(prefix, uuid.uuid4())), body)
        assert _told(reply) == _told(none), (method, path)
        if not _no_processor(stranger, method, path):
            assert reply.json["error"]["code"] == "not_found", (method, path)
    assert contents(owner) == rows
    assert world.seen() == before
    for method, path in routes:
        reply = send(world.api, method, world.path(path), world.body(method, path))
        assert reply.status != 404, f"{method} {path} would be 404 for everybody"


def test_every_list(world: World, stranger: CheckedApi) -> None:
    lists = [path for method, path in _ROUTES if method == "GET" and "{id}" not in path]
    assert len(lists) >= 7
    for path in lists:
        for query in ("", *_queries(path, world)):
            reply = stranger.get(f"{path}?{query}")
            assert reply.status == 200, (path, query)
            theirs = [each["id"] for each in world.api.get(path).json.get("data", [])]
            seen = [each for each in (*theirs, *world.ids.values()) if each in reply.text]
            assert not seen, (path, query)
    (balance,) = stranger.get("/v1/balance").json["balances"]
    assert {amount for amount in balance.values() if isinstance(amount, int)} == {0}
    assert world.api.get("/v1/balance").json["balances"] != [balance]


def test_every_id_in_a_body(
    world: World, stranger: CheckedApi, owner: psycopg.Connection[Any]
) -> None:
    named = {
        (method, path, field)
        for method, path in _ROUTES
        for field in _fields(method, path)
        if field.endswith("_id") and field not in _THEIR_OWN
    }
    fields = {"payment_method_id", "customer_id", "fx_quote_id"}
    assert named == {("POST", "/v1/payments", field) for field in fields}
    own = _own_method(world, stranger, owner)
    rows = contents(owner)
    good = {"amount": 100, "currency": "eur", "payment_method_id": own}
    for field in fields:
        foreign = good | {field: world.ids[_NAMED[field]]}
        unknown = good | {field: typeid(_NAMED[field], uuid.uuid4())}
        reply, none = (send(stranger, "POST", "/v1/payments", body) for body in (foreign, unknown))
        assert (reply.status, reply.json["error"]["param"]) == (400, field)
        assert _told(reply) == _told(none)
    assert contents(owner) == rows


def test_a_key_that_was_revoked_and_is_still_cached(
    world: World, owner: psycopg.Connection[Any]
) -> None:
    key = [hashlib.sha256(world.api.merchant.api_key.encode()).digest()]
    before, rows = world.seen(), contents(owner)
    for method, path in _ROUTES:
        if method == "GET":
            continue
        for _ in range(2):
            assert world.api.get("/v1/merchants/me").status == 200
        owner.execute("UPDATE api_keys SET revoked_at = now() WHERE key_hash = %s", key)
        about = world.path(path)
        if path.endswith(("/capture", "/void")):
            about = path.replace("{id}", world.held)
        reply = send(world.api, method, about, world.body(method, path))
        assert _told(reply)[0] == 401, (method, path, reply.text)
        for reader, read in _ROUTES:
            if reader == "GET":
                assert world.api.get(world.path(read)).status == 401
        owner.execute("UPDATE api_keys SET revoked_at = NULL WHERE key_hash = %s", key)
    assert contents(owner) == rows
    assert world.seen() == before


def send(api: CheckedApi, method: str, path: str, body: Any) -> Reply:
    """A request, as new."""
    if method == "POST":
        return api.post(path, body, key=uuid.uuid4().hex)
    if method == "PATCH":
        return api.patch(path, body)
    return api.get(path) if method == "GET" else api.delete(path)


def _resource(path: str) -> str:
    return path.removeprefix("/v1/").partition("/{id}")[0]


def _told(reply: Reply) -> tuple[int, dict[str, Any]]:
    error = dict(reply.json.get("error", {}))
    error.pop("request_id", None)
    return reply.status, error


def _no_processor(api: CheckedApi, method: str, path: str) -> bool:
    """Live mode takes no cards yet, whosever customer it is."""
    is_live = api.merchant.api_key.startswith("sk_live")
    return is_live and (method, path) == ("POST", "/v1/customers/{id}/payment_methods")


def _queries(path: str, world: World) -> Iterator[str]:
    """Queries of a list by each id that it takes."""
    for each in DOCUMENT["paths"][path]["get"].get("parameters", []):
        name = each["name"]
        if name.endswith("_id"):
            yield f"{name}={world.ids[_NAMED[name]]}"
        elif name in ("starting_after", "ending_before"):
            yield f"{name}={world.ids[_PREFIXES[_resource(path)]]}"


def _fields(method: str, path: str) -> set[str]:
    """The fields of a route's body."""
    content = DOCUMENT["paths"][path][method.lower()].get("requestBody", {}).get("content", {})
    if not content:
        return set()
    name = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
    return set(DOCUMENT["components"]["schemas"][name].get("properties", {}))


def _own_method(world: World, stranger: CheckedApi, owner: psycopg.Connection[Any]) -> str:
    """A payment method that the stranger may use."""
    if stranger.merchant.id != world.api.merchant.id:
        return stranger.card()
    made = UuidSource(SystemClock()).new()
    owner.execute(
        "INSERT INTO payment_methods SELECT (jsonb_populate_record(m, jsonb_build_object("
        "'id', %s::uuid, 'livemode', true, 'customer_id', %s::uuid))).*"
        " FROM payment_methods m WHERE m.id = %s",
        [made, parse_typeid("cus", stranger.customer()), parse_typeid("pm", world.ids["pm"])],
    )
    return typeid("pm", made)
