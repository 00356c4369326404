"""Payments in other currencies: at which rate, less what, and what happens without one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import psycopg
import pytest

from paywright.ids import parse_typeid
from paywright.money import all_currencies
from paywright.payments.notices import hear_notices
from paywright.payments.recovery import recover_due
from paywright.wiring import Platform
from tests.api import Api, Reply
from tests.clock_file import ClockFile
from tests.integration.fx.conftest import answer, table
from tests.ledger_of import accounts
from tests.receivers import Receiver
from tests.refusals import refused

MAX_AGE = timedelta(hours=72)


class Market:
    """A provider whose rate of the euro in dollars a test sets; its time is the business's."""

    def __init__(self, receiver: Receiver, clock: ClockFile) -> None:
        self._receiver, self._clock = receiver, clock
        self.usd, self.age = "1.1172", timedelta(0)

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        self._receiver.replies.append(self)
        answer(table(self.usd, datetime.now(UTC) + self._clock.ahead - self.age))(handler)


@pytest.fixture(autouse=True)
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClockFile:
    made = ClockFile(tmp_path / "clock")
    monkeypatch.setenv("CLOCK_FILE", str(tmp_path / "clock"))
    return made


@pytest.fixture(autouse=True)
def market(
    provider: Receiver, clock: ClockFile, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Market:
    made = Market(provider, clock)
    provider.replies.append(made)
    monkeypatch.setenv("FX_RATES_URL", f"http://127.0.0.1:{provider.port}/latest")
    monkeypatch.setenv("FX_RATE_MAX_AGE_H", str(MAX_AGE // timedelta(hours=1)))
    return made


@pytest.fixture
def new_api(platform: Platform, new_merchant: Callable[..., Any]) -> Callable[..., Api]:
    return lambda **fields: Api(new_merchant(**fields))


def error(reply: Reply) -> tuple[int, str, str | None]:
    found = reply.json["error"]
    return reply.status, found["code"], found.get("param")


def stored(owner: psycopg.Connection[Any], payment_id: str) -> tuple[Any, ...]:
    row = owner.execute(
        "SELECT fx_rate, fx_rate_source, fx_rate_at, fx_spread_bps FROM transactions WHERE id = %s",
        [parse_typeid("txn", payment_id)],
    ).fetchone()
    assert row is not None
    return tuple(row)


def quote(api: Api, **fields: Any) -> str:
    made = api.post("/v1/fx/quotes", {"from_currency": "eur", **fields})
    assert made.status == 201, made.text
    return str(made.json["id"])


def test_every_currency_can_be_held(api: Api, owner: psycopg.Connection[Any]) -> None:
    card = api.card()
    for currency in all_currencies():
        held = api.pay(card, 1234, currency=currency.code.upper(), capture=False)
        assert (held.status, held.json["currency"]) == (201, currency.code), held.text
        assert (held.json["amount"], held.json["status"]) == (1234, "authorized")
    rows = owner.execute(
        "SELECT currency, sum(amount) FROM ledger_entries WHERE merchant_id = %s"
        " AND account_type = 'customer_hold' GROUP BY 1",
        [parse_typeid("mer", api.merchant.id)],
    ).fetchall()
    assert dict(rows) == {currency.code: 1234 for currency in all_currencies()}


@pytest.mark.parametrize("code", ["jpy", "usd", "kwd", "clf"])
def test_a_merchant_settles_in_a_currency_of_any_exponent(
    code: str, new_api: Callable[..., Api], owner: psycopg.Connection[Any]
) -> None:
    api = new_api(settlement_currency=code)
    paid = api.pay(api.card(), 10_000, currency=code)
    assert (paid.status, paid.json["settlement_amount"]) == (201, 10_000), paid.text
    assert paid.json["fx_rate"] is None
    assert accounts(owner, paid.json["id"])["merchant_balance"] == -9_710


def test_a_capture_is_converted_and_the_spread_is_posted_by_itself(
    new_api: Callable[..., Api], owner: psycopg.Connection[Any], provider: Receiver
) -> None:
    api = new_api(fx_spread_bps=100)
    paid = api.pay(api.card(), 10_000, currency="eur")
    assert (paid.json["settlement_amount"], paid.json["fx_rate"]) == (11_172, "1.1172")
    found = accounts(owner, paid.json["id"])
    assert (found["fx_spread"], found["platform_fee"]) == (-112, -324)
    assert found["merchant_balance"] == -(11_172 - 112 - 324)
    assert found["fx_clearing"] == 11_172 - 10_000
    rate, source, at, spread = stored(owner, paid.json["id"])
    assert (rate, source, spread) == (Decimal("1.1172"), f"127.0.0.1:{provider.port}", 100)
    assert datetime.now(UTC) - timedelta(minutes=5) < at <= datetime.now(UTC)


def test_nothing_is_kept_where_nothing_is_converted(
    new_api: Callable[..., Api], owner: psycopg.Connection[Any]
) -> None:
    api = new_api(fx_spread_bps=100)
    paid = api.pay(api.card(), 10_000)
    assert accounts(owner, paid.json["id"])["merchant_balance"] == -9_710
    assert stored(owner, paid.json["id"]) == (None, None, None, 0)


def test_fee_and_spread_take_no_more_than_there_is(
    new_api: Callable[..., Api], owner: psycopg.Connection[Any]
) -> None:
    api = new_api(fx_spread_bps=1000)
    owner.execute(
        "INSERT INTO fee_plans (merchant_id, method_type, currency, basis_points, fixed_amount)"
        " VALUES (%s, 'card', '*', 290, 100000)",
        [parse_typeid("mer", api.merchant.id)],
    )
    found = accounts(owner, api.pay(api.card(), 1_000, currency="eur").json["id"])
    assert (found["fx_spread"], found["platform_fee"]) == (-112, -1_005)
    assert found["merchant_balance"] == 0


def test_a_quote_holds_while_the_market_moves(
    new_api: Callable[..., Api],
    owner: psycopg.Connection[Any],
    market: Market,
    clock: ClockFile,
) -> None:
    api = new_api(fx_spread_bps=100)
    card, locked = api.card(), quote(api)
    market.usd = "2"
    clock.advance(timedelta(minutes=14))
    quoted = [api.pay(card, 10_000, currency="eur", fx_quote_id=locked) for _ in range(2)]
    for paid in quoted:
        assert (paid.status, paid.json["fx_quote_id"]) == (201, locked), paid.text
        assert (paid.json["settlement_amount"], paid.json["fx_rate"]) == (11_172, "1.1172")
        assert accounts(owner, paid.json["id"])["fx_spread"] == -112
    unquoted = api.pay(card, 10_000, currency="eur").json
    assert (unquoted["settlement_amount"], unquoted["fx_quote_id"]) == (20_000, None)


def test_a_quotes_spread_is_the_one_that_was_shown(
    new_api: Callable[..., Api], owner: psycopg.Connection[Any], platform: Platform
) -> None:
    api = new_api(fx_spread_bps=100)
    locked = quote(api)
    merchant = [parse_typeid("mer", api.merchant.id)]
    owner.execute("UPDATE merchants SET fx_spread_bps = 500 WHERE id = %s", merchant)
    platform.cache.send(("FLUSHDB",))
    card = api.card()
    quoted = api.pay(card, 10_000, currency="eur", fx_quote_id=locked).json["id"]
    unquoted = api.pay(card, 10_000, currency="eur").json["id"]
    assert accounts(owner, quoted)["fx_spread"] == -112
    assert accounts(owner, unquoted)["fx_spread"] == -559


def test_a_hold_is_captured_at_its_quotes_rate_after_the_quote_expired(
    api: Api, owner: psycopg.Connection[Any], market: Market, clock: ClockFile
) -> None:
    held = api.pay(
        api.card(),
        10_000,
        currency="eur",
        capture_method="manual_multiple",
        fx_quote_id=quote(api, lock_s=60),
    ).json
    assert (held["status"], held["fx_rate"]) == ("authorized", "1.1172")
    at = stored(owner, held["id"])[2]
    market.usd = "2"
    for settled in (3_352, 6_704):
        clock.advance(timedelta(days=2))
        part = api.post(f"/v1/payments/{held['id']}/capture", {"amount": 3_000})
        assert (part.status, part.json["settlement_amount"]) == (200, settled), part.text
    assert stored(owner, held["id"])[2] == at


def test_parts_of_a_payment_without_a_quote_go_at_their_own_rates(
    api: Api, market: Market, clock: ClockFile
) -> None:
    held = api.pay(api.card(), 10_000, currency="eur", capture_method="manual_multiple").json
    assert held["fx_rate"] is None
    for usd, settled in (("1.1", 5_500), ("1.3", 12_000)):
        market.usd = usd
        clock.advance(timedelta(minutes=5))
        part = api.post(f"/v1/payments/{held['id']}/capture", {"amount": 5_000}).json
        assert (part["settlement_amount"], part["fx_rate"]) == (settled, usd)


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("what", ["sale", "part", "transfer"])
def test_what_is_known_late_goes_by_the_rate_it_was_begun_with(
    what: str,
    quoted: bool,
    api: Api,
    platform: Platform,
    owner: psycopg.Connection[Any],
    market: Market,
    clock: ClockFile,
) -> None:
    fields = {"currency": "eur"} | ({"fx_quote_id": quote(api)} if quoted else {})
    market.usd = "1.3"
    clock.advance(timedelta(minutes=5))
    if what == "sale":
        paid = api.pay(api.card("4000000000003006"), 10_000, **fields).json
    elif what == "transfer":
        paid = api.pay(api.bank_account("DE89370400440532013000"), 10_000, **fields).json
    else:
        fields["capture_method"] = "manual_multiple"
        held = api.pay(api.card("4000000000003055"), 20_000, **fields).json["id"]
        market.usd = "1.2"
        clock.advance(timedelta(minutes=5))
        paid = api.post(f"/v1/payments/{held}/capture", {"amount": 10_000}).json
    assert (paid["status"], paid["captured_amount"]) == ("pending", 0)
    begun_at = datetime.now(UTC) + clock.ahead
    market.usd = "2"
    clock.advance(timedelta(days=5))
    recover_due(platform.payments)
    hear_notices(platform.payments)
    known = api.get(f"/v1/payments/{paid['id']}").json
    rate = "1.1172" if quoted else "1.2" if what == "part" else "1.3"
    assert (known["captured_amount"], known["pending_reason"]) == (10_000, None)
    assert (known["fx_rate"], known["settlement_amount"]) == (rate, Decimal(rate) * 10_000)
    assert stored(owner, paid["id"])[2] <= begun_at


def refused_quote(
    api: Api, owner: psycopg.Connection[Any], expected: tuple[int, str], **fields: str
) -> Reply:
    """A payment that its quote has refused, with no more than an audit row of its merchant's."""
    body = {"amount": 1_000, "currency": "eur", "payment_method_id": api.card(), **fields}
    reply = refused(api, owner, "/v1/payments", body, expected, api.merchant.id)
    assert reply.json["error"]["param"] == "fx_quote_id"
    return reply


def test_an_expired_quote_is_refused_and_nothing_is_written(
    api: Api, owner: psycopg.Connection[Any], clock: ClockFile
) -> None:
    locked = quote(api, lock_s=60)
    clock.advance(timedelta(seconds=61))
    reply = refused_quote(api, owner, (409, "fx_quote_expired"), fx_quote_id=locked)
    assert locked in reply.json["error"]["message"]


def test_a_quote_is_for_its_merchant_and_its_pair(
    api: Api, new_api: Callable[..., Api], owner: psycopg.Connection[Any]
) -> None:
    card, locked, another = api.card(), quote(api), quote(new_api())
    elsewhere = quote(api, to_currency="jpy")
    for fields, expected in (
        ({"currency": "jpy", "fx_quote_id": locked}, "fx_quote_mismatch"),
        ({"currency": "usd", "fx_quote_id": locked}, "fx_quote_mismatch"),
        ({"currency": "eur", "fx_quote_id": elsewhere}, "fx_quote_mismatch"),
        ({"currency": "eur", "fx_quote_id": another}, "invalid_field"),
        ({"currency": "eur", "fx_quote_id": "fxq_nonsense"}, "invalid_field"),
        ({"currency": "eur", "fx_quote_id": card}, "invalid_field"),
    ):
        refused_quote(api, owner, (400, expected), **fields)


@pytest.mark.parametrize("meanwhile", ["the quote expired", "the provider went away"])
def test_a_retry_finds_its_answer_whatever_went_away_meanwhile(
    meanwhile: str, api: Api, platform: Platform, provider: Receiver, clock: ClockFile
) -> None:
    body = {"amount": 1_000, "currency": "eur", "payment_method_id": api.card()}
    if meanwhile == "the quote expired":
        body["fx_quote_id"] = quote(api, lock_s=60)
    first = api.post("/v1/payments", body, key="k")
    assert first.status == 201
    clock.advance(timedelta(hours=1))
    if meanwhile == "the provider went away":
        provider.replies.clear()
    platform.cache.send(("FLUSHDB",))
    again = api.post("/v1/payments", body, key="k")
    assert (again.status, again.text) == (201, first.text)
    assert again.headers["idempotent-replayed"] == "true"
    other = api.post("/v1/payments", body | {"amount": 999}, key="k")
    assert error(other)[:2] == (400, "idempotency_key_reused")


def test_a_rate_too_old_captures_nothing_and_the_hold_stays(
    api: Api, owner: psycopg.Connection[Any], market: Market, clock: ClockFile
) -> None:
    held = api.pay(api.card(), 10_000, currency="eur", capture=False).json["id"]
    market.age = MAX_AGE + timedelta(minutes=1)
    refused = api.post(f"/v1/payments/{held}/capture")
    assert error(refused)[:2] == (503, "fx_rate_unavailable")
    assert "too old" in refused.json["error"]["message"]
    assert api.get(f"/v1/payments/{held}").json["status"] == "authorized"
    assert accounts(owner, held)["customer_hold"] == 10_000
    market.age = timedelta(0)
    clock.advance(timedelta(minutes=5))
    assert api.post(f"/v1/payments/{held}/capture").json["status"] == "captured"


def test_what_is_worth_nothing_is_not_captured(
    api: Api, owner: psycopg.Connection[Any], market: Market
) -> None:
    market.usd = "0.5"  # a yen is 0.28 cents, and two are 0.57
    card, out_of_range = api.card(), (400, "amount_out_of_range")
    order = {"amount": 1, "currency": "jpy", "payment_method_id": card}
    reply = refused(api, owner, "/v1/payments", order, out_of_range, api.merchant.id)
    assert reply.json["error"]["param"] == "amount"
    assert "1 jpy is rounded to 0.00 usd at the rate of 0.00284608" in reply.text
    locked = quote(api, from_currency="jpy")
    with_quote = order | {"fx_quote_id": locked, "capture": False}
    refused(api, owner, "/v1/payments", with_quote, out_of_range, api.merchant.id)

    held = api.pay(card, 1, currency="jpy", capture=False).json["id"]  # at a rate yet unknown
    refused(api, owner, f"/v1/payments/{held}/capture", {}, out_of_range, held)
    assert api.post(f"/v1/payments/{held}/void", {}).json["status"] == "voided"
    parts = api.pay(card, 3, currency="jpy", capture_method="manual_multiple").json["id"]
    path = f"/v1/payments/{parts}/capture"
    refused(api, owner, path, {"amount": 1}, out_of_range, parts)
    assert api.post(path, {"amount": 2}).json["settlement_amount"] == 1


def test_a_refund_may_be_worth_nothing(
    api: Api, owner: psycopg.Connection[Any], market: Market
) -> None:
    market.usd = "0.5"
    paid = api.pay(api.card(), 2, currency="jpy").json
    assert paid["settlement_amount"] == 1
    for _ in range(2):
        refunded = api.post(f"/v1/payments/{paid['id']}/refund", {"amount": 1})
        assert refunded.status == 201, refunded.text
    rows = owner.execute(
        "SELECT settlement_amount FROM refunds WHERE transaction_id = %s ORDER BY id",
        [parse_typeid("txn", paid["id"])],
    ).fetchall()
    assert [amount for (amount,) in rows] == [0, 1]


def test_refunds_of_a_converted_payment_sum_exactly_back(
    api: Api, owner: psycopg.Connection[Any]
) -> None:
    paid = api.pay(api.card(), 1_000, currency="eur").json
    assert paid["settlement_amount"] == 1_117
    for amount in (333, 333, 333, 1):
        refunded = api.post(f"/v1/payments/{paid['id']}/refund", {"amount": amount})
        assert refunded.status == 201, refunded.text
    found = accounts(owner, paid["id"])
    assert api.get(f"/v1/payments/{paid['id']}").json["status"] == "refunded"
    assert found["fx_clearing"] == 0
    rows = owner.execute(
        "SELECT settlement_amount FROM refunds WHERE transaction_id = %s ORDER BY id",
        [parse_typeid("txn", paid["id"])],
    ).fetchall()
    assert [amount for (amount,) in rows] == [372, 372, 372, 1]
