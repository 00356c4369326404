"""What recovery, notices and expiry make of awkward moments: silences, crowds, two deciders."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import psycopg
import pytest

from paywright.db.connection import Lost
from paywright.db.payments import PostgresPayments
from paywright.errors import FxRateUnavailable, OperationInProgress
from paywright.fx.current import CurrentRates
from paywright.payments.expiry import expire_due
from paywright.payments.notices import hear_notices
from paywright.payments.recovery import LOOK_AGAIN_AFTER, recover_due
from paywright.payments.states import CaptureMethod, Operation
from paywright.payments.writes import OperationIntent, Wait
from paywright.processors.bank_transfer import BankTransfers
from paywright.processors.base import Unknown
from paywright.processors.breaker import CircuitBreaker
from paywright.processors.simulator import Simulator
from paywright.wiring import Platform
from tests.api import Api
from tests.clock_file import ClockFile
from tests.services import Servers
from tests.simulation import invariants
from tests.simulation.crew import context, crew
from tests.simulation.own_platform import agree, api, app_database_url, clock, owner, settle, url

__all__ = ["api", "app_database_url", "clock", "owner", "url"]

_WEEK = timedelta(days=7)


def losing(call: Callable[..., Any]) -> Callable[..., Any]:
    """The same call, whose answer never comes."""

    def lose(*arguments: Any, **named: Any) -> None:
        call(*arguments, **named)
        raise Unknown("no answer in time")

    return lose


def undecided(owner: psycopg.Connection[Any]) -> list[Any]:
    return owner.execute("SELECT kind, needs_person FROM pending_operations").fetchall()


@pytest.mark.parametrize("operation", ["capture", "void", "refund"])
def test_recovery_decides_while_the_processor_answers(
    operation: str,
    api: Api,
    platform: Platform,
    owner: psycopg.Connection[Any],
    clock: ClockFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    payment_id = api.pay(
        api.card(),
        1000,
        capture_method="automatic" if operation == "refund" else "manual_multiple",
    ).json["id"]
    real = getattr(Simulator, operation)

    def slow(*arguments: Any, **named: Any) -> Any:
        answer = real(*arguments, **named)
        clock.advance(timedelta(minutes=5))
        assert recover_due(platform.payments).decided == 1
        return answer

    body = {} if operation == "void" else {"amount": 600}
    with monkeypatch.context() as patch:
        patch.setattr(Simulator, operation, slow)
        reply = api.post(f"/v1/payments/{payment_id}/{operation}", body, key="k")
    assert reply.status in (200, 201), reply.text
    again = api.post(f"/v1/payments/{payment_id}/{operation}", body, key="k")
    assert (again.status, again.text) == (reply.status, reply.text)
    agree(owner, platform)
    invariants.check(owner)


def test_a_decline_that_recovery_heard_first_is_a_decline(
    api: Api, owner: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = PostgresPayments.complete
    body = {"amount": 1000, "currency": "usd", "payment_method_id": api.card("4000000000000002")}

    def lose(*arguments: Any) -> None:
        real(*arguments)
        raise Lost

    with monkeypatch.context() as patch:
        patch.setattr(PostgresPayments, "complete", lose)
        reply = api.post("/v1/payments", body, key="k")
    assert (reply.status, reply.json["error"]["decline_code"]) == (402, "generic_decline")
    assert api.post("/v1/payments", body, key="k").status == 402
    assert owner.execute("SELECT count(*) FROM idempotency_keys WHERE key = 'k'").fetchone() == (0,)


def test_a_transfer_comes_back_while_a_refund_begins(
    api: Api,
    platform: Platform,
    owner: psycopg.Connection[Any],
    clock: ClockFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    payment_id = api.pay(api.bank_account("000555555559"), 1000).json["id"]
    clock.advance(_WEEK)
    assert hear_notices(platform.payments) == 1
    clock.advance(_WEEK)
    real = PostgresPayments.begin_by_itself
    said: list[Any] = []

    def then_refund(*arguments: Any) -> bool:
        begun = real(*arguments)
        if begun and not said:
            said.append(api.post(f"/v1/payments/{payment_id}/refund", {"amount": 400}, key="r"))
        return begun

    monkeypatch.setattr(BankTransfers, "refund", losing(BankTransfers.refund))
    with monkeypatch.context() as patch:
        patch.setattr(PostgresPayments, "begin_by_itself", then_refund)
        hear_notices(platform.payments)
    assert said[0].status == 201
    for _ in range(3):
        settle(platform, clock)
    assert undecided(owner) == []
    shown = api.get(f"/v1/payments/{payment_id}").json
    assert (shown["status"], shown["pending_refund_amount"]) == ("failed", 0)
    invariants.check(owner)


def test_a_pending_refund_whose_answer_was_lost_waits_for_its_notice(
    api: Api,
    platform: Platform,
    owner: psycopg.Connection[Any],
    clock: ClockFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    payment_id = api.pay(api.card("4000000000007726"), 1000).json["id"]
    with monkeypatch.context() as patch:
        patch.setattr(Simulator, "refund", losing(Simulator.refund))
        refund = api.post(f"/v1/payments/{payment_id}/refund", {"amount": 600}).json["refund"]
    assert refund["pending_reason"] == "processor_unknown"
    for _ in range(3):
        clock.advance(timedelta(minutes=5))
        recover_due(platform.payments)
    waiting = api.get(f"/v1/refunds/{refund['id']}").json
    assert (waiting["status"], waiting["pending_reason"]) == ("pending", "processor_pending")
    clock.advance(_WEEK)
    hear_notices(platform.payments)
    assert api.get(f"/v1/refunds/{refund['id']}").json["status"] == "succeeded"
    assert undecided(owner) == []


def test_a_month_of_notices_is_heard_in_one_round(
    api: Api, platform: Platform, owner: psycopg.Connection[Any], clock: ClockFile
) -> None:
    account = api.bank_account()
    for _ in range(120):
        assert api.pay(account, 1000).status == 201
    clock.advance(timedelta(days=31))
    assert hear_notices(platform.payments, limit=25) == 120
    recover_due(platform.payments)
    captured = owner.execute("SELECT status, count(*) FROM transactions GROUP BY 1").fetchall()
    assert captured == [("captured", 120)]


def test_a_notice_that_never_comes_is_left_to_a_person(
    api: Api,
    platform: Platform,
    owner: psycopg.Connection[Any],
    clock: ClockFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api.pay(api.bank_account(), 1000)
    clock.advance(timedelta(days=31))
    with monkeypatch.context() as patch:
        patch.setattr(BankTransfers, "notices", lambda *_, **__: [])
        assert recover_due(platform.payments).left_to_a_person == 1
    assert undecided(owner) == [("authorize", True)]
    hear_notices(platform.payments)
    assert undecided(owner) == [], "it may still come"


@pytest.mark.parametrize("kept", [True, False])
def test_a_rate_that_is_long_away_strands_nothing(
    kept: bool,
    api: Api,
    platform: Platform,
    owner: psycopg.Connection[Any],
    clock: ClockFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    card = api.card()
    with monkeypatch.context() as patch:
        patch.setattr(Simulator, "authorize", losing(Simulator.authorize))
        payment_id = api.pay(card, 1000, currency="eur").json["id"]

    if not kept:  # as of an operation that was begun before rates were
        owner.execute("UPDATE payment_operations SET fx_rate = NULL")

    def none(*_: Any) -> None:
        raise FxRateUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(CurrentRates, "rate", none)
        for _ in range(1 if kept else 60):
            clock.advance(timedelta(minutes=15))
            recover_due(platform.payments)
    if not kept:
        assert undecided(owner) == [("authorize", True)], "bounded"
        owner.execute("UPDATE pending_operations SET needs_person = false, attempts = 0")
        clock.advance(timedelta(minutes=2))
        recover_due(platform.payments)
    assert api.get(f"/v1/payments/{payment_id}").json["status"] == "captured"


@pytest.mark.parametrize("unheard", [set(), {0}, {0, 1, 2}, {0, 1, 2, 3, 4}, {1, 2, 3}, {2, 3, 5}])
def test_what_never_arrived_is_looked_up_for_a_day_whatever_is_not_answered(
    unheard: set[int],
    api: Api,
    platform: Platform,
    owner: psycopg.Connection[Any],
    clock: ClockFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`unheard` are the looks that get no answer."""
    looks, reversals, answered = count(), list[datetime](), list[datetime]()
    look_up, reverse = Simulator.lookup, Simulator.reverse

    def looked(*arguments: Any) -> Any:
        if next(looks) in unheard:
            raise Unknown
        answered.append(platform.clock.now())
        return look_up(*arguments)

    def reversed_(*arguments: Any) -> None:
        reverse(*arguments)
        reversals.append(platform.clock.now())

    card = api.card()
    monkeypatch.setattr(Simulator, "lookup", looked)
    monkeypatch.setattr(Simulator, "reverse", reversed_)
    with monkeypatch.context() as patch:
        patch.setattr(Simulator, "authorize", silent)
        payment_id = api.pay(card, 1000).json["id"]
    while due := owner.execute("SELECT due_at FROM pending_operations").fetchone():
        assert api.get(f"/v1/payments/{payment_id}").json["status"] == "pending"
        clock.advance(due[0] - platform.clock.now())
        recover_due(platform.payments)
    assert api.get(f"/v1/payments/{payment_id}").json["status"] == "failed"
    late = answered[-1] - reversals[0] - sum(LOOK_AGAIN_AFTER, timedelta())
    assert timedelta(seconds=-1) < late < timedelta(minutes=16)
    assert len(reversals) == len(answered) - 1 == len(LOOK_AGAIN_AFTER)


