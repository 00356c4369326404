"""A function's process dies at each boundary of an operation; what is left is put right.

Each crash is a process that is really killed, with whatever it had committed by then. Afterwards
recovery runs with its clock moved on, and the merchant tries again with the same key.
"""

from __future__ import annotations

import os
import signal
import sys
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import psycopg
import pytest

from paywright import wiring
from paywright.db.connection import Lost
from paywright.db.payments import PostgresPayments
from paywright.errors import FxRateUnavailable
from paywright.fx.current import CurrentRates
from paywright.http.admission import Gate
from paywright.ids import parse_typeid
from paywright.payments.expiry import expire_due
from paywright.payments.notices import hear_notices
from paywright.payments.recovery import recover_due
from paywright.processors.bank_transfer import BankTransfers
from paywright.processors.simulator import Simulator
from paywright.wiring import Platform
from tests.api import Api, Reply, event_loop
from tests.clock_file import ClockFile
from tests.simulation import invariants
from tests.simulation.own_platform import agree, api, app_database_url, clock, owner, settle, url

__all__ = ["api", "app_database_url", "clock", "owner", "url"]

OPERATIONS = ("authorize", "sale", "capture", "void", "refund")
BOUNDARIES = (
    "before the first transaction",
    "after the first transaction",
    "before the processor",
    "after the processor",
    "before the second transaction",
    "after the second transaction",
    "after the cache",
)
_MIDDLE = BOUNDARIES[1:6]
CRASHES = (
    *product(OPERATIONS, BOUNDARIES),
    *product(("converted sale", "converted part", "transfer"), _MIDDLE),
)
_STORE_BEGINS = dict.fromkeys(
    ("authorize", "sale", "converted sale", "transfer"), "begin_authorization"
) | {
    "capture": "begin_operation",
    "converted part": "begin_operation",
    "void": "begin_operation",
    "refund": "begin_refund",
}
_PROCESSOR_DOES = {"sale": "authorize", "converted sale": "authorize", "converted part": "capture"}
Patch = Callable[..., Any]


def request_for(api: Api, operation: str) -> tuple[str, dict[str, Any]]:
    """A request of that kind, with the payment that it needs."""
    if operation in ("authorize", "sale", "converted sale", "transfer"):
        method = api.bank_account() if operation == "transfer" else api.card()
        body = {"amount": 1000, "payment_method_id": method, "capture": operation != "authorize"}
        currency = "eur" if operation == "converted sale" else "usd"
        return "/v1/payments", body | {"currency": currency}
    if operation == "converted part":
        parts = {"currency": "eur", "capture_method": "manual_multiple"}
        held = api.pay(api.card(), 1000, **parts).json["id"]
        return f"/v1/payments/{held}/capture", {"amount": 400}
    held = api.pay(api.card(), 1000, capture=operation == "refund").json["id"]
    return f"/v1/payments/{held}/{operation}", {}


