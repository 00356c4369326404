"""Quotes: a rate that is locked, shown, and never changed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from paywright.errors import InvalidField
from paywright.ids import parse_typeid
from paywright.money import Currency
from paywright.wiring import Platform
from tests.api import Api, Reply

UNKNOWN = "fxq_01k6n00000e008000000000001"


def quote(api: Api, key: str | None = None, **fields: Any) -> Reply:
    return api.post("/v1/fx/quotes", {"from_currency": "jpy", **fields}, key=key)


def lifetime(made: dict[str, Any]) -> timedelta:
    return datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created_at"])


def test_a_quote_is_the_rate_of_now_into_the_settlement_currency(
    api: Api, platform: Platform
) -> None:
    made = quote(api)
    assert made.status == 201, made.text
    rate = platform.payments.rates.rate(Currency.of("jpy"), Currency.of("usd"))
    assert made.json["object"] == "fx_quote"
    assert (made.json["from_currency"], made.json["to_currency"]) == ("jpy", "usd")
    assert (made.json["rate"], made.json["rate_source"]) == (f"{rate.value:f}", "ecb")
    assert datetime.fromisoformat(made.json["rate_at"]) == rate.at
    assert lifetime(made.json) == timedelta(minutes=15)
    assert (made.json["spread_bps"], made.json["livemode"]) == (0, False)
    shown = api.get(f"/v1/fx/quotes/{made.json['id']}")
    assert (shown.status, shown.json) == (200, made.json)


def test_a_quote_of_any_pair_holds_up_to_an_hour(api: Api) -> None:
    made = quote(api, to_currency="AED", lock_s=3600).json
    assert (made["to_currency"], made["rate_source"]) == ("aed", "ecb+peg")
    assert lifetime(made) == timedelta(hours=1)


def test_a_quote_has_the_merchants_spread(platform: Platform, new_merchant: Any) -> None:
    api = Api(new_merchant(fx_spread_bps=75))
    assert quote(api).json["spread_bps"] == 75
    assert api.get("/v1/merchants/me").json["fx_spread_bps"] == 75
    for spread in (-1, 1001):
        with pytest.raises(InvalidField, match="fx_spread_bps: 0 to 1000"):
            new_merchant(fx_spread_bps=spread)


@pytest.mark.parametrize(
    ("fields", "status", "code", "param"),
    [
        ({"from_currency": "USD"}, 400, "invalid_field", "from_currency"),
        ({"from_currency": "xyz"}, 400, "unknown_currency", "from_currency"),
        ({"to_currency": "xau"}, 400, "unknown_currency", "to_currency"),
        ({"lock_s": 0}, 400, "invalid_field", "lock_s"),
        ({"lock_s": 3601}, 400, "invalid_field", "lock_s"),
        ({"lock_s": "60"}, 400, "invalid_field", "lock_s"),
        ({"rate": "1"}, 400, "invalid_field", "rate"),
        ({"from_currency": "kwd"}, 503, "fx_rate_unavailable", None),
    ],
)
def test_what_cannot_be_quoted(
    api: Api,
    owner: psycopg.Connection[Any],
    fields: dict[str, Any],
    status: int,
    code: str,
    param: str | None,
) -> None:
    refused = quote(api, **fields)
    error = refused.json["error"]
    assert (refused.status, error["code"], error.get("param")) == (status, code, param)
    assert "captured" not in error["message"], "a quote captures nothing anyway"
    merchant = [parse_typeid("mer", api.merchant.id)]
    kept = owner.execute("SELECT count(*) FROM fx_quotes WHERE merchant_id = %s", merchant)
    assert kept.fetchone() == (0,)


def test_a_key_stands_for_one_quote(
    api: Api, platform: Platform, owner: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = quote(api, "k")
    for forget in (False, True):
        if forget:
            platform.cache.send(("FLUSHDB",))
            monkeypatch.setattr(platform.quotes, "_rates", None)  # a replay asks for no rate
        again = quote(api, "k")
        assert (again.status, again.text) == (201, first.text)
        assert again.headers["idempotent-replayed"] == "true"
    other = quote(api, "k", lock_s=60)
    assert (other.status, other.json["error"]["code"]) == (400, "idempotency_key_reused")
    found = owner.execute(
        "SELECT entity_type, action FROM audit_log WHERE entity_id = %s",
        [parse_typeid("fxq", first.json["id"])],
    ).fetchall()
    assert found == [("fx_quote", "created")]


def test_another_merchants_quote_is_not_there(
    api: Api, platform: Platform, new_merchant: Any
) -> None:
    made = quote(api).json["id"]
    for other, path in (
        (Api(new_merchant()), made),
        (api, UNKNOWN),
        (api, "fxq_nonsense"),
        (api, "txn_01k6n00000e008000000000001"),
    ):
        reply = other.get(f"/v1/fx/quotes/{path}")
        assert (reply.status, reply.json["error"]["code"]) == (404, "not_found")


def test_a_quote_is_of_its_mode(platform: Platform, new_merchant: Any) -> None:
    live = Api(new_merchant(livemode=True))
    made = quote(live).json
    assert made["livemode"] is True
    merchant, quote_id = parse_typeid("mer", live.merchant.id), parse_typeid("fxq", made["id"])
    assert merchant is not None
    assert quote_id is not None
    assert platform.quotes.find_quote(merchant, False, quote_id) is None
    assert platform.quotes.find_quote(merchant, True, quote_id) is not None


@pytest.mark.parametrize("change", ["UPDATE fx_quotes SET rate = 2", "DELETE FROM fx_quotes"])
def test_the_application_cannot_change_a_quote(
    api: Api, app_database_url: str, change: str
) -> None:
    assert quote(api).status == 201
    with (
        psycopg.connect(app_database_url) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(change.encode())
