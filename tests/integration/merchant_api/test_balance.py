"""A merchant's balance: exact now, and the same for ever at a moment that has passed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from paywright.clock import SystemClock, rfc3339
from paywright.db import Database
from paywright.ledger.balances import balances_at
from paywright.ledger.sequencer import Sequencer, moment_after
from paywright.wiring import Platform
from tests.api import Api
from tests.integration.ledger_sequencer.conftest import Ledger

_ZERO = {
    "currency": "usd",
    "available": 0,
    "pending": 0,
    "reserved": 0,
    "disputed": 0,
    "refunding": 0,
    "paying_out": 0,
}


def balance(api: Api, query: str = "") -> Any:
    reply = api.get(f"/v1/balance{query}")
    assert reply.status == 200, reply.text
    return reply.json


def usd(api: Api, query: str = "") -> Any:
    (found,) = balance(api, query)["balances"]
    return found


def test_a_new_merchant_has_nothing_in_its_currency(api: Api) -> None:
    assert balance(api) == {
        "object": "balance",
        "as_of": None,
        "balances": [_ZERO],
        "livemode": False,
    }


def test_payments_move_it_at_once(api: Api, sequence: Callable[[], None]) -> None:
    card = api.card()
    held = api.pay(card, 5_000, capture=False).json["id"]
    assert usd(api) == _ZERO | {"pending": 5_000}
    api.post(f"/v1/payments/{held}/capture", {"amount": 1_000})
    assert usd(api) == _ZERO | {"available": 971}
    api.pay(card, 10_000)
    before = balance(api)
    assert before["balances"][0]["available"] == 971 + 9_710
    sequence()
    assert balance(api) == before


def test_it_has_every_currency_and_can_be_negative(
    api: Api, merchant_id: UUID, owner: psycopg.Connection[Any], sequence: Callable[[], None]
) -> None:
    ledger = Ledger(owner, merchant_id)
    ledger.post([("debit", "merchant_balance", 300), ("credit", "customer_refund", 300)])
    ledger.post([("debit", "merchant_balance", 50), ("credit", "merchant_reserve", 50)])
    ledger.post([("debit", "merchant_balance", 20), ("credit", "payout_clearing", 20)])
    ledger.post([("debit", "merchant_balance", 7), ("credit", "dispute_reserve", 7)])
    ledger.post([("debit", "customer_hold", 9), ("credit", "merchant_hold", 9)], currency="jpy")
    ledger.post([("debit", "customer_hold", 9), ("credit", "merchant_hold", 9)], livemode=True)
    expected = [
        _ZERO | {"currency": "jpy", "pending": 9},
        _ZERO
        | {"available": -377, "refunding": 300, "reserved": 50, "paying_out": 20, "disputed": 7},
    ]
    assert balance(api)["balances"] == expected
    sequence()
    assert balance(api)["balances"] == expected


def test_it_can_be_more_than_a_bigint(
    api: Api, merchant_id: UUID, owner: psycopg.Connection[Any], sequence: Callable[[], None]
) -> None:
    ledger, most = Ledger(owner, merchant_id), 2**63 - 1
    for _ in range(2):
        ledger.post([("debit", "cash", most), ("credit", "merchant_balance", most)])
    for _ in range(2):
        assert usd(api) == _ZERO | {"available": 2 * most}
        sequence()
    entries = api.get("/v1/ledger/entries").json["data"]
    assert [each["balance_after"] for each in entries] == [2 * most, most]


def test_as_of_is_what_was_in_sequence_by_then(
    api: Api, merchant_id: UUID, owner: psycopg.Connection[Any], sequence: Callable[[], None]
) -> None:
    ledger = Ledger(owner, merchant_id)
    before = rfc3339(datetime.now(UTC))
    moments: list[tuple[str, int]] = [(before, 0)]
    for number in range(1, 40):
        ledger.post([("debit", "customer_hold", 10), ("credit", "merchant_hold", 10)])
        sequence()
        last = owner.execute(
            "SELECT max(sequenced_at) FROM ledger_chain WHERE merchant_id = %s", [merchant_id]
        ).fetchone()
        assert last is not None
        moments.append((rfc3339(last[0]), number * 10))
    ledger.post([("debit", "customer_hold", 1), ("credit", "merchant_hold", 1)])
    for moment, pending in moments:
        assert usd(api, f"?as_of={moment}")["pending"] == pending
        assert balance(api, f"?as_of={moment}")["as_of"] == moment
        # Nothing was in sequence a millisecond earlier.
        earlier = rfc3339(datetime.fromisoformat(moment) - timedelta(milliseconds=1))
        assert usd(api, f"?as_of={earlier}")["pending"] == max(0, pending - 10)
    now = rfc3339(datetime.now(UTC))
    assert usd(api, f"?as_of={now}")["pending"] == 390, "what waits is in no sequence yet"
    assert usd(api)["pending"] == 391


def test_a_moment_never_changes_its_answer(
    merchant_id: UUID,
    platform: Platform,
    owner: psycopg.Connection[Any],
    app_database_url: str,
) -> None:
    """Asked while the sequencer is at work, and again when all is over."""
    ledger = Ledger(owner, merchant_id)
    stop = threading.Event()
    sequencing = Database(app_database_url)

    def sequence() -> None:
        sequencer = Sequencer(sequencing, SystemClock(), batch=3)
        while not stop.is_set():
            sequencer.run_once()

    def ask(moment: datetime) -> list[int]:
        found = balances_at(platform.database, merchant_id, livemode=False, as_of=moment)
        return [each.amount_minor for each in found]

    worker = threading.Thread(target=sequence)
    worker.start()
    asked: list[tuple[datetime, list[int]]] = []
    try:
        for _ in range(150):
            ledger.post([("debit", "customer_hold", 1), ("credit", "merchant_hold", 1)])
            now = datetime.now(UTC)
            asked.append((now, ask(now)))
    finally:
        stop.set()
        worker.join()
        sequencing.close()
    assert len({str(answer) for _, answer in asked}) > 10, "nothing moved"
    for moment, answer in asked:
        assert ask(moment) == answer


def test_moments_of_the_sequencer_are_whole_milliseconds_and_never_go_back() -> None:
    moment = datetime(2026, 11, 22, 12, 0, 0, 1, tzinfo=UTC)
    rounded = datetime(2026, 11, 22, 12, 0, 0, 1000, tzinfo=UTC)
    assert moment_after(None, moment) == rounded
    assert moment_after(None, rounded) == rounded
    assert moment_after(rounded, moment - timedelta(days=1)) == rounded


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("as_of=yesterday", "as_of"),
        ("as_of=", "as_of"),
        ("as_of=2999-01-01T00:00:00Z", "as_of"),
        ("as_of=2026-01-01T00:00:00+01:00", "as_of"),
        ("as_of=2026-01-01T00:00:00Z&as_of=2026-01-01T00:00:00Z", "as_of"),
        ("currency=usd", "currency"),
    ],
)
def test_wrong_parameters_are_named(api: Api, query: str, param: str) -> None:
    reply = api.get(f"/v1/balance?{query}")
    assert (reply.status, reply.json["error"]["param"]) == (400, param)


def test_an_offset_is_taken_when_its_plus_is_sent_as_such(api: Api) -> None:
    assert balance(api, "?as_of=2026-01-01T01:00:00%2B01:00")["as_of"] == "2026-01-01T00:00:00.000Z"


def test_nobody_sees_anothers(
    api: Api, new_merchant: Any, merchant_id: UUID, owner: psycopg.Connection[Any]
) -> None:
    Ledger(owner, merchant_id).post([("debit", "customer_hold", 9), ("credit", "merchant_hold", 9)])
    assert usd(api)["pending"] == 9
    assert usd(Api(new_merchant()))["pending"] == 0
