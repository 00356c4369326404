"""Fifty at once on one payment: exactly one wins where only one may, all where all fit.

Each race is run with several orders of start, with many by `make races`; a failure names its seed.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from paywright.clock import Clock
from paywright.db.payments import PostgresPayments
from paywright.money import Currency, Money
from paywright.payments.authorize import Authorize, authorize
from paywright.payments.capture import Capture, capture
from paywright.payments.expiry import expire_due
from paywright.payments.models import Answer
from paywright.payments.refund import RefundWanted, refund
from paywright.payments.states import CaptureMethod
from paywright.payments.void import void
from paywright.wiring import Platform
from tests.services import Servers
from tests.simulation import invariants
from tests.simulation.crew import Crew, context, crew, outcomes, seeds

RACERS = 50
Job = Callable[[Platform], Answer]

pytestmark = [
    pytest.mark.xdist_group("races"),
    pytest.mark.parametrize("seed", seeds(4)),
]


@pytest.fixture(scope="module")
def racers(servers: Servers, valkey_url: str) -> Iterator[Crew]:
    name = f"races_{uuid.uuid4().hex[:8]}"
    with crew(servers, servers.create_database(name), valkey_url, RACERS) as made:
        yield made
    servers.drop_database(name)


def capturing(crew: Crew, payment_id: uuid.UUID, amount: int | None = None) -> Job:
    return lambda platform: capture(
        platform.payments, crew.caller, Capture(payment_id, amount), context()
    )


def voiding(crew: Crew, payment_id: uuid.UUID) -> Job:
    return lambda platform: void(platform.payments, crew.caller, payment_id, context())


def refunding(crew: Crew, payment_id: uuid.UUID, amount: int) -> Job:
    wanted = RefundWanted(payment_id, amount, None, {})
    return lambda platform: refund(platform.payments, crew.caller, wanted, context())


def test_refunds_of_sixty_percent(racers: Crew, seed: int) -> None:
    payment_id = racers.pay(1000, CaptureMethod.AUTOMATIC)
    results = racers.at_once([refunding(racers, payment_id, 600)] * RACERS, seed)
    assert outcomes(results) == {"ok": 1, "refund_exceeds_capture": RACERS - 1}
    assert racers.payment(payment_id)["refunded_amount"] == 600
    invariants.check(racers.owner)


def test_refunds_of_two_percent_all_succeed(racers: Crew, seed: int) -> None:
    payment_id = racers.pay(1000, CaptureMethod.AUTOMATIC)
    results = racers.at_once([refunding(racers, payment_id, 20)] * RACERS, seed)
    assert outcomes(results) == {"ok": RACERS}
    after = racers.payment(payment_id)
    assert (after["status"], after["refunded_amount"]) == ("refunded", 1000)
    assert after["settlement_refunded_amount"] == after["settlement_amount"]
    invariants.check(racers.owner)


def test_capture_against_void(racers: Crew, seed: int) -> None:
    payment_id = racers.pay(1000, CaptureMethod.MANUAL)
    half = RACERS // 2
    jobs = [capturing(racers, payment_id)] * half + [voiding(racers, payment_id)] * half
    counted = outcomes(racers.at_once(jobs, seed))
    assert counted.pop("ok") == 1
    assert set(counted) <= {
        "operation_in_progress",
        "payment_not_capturable",
        "payment_not_voidable",
    }
    assert racers.payment(payment_id)["status"] in {"captured", "voided"}
    invariants.check(racers.owner)


def test_two_partial_captures(racers: Crew, seed: int) -> None:
    payment_id = racers.pay(1000, CaptureMethod.MANUAL)
    jobs = [capturing(racers, payment_id, 400 + number) for number in range(RACERS)]
    counted = outcomes(racers.at_once(jobs, seed))
    assert counted.pop("ok") == 1
    assert set(counted) <= {"operation_in_progress", "payment_not_capturable"}
    after = racers.payment(payment_id)
    assert after["status"] == "captured"
    assert 400 <= after["captured_amount"] < 450
    invariants.check(racers.owner)


def test_capture_against_expiry(racers: Crew, seed: int) -> None:
    payment_id = racers.pay(1000, CaptureMethod.MANUAL)
    expired: list[int] = []

    def expiring(platform: Platform) -> Answer:
        clock = Ahead(platform.clock, timedelta(days=7, seconds=1))
        store = PostgresPayments(platform.database, clock)
        late = replace(platform.payments, clock=clock, store=store)
        expired.append(expire_due(late))
        return Answer(200, "")

    half = RACERS // 2
    jobs = [capturing(racers, payment_id)] * half + [expiring] * half
    results = racers.at_once(jobs, seed)
    captured = sum(isinstance(result, Answer) for result in results[:half])
    status = racers.payment(payment_id)["status"]
    assert (captured, sum(expired), status) in [(1, 0, "captured"), (0, 1, "voided")]
    invariants.check(racers.owner)


def test_one_key_many_times(racers: Crew, seed: int) -> None:
    key = uuid.uuid4().hex
    wanted = Authorize(
        Money(1000, Currency.of("usd")),
        racers.method,
        None,
        CaptureMethod.AUTOMATIC,
        False,
        None,
        {},
    )

    def paying(platform: Platform) -> Answer:
        return authorize(platform.payments, racers.caller, wanted, context(key))

    results = racers.at_once([paying] * RACERS, seed)
    counted = outcomes(results)
    bodies = {result.body for result in results if isinstance(result, Answer)}
    assert len(bodies) == 1, "one effect, and one answer for all"
    assert set(counted) <= {"ok", "idempotency_key_in_progress"}
    fresh = [result for result in results if isinstance(result, Answer) and not result.replayed]
    assert len(fresh) == 1
    made = racers.owner.execute(
        "SELECT count(*) FROM payment_operations WHERE idempotency_key = %s", [key]
    ).fetchone()
    assert made == (1,)
    invariants.check(racers.owner)


def disputing(crew: Crew, payment_id: uuid.UUID, *, unseen: bool = False) -> bool:
    """The network takes its money whatever we think of it: only the CHECK may stand against it.

    Where it is `unseen` the payment's version stays, as if it had been read a moment later.
    """
    dsn, password = crew.owner.info.dsn, crew.owner.info.password
    with psycopg.connect(dsn, password=password, autocommit=True) as connection:
        try:
            done = connection.execute(
                "UPDATE transactions SET disputed_amount = 700, version = version + %s"
                " WHERE id = %s AND disputed_amount = 0",
                [int(not unseen), payment_id],
            )
        except psycopg.errors.CheckViolation:
            return False
    return done.rowcount == 1


def test_disputes_after_refunds(racers: Crew, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some refunds have taken too much for a dispute of 700, and others are about to."""
    payment_id = racers.pay(1000, CaptureMethod.AUTOMATIC)
    real, too_much = PostgresPayments.begin_refund, threading.Event()
    begun: list[bool] = []

    def begin(*arguments: Any) -> bool:
        has_begun = real(*arguments)
        begun.append(has_begun)
        if sum(begun) * 40 > 1000 - 700:
            too_much.set()
        return has_begun

    def dispute(_: Platform) -> Answer:
        assert too_much.wait(timeout=30)
        return Answer(200 if disputing(racers, payment_id) else 409, "")

    monkeypatch.setattr(PostgresPayments, "begin_refund", begin)
    jobs = [refunding(racers, payment_id, 40)] * (RACERS - 5) + [dispute] * 5
    results = racers.at_once(jobs, seed)
    disputes = [each.status for each in results[-5:] if isinstance(each, Answer)]
    assert disputes == [409] * 5
    counted = outcomes(results[:-5])
    assert counted.pop("ok") == 25
    assert set(counted) == {"payment_not_refundable"}
    after = racers.payment(payment_id)
    assert (after["refunded_amount"], after["disputed_amount"]) == (1000, 0)
    invariants.check(racers.owner)


