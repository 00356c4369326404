"""What the functions answer is what docs/openapi.json says: `api` checks every answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from paywright import wiring
from paywright.http.messages import Request
from paywright.ids import parse_typeid
from paywright.ledger.sequencer import Sequencer
from paywright.payments.models import Answer
from paywright.processors.test_cards import SCENARIOS
from paywright.webhooks.endpoints import MAX_ENDPOINTS
from paywright.wiring import Platform
from tests.api import Reply
from tests.conformance.openapi.contract import ROOT, CheckedApi, check

NO_PAYMENT = "txn_01k6n00000e008000000000001"
NO_CUSTOMER = "cus_01k6n00000e008000000000001"
CARD = {"type": "card", "card": {"number": "4242424242424242", "exp_month": 1, "exp_year": 2040}}
NewApi = Callable[..., CheckedApi]


def outcome(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.json["error"]["code"]


def test_objects(new_api: NewApi) -> None:
    api = new_api(webhook_url="https://shop.example.com/webhooks")
    assert api.get("/v1/merchants/me").status == 200
    fields = {"external_id": "u1", "name": "Ada", "email": "a@example.com", "metadata": {"a": "b"}}
    full, empty = api.post("/v1/customers", fields), api.post("/v1/customers")
    assert (full.status, empty.status) == (201, 201)
    for created in (full, empty):
        assert api.get(f"/v1/customers/{created.json['id']}").status == 200


@pytest.mark.parametrize(
    ("number", "fields", "status"),
    [
        ("4242424242424242", {"description": "Order", "metadata": {"a": "b"}}, "captured"),
        ("4242424242424242", {"capture": False}, "authorized"),
        ("4242424242424242", {"currency": "JPY"}, "captured"),
        ("4000000000003006", {}, "pending"),
    ],
)
def test_payments(number: str, fields: dict[str, Any], status: str, api: CheckedApi) -> None:
    reply = api.pay(api.card(number), 5000, **fields)
    assert (reply.status, reply.json["status"]) == (201, status)
    path = f"/v1/payments/{reply.json['id']}"
    assert api.get(path).status == 200
    if status == "authorized":
        assert api.post(f"{path}/capture", {"amount": 3000}).status == 200


def test_lists_and_balances(api: CheckedApi, platform: Platform) -> None:
    payment = api.pay(api.card(), 5000).json
    assert api.get("/v1/payments?limit=1&status=captured").json["data"] == [payment]
    for _ in range(2):
        assert len(api.get(f"/v1/ledger/entries?payment_id={payment['id']}").json["data"]) == 2
        assert api.get("/v1/balance").json["balances"][0]["available"] == 4855
        Sequencer(platform.database, platform.clock).run_once()
    assert api.get("/v1/balance?as_of=2026-01-01T00:00:00Z").status == 200
    for path in ("/v1/payments", "/v1/ledger/entries", "/v1/balance"):
        assert outcome(api.get(f"{path}?surprise=1")) == (400, "invalid_field")
    for path in ("/v1/payments", "/v1/ledger/entries"):
        assert outcome(api.get(f"{path}?currency=xyz")) == (400, "unknown_currency")


def test_webhook_endpoints(api: CheckedApi) -> None:
    path, url = "/v1/webhook_endpoints", "http://127.0.0.1:9/"
    created = api.post(path, {"url": url, "event_types": ["payment.*"], "description": "Desk"})
    assert created.status == 201
    one = f"{path}/{created.json['id']}"
    assert api.post(f"{one}/test").status == 201
    assert api.post(f"{one}/rotate_secret").status == 200
    assert api.get(path).json["data"][0]["previous_secret_expires_at"] is not None
    assert api.patch(one, {"enabled": False}).json["disabled_at"] is not None
    assert outcome(api.post(f"{one}/test")) == (409, "webhook_endpoint_disabled")
    for refused in (
        api.post(path, {"url": "ftp://example.com"}),
        api.patch(one, {"event_types": []}),
        api.get(f"{path}?enabled=1"),
        api.patch("/v1/merchants/me", {"webhook_url": "ftp://example.com"}),
    ):
        assert outcome(refused) == (400, "invalid_field")
    assert api.get(f"{one}/stats").json["last_error"] is None
    assert (api.get(one).status, api.delete(one).status) == (200, 200)
    for gone in (api.get(one), api.patch(one, {}), api.delete(one), api.post(f"{one}/test")):
        assert outcome(gone) == (404, "not_found")
    assert "webhook_secret" in api.patch("/v1/merchants/me", {"webhook_url": url}).json
    for _ in range(MAX_ENDPOINTS - 1):
        assert api.post(path, {"url": url}).status == 201
    assert outcome(api.post(path, {"url": url})) == (409, "webhook_endpoint_limit_reached")


def test_events(api: CheckedApi) -> None:
    payment = api.pay(api.card(), 5000).json
    api.post(f"/v1/payments/{payment['id']}/refund", {})
    page = api.get("/v1/events?type=refund.*&limit=1").json
    assert [each["type"] for each in page["data"]] == ["refund.succeeded"]
    (event,) = api.get(f"/v1/events?object_id={payment['id']}").json["data"]
    assert api.get(f"/v1/events/{event['id']}").json == event
    assert outcome(api.get("/v1/events/evt_01k6n00000e008000000000001")) == (404, "not_found")
    assert outcome(api.get("/v1/events?type=refund")) == (400, "invalid_field")


def test_webhook_deliveries(
    new_api: NewApi, platform: Platform, owner: psycopg.Connection[Any]
) -> None:
    api = new_api(webhook_url="http://127.0.0.1:9/", allow_loopback=True)
    api.pay(api.card(), 5000)
    merchant_id = parse_typeid("mer", api.merchant.id)
    owner.execute(
        "WITH new AS (INSERT INTO webhook_deliveries (merchant_id, id, livemode, event_id,"
        " endpoint_id, status, attempts, last_attempt_at, last_error, created_at)"
        " SELECT e.merchant_id, e.id, false, e.id, w.id, 'failed', 1, now(), 'no answer', now()"
        " FROM outbox e JOIN webhook_endpoints w USING (merchant_id)"
        " WHERE e.merchant_id = %s AND e.type = 'payment.captured'"
        " RETURNING *) INSERT INTO webhook_attempts (merchant_id, delivery_id, number,"
        " endpoint_id, at, error, duration_ms)"
        " SELECT merchant_id, id, 1, endpoint_id, now(), 'no answer', 10 FROM new",
        [merchant_id],
    )
    path = "/v1/webhook_deliveries"
    (delivery,) = api.get(f"{path}?status=failed").json["data"]
    one, endpoint = f"{path}/{delivery['id']}", delivery["webhook_endpoint_id"]
    assert api.get(one).json == delivery
    assert len(api.get(f"{one}/attempts").json["data"]) == 1
    all_failed = f"/v1/webhook_endpoints/{endpoint}/resend"
    since = {"since": delivery["created_at"]}
    owner.execute(
        "INSERT INTO events SELECT merchant_id, id, livemode, type, object_id, sequence, payload,"
        " created_at, now() FROM outbox WHERE merchant_id = %s",
        [merchant_id],
    )
    assert api.post(all_failed, since).json["resent"] == 1
    assert api.post(f"{one}/resend").json["status"] == "pending"
    owner.execute("DELETE FROM webhook_waiting")
    owner.execute("DELETE FROM outbox WHERE merchant_id = %s", [merchant_id])
    owner.execute("DELETE FROM events WHERE merchant_id = %s", [merchant_id])
    assert outcome(api.post(f"{one}/resend")) == (409, "event_not_kept")
    for refused in (api.post(all_failed, {"since": 1}), api.get(f"{path}?status=lost")):
        assert outcome(refused) == (400, "invalid_field")
    api.patch(f"/v1/webhook_endpoints/{endpoint}", {"enabled": False})
    for refused in (api.post(all_failed, since), api.post(f"{one}/resend")):
        assert outcome(refused) == (409, "webhook_endpoint_disabled")
    missing = f"{path}/whd_01k6n00000e008000000000001"
    for gone in (api.get(missing), api.get(f"{missing}/attempts"), api.post(f"{missing}/resend")):
        assert outcome(gone) == (404, "not_found")


def test_a_replay(api: CheckedApi) -> None:
    for _ in range(2):
        reply = api.post("/v1/customers", {}, key="k")
    assert (reply.status, reply.headers["idempotent-replayed"]) == (201, "true")
    assert outcome(api.post("/v1/customers", {"name": "B"}, key="k"))[1] == "idempotency_key_reused"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/payments",
        f"/v1/payments/{NO_PAYMENT}/capture",
        "/v1/customers",
        f"/v1/customers/{NO_CUSTOMER}/payment_methods",
        "/v1/fx/quotes",
    ],
)
@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        ("{", {}, (400, "malformed_json")),
        ('{"surprise": 1}', {}, (400, "invalid_field")),
        ("{}", {"idempotency-key": "x" * 256}, (400, "idempotency_key_invalid")),
        ("{}", {"authorization": ""}, (401, "api_key_missing")),
        ("{}", {"authorization": "Bearer sk_test_wrong"}, (401, "api_key_invalid")),
        ('{"a":"' + "x" * 1_000_000 + '"}', {}, (413, "body_too_large")),
        ("{}", {"content-type": "text/plain"}, (415, "content_type_not_json")),
    ],
)
def test_bad_requests(
    path: str, body: str, headers: dict[str, str], expected: tuple[int, str], api: CheckedApi
) -> None:
    assert outcome(api.post(path, body, **{"idempotency-key": "k", **headers})) == expected


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"amount": 0}, "amount_out_of_range"),
        ({"currency": "xyz"}, "unknown_currency"),
        ({"payment_method_id": "pm_nonsense"}, "invalid_field"),
    ],
)
def test_bad_payments(fields: dict[str, Any], code: str, api: CheckedApi) -> None:
    body = {"amount": 100, "currency": "usd", "payment_method_id": "pm_01k6n00000e008000000000001"}
    assert outcome(api.post("/v1/payments", body | fields, key="k")) == (400, code)
    missing = api.post("/v1/payments", body | fields)
    assert outcome(missing) == (400, "idempotency_key_missing")


def test_quotes(api: CheckedApi) -> None:
    for fields in ({}, {"to_currency": "KRW", "lock_s": 1}):
        made = api.post("/v1/fx/quotes", {"from_currency": "jpy", **fields})
        assert made.status == 201
        assert api.get(f"/v1/fx/quotes/{made.json['id']}").status == 200
    assert outcome(api.get("/v1/fx/quotes/fxq_x")) == (404, "not_found")
    unknown = api.post("/v1/fx/quotes", {"from_currency": "xau"})
    assert outcome(unknown) == (400, "unknown_currency")
    without = api.post("/v1/fx/quotes", {"from_currency": "kwd"})
    assert outcome(without) == (503, "fx_rate_unavailable")


def test_payments_by_a_quote(api: CheckedApi, owner: psycopg.Connection[Any]) -> None:
    card = api.card()
    made = api.post("/v1/fx/quotes", {"from_currency": "eur", "lock_s": 60}).json["id"]
    assert api.pay(card, 500, currency="eur", fx_quote_id=made).status == 201
    mismatch = api.pay(card, 500, currency="jpy", fx_quote_id=made)
    assert outcome(mismatch) == (400, "fx_quote_mismatch")
    owner.execute(
        "UPDATE fx_quotes SET created_at = created_at - interval '2 min',"
        " expires_at = expires_at - interval '2 min'"
    )
    expired = api.pay(card, 500, currency="eur", fx_quote_id=made)
    assert outcome(expired) == (409, "fx_quote_expired")


def test_refused_cards(api: CheckedApi) -> None:
    refused = api.pay(api.card("4000000000009995"))
    assert outcome(refused) == (402, "card_declined")
    assert api.get(f"/v1/payments/{refused.json['error']['payment_id']}").status == 200
    path = f"/v1/customers/{api.customer()}/payment_methods"
    wrong = CARD | {"card": CARD["card"] | {"number": "4242424242424241"}}  # type: ignore[operator]
    assert outcome(api.post(path, wrong)) == (402, "invalid_card")


def test_bank_accounts(api: CheckedApi) -> None:
    path = f"/v1/customers/{api.customer()}/payment_methods"
    account = {
        "iban": "DE89370400440532013000",
        "country": "DE",
        "currency": "eur",
        "account_holder_name": "Ada Lovelace",
    }
    added = api.post(path, {"type": "bank_account", "bank_account": account})
    assert (added.status, added.json["bank_account"]["last_four"]) == (201, "3000")
    wrong = {"type": "bank_account", "bank_account": account | {"currency": "usd"}}
    assert outcome(api.post(path, wrong)) == (400, "invalid_field")


def test_unknown_objects(api: CheckedApi) -> None:
    for path in (f"/v1/payments/{NO_PAYMENT}", f"/v1/customers/{NO_CUSTOMER}", "/v1/payments/x"):
        assert outcome(api.get(path)) == (404, "not_found")
    path = f"/v1/customers/{NO_CUSTOMER}/payment_methods"
    assert outcome(api.post(path, CARD)) == (404, "not_found")
    assert outcome(api.post(f"/v1/payments/{NO_PAYMENT}/capture")) == (404, "not_found")


def test_conflicts(api: CheckedApi, platform: Platform) -> None:
    held = f"/v1/payments/{api.pay(api.card(), 500, capture=False).json['id']}/capture"
    assert outcome(api.post(held, {"amount": 501})) == (400, "capture_exceeds_authorization")
    assert api.post(held).status == 200
    assert outcome(api.post(held)) == (409, "payment_not_capturable")
    undecided = api.pay(api.card("4000000000003006")).json["id"]
    reply = api.post(f"/v1/payments/{undecided}/capture")
    assert outcome(reply) == (409, "operation_in_progress")
    assert reply.headers["retry-after"] == "1"
    api.post("/v1/customers", {"external_id": "u1"})
    twice = api.post("/v1/customers", {"external_id": "u1"})
    assert outcome(twice) == (409, "customer_exists")


def test_a_key_in_progress(api: CheckedApi, platform: Platform) -> None:
    headers = {"authorization": f"Bearer {api.merchant.api_key}", "idempotency-key": "k"}
    first = Request("POST", "/v1/customers", headers, b"{}", "first", None)
    replies = []

    def meanwhile(*_: Any) -> Answer:
        replies.append(api.post("/v1/customers", {}, key="k"))
        return Answer(200, "{}")

    platform.gate.serve(first, meanwhile)
    assert outcome(replies[0]) == (409, "idempotency_key_in_progress")
    assert replies[0].headers["retry-after"] == "1"


def test_a_suspended_merchant(new_api: NewApi, owner: psycopg.Connection[Any]) -> None:
    api = new_api()
    suspended = [parse_typeid("mer", api.merchant.id)]
    owner.execute("UPDATE merchants SET status = 'suspended' WHERE id = %s", suspended)
    assert outcome(api.get("/v1/merchants/me")) == (403, "merchant_not_active")
    assert outcome(api.post("/v1/customers")) == (403, "merchant_not_active")


def test_the_rate_limit(new_api: NewApi) -> None:
    api = new_api(rate_limit_per_min=1)
    assert api.get("/v1/merchants/me").status == 200
    limited = [api.get("/v1/merchants/me"), api.post("/v1/payments", {}, key="k")]
    assert [outcome(reply) for reply in limited] == [(429, "rate_limited")] * 2
    assert all("retry-after" in reply.headers for reply in limited)


def test_what_is_not_available(new_api: NewApi, monkeypatch: pytest.MonkeyPatch) -> None:
    api, live = new_api(), new_api(livemode=True)
    path = f"/v1/customers/{live.customer()}/payment_methods"
    assert outcome(live.post(path, CARD)) == (503, "processor_unavailable")
    assert outcome(api.pay(api.card(), 5, currency="kwd")) == (503, "fx_rate_unavailable")
    with monkeypatch.context() as away:
        away.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
        wiring.platform.cache_clear()
        assert outcome(api.get("/v1/merchants/me")) == (503, "service_unavailable")
        wiring.platform().cache.close()


def test_our_own_mistakes(
    api: CheckedApi, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(platform.payments.store), "find_payment", None)
    assert outcome(api.get(f"/v1/payments/{NO_PAYMENT}")) == (500, "internal_error")


def test_test_cards_do_as_the_page_says(api: CheckedApi) -> None:
    rows = re.findall(
        r"^\| (\d{4} [\d ]+) \| (.+) \|$", (ROOT / "docs/testing.md").read_text(), re.M
    )
    said = {number.replace(" ", ""): what for number, what in rows}
    assert said.keys() == SCENARIOS.keys()
    for number, what in said.items():
        if what.partition(";")[0] == "approved":
            assert api.pay(api.card(number)).json["status"] == "captured"
        elif what.startswith("declined"):
            error = api.pay(api.card(number)).json["error"]
            assert what == f"declined: `{error['decline_code']}`"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda reply: Reply(200, "{}", reply.headers), "is a required property"),
        (
            lambda reply: Reply(200, reply.text[:-1] + ',"surprise":1}', reply.headers),
            "Additional properties are not allowed",
        ),
        (lambda reply: Reply(404, reply.text, reply.headers), "undescribed"),
        (
            lambda reply: Reply(
                200,
                reply.text,
                {name: text for name, text in reply.headers.items() if name != "x-trace-id"},
            ),
            "X-Trace-Id is missing",
        ),
        (
            lambda reply: Reply(200, reply.text, {**reply.headers, "retry-after": "1"}),
            "retry-after",
        ),
    ],
)
def test_the_check_sees_what_is_wrong(
    change: Callable[[Reply], Reply], message: str, api: CheckedApi
) -> None:
    reply = change(api.get("/v1/merchants/me"))
    with pytest.raises(Exception, match=message):
        check("GET", "/v1/merchants/me", reply)