def dying(call: Patch, *, before: bool) -> Patch:
    """The same call, but the process is killed before it or after it."""

    def die(*arguments: Any, **named: Any) -> None:
        if not before:
            call(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    return die


def place(operation: str, boundary: str) -> tuple[type, str]:
    """Where a boundary lies in the code."""
    if "processor" in boundary:
        if operation == "transfer":
            return BankTransfers, "authorize"
        return Simulator, _PROCESSOR_DOES.get(operation, operation)
    if "first" in boundary:
        return PostgresPayments, _STORE_BEGINS[operation]
    if "second" in boundary:
        # What is written of a transfer is that its bank will decide it.
        return PostgresPayments, "wait" if operation == "transfer" else "complete"
    return Gate, "finish"


def forked(run: Callable[[], None]) -> int:
    """Run something in a process of its own, with a platform of its own; how it ended."""
    pid = os.fork()
    if pid == 0:
        # Nothing of the parent's connections is used.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123
        wiring.platform.cache_clear()
        with event_loop():
            run()
        os._exit(0)
    return os.waitpid(pid, 0)[1]


def crash(api: Api, operation: str, boundary: str, path: str, body: Any, key: str) -> None:
    """Send the request in a process that is killed at the boundary."""

    def in_child() -> None:
        kind, name = place(operation, boundary)
        setattr(kind, name, dying(getattr(kind, name), before=boundary.startswith("before")))
        api.post(path, body, key=key)

    assert os.WIFSIGNALED(forked(in_child)), f"{operation} did not come to {boundary}"


def no_rate(*_: Any) -> None:
    raise FxRateUnavailable


def key_free_of_cache(platform: Platform) -> None:
    """A crashed request's lock lapses after 30 s of wall time; the tests do not wait for it."""
    platform.cache.send(("FLUSHDB",))


@pytest.mark.parametrize(("operation", "boundary"), CRASHES)
def test_a_crash_leaves_nothing_undecided(
    operation: str,
    boundary: str,
    api: Api,
    platform: Platform,
    owner: psycopg.Connection[Any],
    clock: ClockFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, body = request_for(api, operation)
    key = uuid.uuid4().hex
    crash(api, operation, boundary, path, body, key)
    key_free_of_cache(platform)
    invariants.check(owner)

    again = api.post(path, body, key=key)
    if boundary == "before the first transaction":
        assert again.status in (200, 201), again.text
    elif boundary in ("after the second transaction", "after the cache"):
        assert again.status in (200, 201), again.text
        assert again.headers["idempotent-replayed"] == "true"
    else:
        assert (again.status, again.json["error"]["code"]) == (409, "idempotency_key_in_progress")

    with monkeypatch.context() as patch:
        patch.setattr(CurrentRates, "rate", no_rate)  # what was begun has its own
        settle(platform, clock)
    if operation == "transfer":
        clock.advance(timedelta(days=7))
        hear_notices(platform.payments)
    assert owner.execute("SELECT count(*) FROM pending_operations").fetchone() == (0,)
    agree(owner, platform)
    invariants.check(owner)
    once_more = api.post(path, body, key=uuid.uuid4().hex)
    assert once_more.status in (200, 201, 409), once_more.text
    agree(owner, platform)
    invariants.check(owner)


@pytest.mark.parametrize("boundary", ["before", "between", "after"])
@pytest.mark.parametrize("kind", ["expire", "return", "refund_return"])
def test_housekeeping_dies_as_something_happens_by_itself(
    kind: str,
    boundary: str,
    api: Api,
    platform: Platform,
    owner: psycopg.Connection[Any],
    clock: ClockFile,
) -> None:
    payment_id, becomes = something_to_happen(kind, api, platform, clock)
    name = "complete" if boundary == "after" else "begin_by_itself"

    def in_child() -> None:
        real = getattr(PostgresPayments, name)
        setattr(PostgresPayments, name, dying(real, before=boundary == "before"))
        expire_due(wiring.platform().payments)
        hear_notices(wiring.platform().payments)

    assert os.WIFSIGNALED(forked(in_child)), f"{kind} did not come to its {name}"
    invariants.check(owner)
    settle(platform, clock)
    expire_due(platform.payments)
    assert owner.execute("SELECT count(*) FROM pending_operations").fetchone() == (0,)
    assert api.get(f"/v1/payments/{payment_id}").json["status"] == becomes
    happened = owner.execute(
        "SELECT count(*) FROM payment_operations WHERE kind = %s AND state = 'succeeded'", [kind]
    ).fetchone()
    assert happened == (1,), "once"
    invariants.check(owner)


def something_to_happen(
    kind: str, api: Api, platform: Platform, clock: ClockFile
) -> tuple[str, str]:
    """A payment to which it is about to happen, and what it is at afterwards."""
    week = timedelta(days=7, seconds=1)
    if kind == "expire":
        payment_id = api.pay(api.card(), 1000, capture=False).json["id"]
        becomes = "voided"
    elif kind == "return":
        payment_id = api.pay(api.bank_account("000555555559"), 1000).json["id"]
        clock.advance(week)
        assert hear_notices(platform.payments) == 1
        becomes = "failed"
    else:
        payment_id = api.pay(api.card("4000000000005126"), 1000).json["id"]
        assert api.post(f"/v1/payments/{payment_id}/refund", {}).json["status"] == "refunded"
        becomes = "captured"
    clock.advance(week)
    return payment_id, becomes


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_the_processor_did_is_what_the_merchant_is_told(
    operation: str,
    api: Api,
    platform: Platform,
    owner: psycopg.Connection[Any],
    clock: ClockFile,
) -> None:
    path, body = request_for(api, operation)
    crash(api, operation, "after the processor", path, body, "k")
    key_free_of_cache(platform)
    clock.advance(timedelta(minutes=5))
    recover_due(platform.payments)
    told = api.post(path, body, key="k")
    assert told.status in (200, 201), told.text
    assert told.headers["idempotent-replayed"] == "true"
    done = {"authorize": "authorized", "sale": "captured", "capture": "captured"}
    done |= {"void": "voided", "refund": "refunded"}
    assert told.json["status"] == done[operation]
    now = api.get(f"/v1/payments/{told.json['id']}").json
    assert now == {name: value for name, value in told.json.items() if name != "refund"}


@pytest.mark.parametrize("which", ["first", "second"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_commit_whose_answer_is_lost(
    operation: str,
    which: str,
    api: Api,
    platform: Platform,
    owner: psycopg.Connection[Any],
    clock: ClockFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, body = request_for(api, operation)
    name = _STORE_BEGINS[operation] if which == "first" else "complete"
    real = getattr(PostgresPayments, name)

    def lose(*arguments: Any, **named: Any) -> None:
        real(*arguments, **named)
        raise Lost

    with monkeypatch.context() as patch:
        patch.setattr(PostgresPayments, name, lose)
        said = api.post(path, body, key="k")
    if which == "first":
        assert said.status == 503, "nothing is known to have been charged, and nothing was"
    else:
        assert said.status in (200, 201)
    answers_hold(said, api)
    settle(platform, clock)
    agree(owner, platform)
    invariants.check(owner)
    if which == "second":
        answers_hold(said, api)


def answers_hold(said: Reply, api: Api) -> None:
    """An answer that is final stays true."""
    if said.status >= 300 or said.json["status"] == "pending":
        return
    now = api.get(f"/v1/payments/{said.json['id']}").json
    assert now["status"] == said.json["status"]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_request_that_arrives_after_it_was_given_up_does_nothing(
    operation: str,
    api: Api,
    platform: Platform,
    owner: psycopg.Connection[Any],
    clock: ClockFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from paywright.processors.base import Declined, Unknown

    path, body = request_for(api, operation)
    late: list[Callable[[], Any]] = []
    name = "authorize" if operation == "sale" else operation
    real = getattr(Simulator, name)

    def delay(*arguments: Any, **named: Any) -> None:
        late.append(lambda: real(*arguments, **named))
        raise Unknown("no answer in time")

    with monkeypatch.context() as patch:
        patch.setattr(Simulator, name, delay)
        said = api.post(path, body, key="k")
    assert said.json.get("refund", said.json)["status"] == "pending"
    clock.advance(timedelta(minutes=5))
    recover_due(platform.payments)  # not found: reversed
    assert isinstance(late[0](), Declined), "it arrives minutes late and finds itself reversed"
    settle(platform, clock)
    agree(owner, platform)
    invariants.check(owner)
    assert owner.execute(
        "SELECT count(*) FROM payment_operations WHERE state = 'failed'"
    ).fetchone() == (1,)


def test_a_processor_that_cannot_look_up_is_asked_to_reverse(
    api: Api,
    platform: Platform,
    owner: psycopg.Connection[Any],
    clock: ClockFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from paywright.processors.base import Unknown

    method, real = api.card(), Simulator.authorize

    def lose(*arguments: Any, **named: Any) -> None:
        real(*arguments, **named)
        raise Unknown("no answer in time")

    monkeypatch.setattr(Simulator, "can_look_up", False)
    with monkeypatch.context() as patch:
        patch.setattr(Simulator, "authorize", lose)
        payment_id = api.pay(method).json["id"]
    settle(platform, clock)
    assert api.get(f"/v1/payments/{payment_id}").json["status"] == "failed"
    agree(owner, platform)


def test_what_stays_unclear_is_left_to_a_person(
    api: Api, platform: Platform, owner: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from paywright.processors.base import Unknown

    def away(*_: Any, **__: Any) -> None:
        raise Unknown

    method = api.card("4000000000003006")
    payment_id = api.pay(method).json["id"]
    monkeypatch.setattr(Simulator, "lookup", away)
    ahead = timedelta(0)

    class Later:
        def now(self) -> Any:
            return platform.clock.now() + ahead

    later = Later()
    store = PostgresPayments(platform.database, later)
    services = replace(platform.payments, clock=later, store=store)
    for _ in range(60):
        ahead += timedelta(minutes=15)
        recover_due(services)
    row = owner.execute(
        "SELECT needs_person, attempts FROM pending_operations WHERE transaction_id = %s",
        [parse_typeid("txn", payment_id)],
    ).fetchone()
    assert row is not None
    assert row[0] is True
    assert row[1] <= 51, "bounded"
