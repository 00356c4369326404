"""Lists of payments and ledger entries: pages, filters, and a bound on what one page may cost."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote
from uuid import UUID

import psycopg
import pytest

from paywright.http import entry_list, lists, payment_list
from paywright.ids import parse_typeid, typeid
from tests.api import Api
from tests.integration.ledger_sequencer.conftest import Ledger, sale

_NOBODY = typeid("cus", uuid.UUID(int=1))


def listed(api: Api, path: str, **query: Any) -> Any:
    text = "&".join(f"{quote(name)}={quote(str(value))}" for name, value in query.items())
    reply = api.get(f"{path}?{text}" if text else path)
    assert reply.status == 200, reply.text
    return reply.json


def ids(page: Any) -> list[str]:
    return [each["id"] for each in page["data"]]


def walk(api: Api, path: str, direction: str, start: str | None, **query: Any) -> Iterator[Any]:
    """Every page in one direction, as the cursors lead."""
    cursor = start
    while True:
        page = listed(api, path, **query, **({} if cursor is None else {direction: cursor}))
        yield page
        cursor = page["next_cursor"]
        if cursor is None:
            assert page["has_more"] is False
            return


@pytest.fixture
def payments(api: Api) -> list[str]:
    """Seven payments of one merchant, the newest first."""
    card = api.card()
    made = [api.pay(card, 100 + number).json["id"] for number in range(7)]
    return made[::-1]


def test_payments_come_newest_first_with_an_end(api: Api, payments: list[str]) -> None:
    page = listed(api, "/v1/payments")
    assert {name: page[name] for name in page if name != "data"} == {
        "object": "list",
        "url": "/v1/payments",
        "has_more": False,
        "next_cursor": None,
    }
    assert ids(page) == payments
    assert page["data"][0] == api.get(f"/v1/payments/{payments[0]}").json


def test_pages_lead_through_all_in_both_directions(api: Api, payments: list[str]) -> None:
    down = list(walk(api, "/v1/payments", "starting_after", None, limit=3))
    assert [ids(page) for page in down] == [payments[:3], payments[3:6], payments[6:]]
    up = list(walk(api, "/v1/payments", "ending_before", payments[-1], limit=4))
    assert [ids(page) for page in up] == [payments[2:6], payments[:2]]
    assert ids(listed(api, "/v1/payments", starting_after=payments[-1])) == []


def test_payments_made_meanwhile_do_not_move_a_page(api: Api, payments: list[str]) -> None:
    first = listed(api, "/v1/payments", limit=3)
    api.pay(api.card(), 999)
    second = listed(api, "/v1/payments", limit=3, starting_after=first["next_cursor"])
    assert ids(first) + ids(second) == payments[:6]


def test_filters_of_payments(api: Api) -> None:
    card = api.card()
    sold = api.pay(card, 100).json["id"]
    held = api.pay(card, 100, capture=False).json["id"]
    yen = api.pay(card, 100, currency="jpy").json
    unknown = api.pay(api.card("4000000000003006"), 100).json["id"]
    declined = api.pay(api.card("4000000000000002"), 100).json["error"]["payment_id"]

    def found(**query: Any) -> list[str]:
        return ids(listed(api, "/v1/payments", **query))

    assert found(status="captured") == [yen["id"], sold]
    assert found(status="authorized") == [held]
    assert found(status="pending") == [unknown]
    assert found(status="failed") == [declined]
    assert found(status="voided") == []
    assert found(currency="JPY") == [yen["id"]]
    assert found(currency="jpy", status="authorized") == []
    assert found(customer_id=yen["customer_id"]) == [yen["id"], held, sold]
    assert found(customer_id=_NOBODY) == []


def test_payments_by_the_time_they_show(api: Api, payments: list[str]) -> None:
    times = [api.get(f"/v1/payments/{each}").json["created_at"] for each in payments]
    middle = times[3]

    def found(name: str) -> list[str]:
        return ids(listed(api, "/v1/payments", **{f"created[{name}]": middle}))

    assert found("gte") == [each for each, at in zip(payments, times, strict=True) if at >= middle]
    assert found("gt") == [each for each, at in zip(payments, times, strict=True) if at > middle]
    assert found("lte") == [each for each, at in zip(payments, times, strict=True) if at <= middle]
    assert found("lt") == [each for each, at in zip(payments, times, strict=True) if at < middle]
    assert payments[3] in found("gte")
    assert payments[3] in found("lte")


def test_a_filter_that_nothing_passes_has_a_bounded_cost(
    api: Api, payments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "MAX_SCANNED", 3)
    down = list(walk(api, "/v1/payments", "starting_after", None, status="voided"))
    assert [page["data"] for page in down] == [[], [], []]
    assert [page["next_cursor"] for page in down] == [payments[2], payments[5], None]
    up = list(walk(api, "/v1/payments", "ending_before", payments[-1], currency="eur"))
    assert [page["next_cursor"] for page in up] == [payments[3], payments[0], None]
    seen = walk(api, "/v1/payments", "starting_after", None, currency="usd", limit=2)
    assert [each for page in seen for each in ids(page)] == payments


@pytest.mark.parametrize("path", ["/v1/payments", "/v1/ledger/entries"])
@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=ten", "limit"),
        ("starting_after=evt_01kaqd1e8pe5b9n2w4tq7c3m0x", "starting_after"),
        ("ending_before=x", "ending_before"),
        ("created[gte]=2026", "created[gte]"),
        ("created%5Blt%5D=2026", "created[lt]"),
        ("currency=euro", "currency"),
        ("surprise=1", "surprise"),
        ("limit", "limit"),
        ("currency=%00", "currency"),
    ],
)
def test_wrong_parameters_are_named(api: Api, path: str, query: str, param: str) -> None:
    reply = api.get(f"{path}?{query}")
    assert (reply.status, reply.json["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("account_type=processor_cost", "account_type"),
        ("payment_id=1", "payment_id"),
        ("customer_id=" + _NOBODY, "customer_id"),
    ],
)
def test_wrong_parameters_of_entries_are_named(api: Api, query: str, param: str) -> None:
    reply = api.get(f"/v1/ledger/entries?{query}")
    assert (reply.status, reply.json["error"]["param"]) == (400, param)


def test_an_entry_before_and_after_it_is_sequenced(api: Api, sequence: Callable[[], None]) -> None:
    payment = api.pay(api.card(), 10_000).json
    waiting = listed(api, "/v1/ledger/entries")["data"]
    assert [each["account_type"] for each in waiting] == ["platform_fee", "merchant_balance"]
    entry = waiting[1]
    assert parse_typeid("le", entry.pop("id"))
    assert parse_typeid("jrn", entry.pop("journal_id"))
    assert entry.pop("created_at")
    assert entry == {
        "object": "ledger_entry",
        "payment_id": payment["id"],
        "kind": "authorize",
        "account_type": "merchant_balance",
        "side": "credit",
        "amount": 9_710,
        "currency": "usd",
        "sequence": None,
        "balance_after": None,
        "sequenced_at": None,
        "livemode": False,
    }
    sequence()
    placed = listed(api, "/v1/ledger/entries")["data"][1]
    assert (placed["sequence"], placed["balance_after"]) == (1, 9_710)
    at = placed["sequenced_at"]
    assert listed(api, "/v1/balance", as_of=at)["balances"][0]["available"] == 9_710


def test_entries_of_a_payment_and_an_account(api: Api) -> None:
    card = api.card()
    first = api.pay(card, 1_000, capture=False).json["id"]
    api.post(f"/v1/payments/{first}/capture", {"amount": 600})
    api.pay(card, 5_000)

    def found(**query: Any) -> list[tuple[str, int]]:
        page = listed(api, "/v1/ledger/entries", **query)
        return [(each["account_type"], each["amount"]) for each in page["data"]]

    of_first = [
        ("merchant_hold", 1_000),
        ("platform_fee", 17),
        ("merchant_balance", 583),
        ("merchant_hold", 1_000),
    ]
    assert found(payment_id=first) == of_first
    assert found(payment_id=first, account_type="platform_fee") == [("platform_fee", 17)]
    assert found(payment_id=first, currency="eur") == []
    assert found(account_type="merchant_balance") == [
        ("merchant_balance", 4_855),
        ("merchant_balance", 583),
    ]
    entries = listed(api, "/v1/ledger/entries", payment_id=first)["data"]
    older = listed(
        api, "/v1/ledger/entries", payment_id=first, starting_after=entries[1]["id"], limit=1
    )
    assert (ids(older), older["next_cursor"]) == ([entries[2]["id"]], entries[2]["id"])
    newer = listed(
        api, "/v1/ledger/entries", payment_id=first, ending_before=entries[3]["id"], limit=2
    )
    assert (ids(newer), newer["next_cursor"]) == (ids({"data": entries[1:3]}), entries[1]["id"])


def test_pages_of_entries_lead_through_all(
    api: Api, merchant_id: UUID, owner: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "MAX_SCANNED", 4)
    ledger = Ledger(owner, merchant_id)
    for _ in range(5):
        ledger.post(sale(1_000))
    rows = owner.execute(
        "SELECT id FROM ledger_entries WHERE merchant_id = %s AND account_type <> 'cash'"
        " ORDER BY id DESC",
        [merchant_id],
    ).fetchall()
    expected = [typeid("le", row[0]) for row in rows]
    assert len(expected) == 10
    down = walk(api, "/v1/ledger/entries", "starting_after", None, limit=3)
    assert [each for page in down for each in ids(page)] == expected
    up = list(walk(api, "/v1/ledger/entries", "ending_before", expected[-1], limit=3))
    assert [each for page in reversed(up) for each in ids(page)] == expected[:-1]


def test_nobody_sees_anothers(api: Api, payments: list[str], new_merchant: Any) -> None:
    other = Api(new_merchant())
    for path in ("/v1/payments", "/v1/ledger/entries"):
        assert len(ids(listed(api, path))) > 0
        assert ids(listed(other, path)) == []
        live = Api(new_merchant(livemode=True))
        assert ids(listed(live, path)) == []
    assert ids(listed(other, "/v1/payments", starting_after=payments[0])) == []
    assert ids(listed(other, "/v1/ledger/entries", payment_id=payments[0])) == []


@pytest.mark.parametrize("direction", ["older", "newer"])
@pytest.mark.parametrize("listing", [payment_list, entry_list])
def test_a_page_reads_no_more_rows_than_it_needs(
    listing: Any, direction: str, merchant_id: UUID, owner: psycopg.Connection[Any]
) -> None:
    ledger = Ledger(owner, merchant_id)
    for _ in range(300):
        ledger.payment()
        ledger.post(sale(100))
    page = lists.page_of([("limit", "5")], prefix="x", filters={})
    parameters = page.parameters() | {
        "merchant_id": merchant_id,
        "livemode": False,
        "account_types": None,
        "status": None,
        "currency": None,
        "customer_id": None,
        "unknown": "",
    }
    # In a table of some hundred rows reading all is cheapest; in one that counts it never is.
    owner.execute("SET enable_seqscan = off")
    owner.execute("SET enable_bitmapscan = off")
    explain = b"EXPLAIN (ANALYZE, FORMAT JSON) " + listing._SQL[direction]
    (plans,) = owner.execute(explain, parameters).fetchone() or ([],)
    scanned = [
        node["Actual Rows"]
        for node in _nodes(plans[0]["Plan"])
        if node.get("Relation Name", "").startswith(("transactions_", "ledger_entries_"))
    ]
    assert max(scanned) >= 6
    assert sum(scanned) <= 20


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)