def test_a_dispute_between_reading_and_refunding(
    racers: Crew, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All refunds have read the payment as it was before the dispute, and write after it."""
    payment_id = racers.pay(1000, CaptureMethod.AUTOMATIC)
    real, here = PostgresPayments.begin_refund, threading.local()
    read, disputed = threading.Barrier(RACERS), threading.Barrier(RACERS)

    def begin(*arguments: Any) -> bool:
        if not hasattr(here, "has_waited"):
            here.has_waited = True
            read.wait(timeout=30)
            disputed.wait(timeout=30)
        return real(*arguments)

    def dispute(_: Platform) -> Answer:
        read.wait(timeout=30)
        assert disputing(racers, payment_id, unseen=True)
        disputed.wait(timeout=30)
        return Answer(200, "")

    monkeypatch.setattr(PostgresPayments, "begin_refund", begin)
    jobs = [refunding(racers, payment_id, 400)] * (RACERS - 1) + [dispute]
    counted = outcomes(racers.at_once(jobs, seed))
    assert counted == {"ok": 1, "refund_exceeds_capture": RACERS - 1}
    after = racers.payment(payment_id)
    assert (after["refunded_amount"], after["disputed_amount"]) == (0, 700)
    invariants.check(racers.owner)


class Ahead:
    """A clock ahead of another."""

    def __init__(self, clock: Clock, by: timedelta) -> None:
        self._clock, self._by = clock, by

    def now(self) -> datetime:
        return self._clock.now() + self._by