def silent(*_: Any, **__: Any) -> None:
    raise Unknown("it never arrives")


@pytest.mark.parametrize(
    ("away", "is_left"), [(timedelta(hours=11), False), (timedelta(hours=13), True)]
)
def test_a_processor_may_be_away_for_a_night_before_a_person_is_asked(
    away: timedelta,
    is_left: bool,
    api: Api,
    platform: Platform,
    owner: psycopg.Connection[Any],
    clock: ClockFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    card = api.card()
    with monkeypatch.context() as patch:
        patch.setattr(Simulator, "authorize", losing(Simulator.authorize))
        patch.setattr(Simulator, "lookup", silent)
        payment_id = api.pay(card, 1000).json["id"]
        back_at = platform.clock.now() + away
        while platform.clock.now() < back_at:
            clock.advance(timedelta(minutes=1))
            recover_due(platform.payments)
    assert undecided(owner) == [("authorize", is_left)]
    clock.advance(timedelta(minutes=15))
    recover_due(platform.payments)
    status = api.get(f"/v1/payments/{payment_id}").json["status"]
    assert status == ("pending" if is_left else "captured")


def test_holds_behind_undecided_ones_expire(
    api: Api,
    platform: Platform,
    clock: ClockFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    card = api.card()
    held = [api.pay(card, 100, capture=False).json["id"] for _ in range(6)]

    def lost(*_: Any, **__: Any) -> None:
        raise Unknown

    monkeypatch.setattr(CircuitBreaker, "check", lambda _: None)
    monkeypatch.setattr(Simulator, "capture", lost)
    monkeypatch.setattr(Simulator, "lookup", lost)
    for payment_id in held[:5]:
        api.post(f"/v1/payments/{payment_id}/capture", {})
    clock.advance(_WEEK + timedelta(seconds=1))
    assert expire_due(platform.payments, limit=5) == 1
    assert api.get(f"/v1/payments/{held[5]}").json["status"] == "voided"


def test_a_hold_that_cannot_be_released_holds_up_no_other(
    api: Api, platform: Platform, clock: ClockFile, owner: psycopg.Connection[Any]
) -> None:
    card = api.card()
    held = [api.pay(card, 100, capture=False).json["id"] for _ in range(2)]
    owner.execute(
        "UPDATE transactions SET settlement_currency = 'zzz' WHERE id ="
        " (SELECT transaction_id FROM authorization_expiries ORDER BY expires_at LIMIT 1)"
    )
    clock.advance(_WEEK + timedelta(seconds=1))
    assert expire_due(platform.payments, limit=1) == 0
    assert expire_due(platform.payments, limit=1) == 1
    assert api.get(f"/v1/payments/{held[1]}").json["status"] == "voided"


def test_a_hold_found_late_lasts_from_its_authorization(
    api: Api, platform: Platform, clock: ClockFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = api.card()
    with monkeypatch.context() as patch:
        patch.setattr(Simulator, "authorize", losing(Simulator.authorize))
        made = api.pay(card, 1000, capture=False).json
    clock.advance(timedelta(days=3))
    recover_due(platform.payments)
    shown = api.get(f"/v1/payments/{made['id']}").json
    assert shown["status"] == "authorized"
    assert shown["expires_at"][:10] == day_after(made["created_at"], _WEEK)


def day_after(created_at: str, by: timedelta) -> str:
    return (datetime.fromisoformat(created_at) + by).date().isoformat()


def test_waiting_and_beginning_do_not_block_each_other(servers: Servers, valkey_url: str) -> None:
    name = "deadlock"
    rounds = 300
    with crew(servers, servers.create_database(name), valkey_url, 2) as racers:
        payment_id = racers.pay(1000, CaptureMethod.MANUAL)
        one, two = racers.platforms
        store = one.payments.store
        payment = store.find_payment(racers.caller.merchant_id, False, payment_id)
        assert payment is not None

        def intent() -> OperationIntent:
            due_at = one.clock.now() + timedelta(hours=1)
            amount = payment.money(1000)
            return OperationIntent(one.ids.new(), Operation.CAPTURE, amount, True, due_at)

        first = intent()
        assert store.begin_operation(racers.caller, payment, first, context())
        wait = Wait(first.id, None, "processor_unknown", first.due_at)
        failures: list[Exception] = []

        def waiting() -> None:
            for _ in range(rounds):
                try:
                    assert store.wait(payment, wait)
                except Exception as error:
                    failures.append(error)

        def beginning() -> None:
            for _ in range(rounds):
                try:
                    with suppress(OperationInProgress):
                        two.payments.store.begin_operation(
                            racers.caller, payment, intent(), context()
                        )
                except Exception as error:
                    failures.append(error)

        threads = [threading.Thread(target=each) for each in (waiting, beginning)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
    servers.drop_database(name)
