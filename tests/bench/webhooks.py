"""Webhooks beside payments: how soon they come, how many, and what one bad receiver does to others.

Everything runs on one machine, payments and their generator too. A delay is from an event's time,
just before its transaction is committed, to its arrival at the receiver.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import psycopg

from tests.bench import systems
from tests.bench.figures import percentile, ratio
from tests.bench.payment_load import Job, send
from tests.bench.payment_system import System, started
from tests.bench.runs import Run
from tests.bench.webhook_attack import attacking
from tests.bench.webhook_receiver import GOOD, HANGING, Received, Receivers, receivers

BENCH = "webhooks"
IDLE = "event to first attempt, idle system, p50"
BASE = "100 a second to 99 merchants, p95"
BESIDE = "the same, one more endpoint hanging with 5,000 events waiting, p95"
ATTACKED = "the same, six merchants giving endpoints that hang ever new URLs, p95"
RATE = "deliveries beside 300 authorizations a second"
BEHIND = "of these not delivered when the load ends"
_MERCHANTS, _ATTACKERS, _WAITING = 99, 6, 5_000
_UNDER_WAY = 50  # hang at most, and are recorded when they have
_PINGS, _PAUSE_S = 20, 0.15
_STEADY_PER_S, _FAIR_PER_S, _CLIENTS = 300.0, 100.0, 32
_WARM_S, _FAIR_S = 6.0, 15.0
_LIMIT_S = 60.0

_FILL = """
INSERT INTO outbox (id, merchant_id, livemode, type, object_id, sequence, payload, created_at)
SELECT overlay(uuidv7_floor(now())::text PLACING right(gen_random_uuid()::text, 12) FROM 25)::uuid,
       id, false, 'payment.captured', gen_random_uuid(), 1,
       json_build_object('id', 'evt', 'padding', repeat('x', 800)), now()
  FROM api_keys, generate_series(1, %(events)s)
 WHERE key_hash = sha256(%(api_key)s)
"""
_OWN = "(SELECT merchant_id FROM api_keys WHERE key_hash = sha256(%(api_key)s))"


@dataclass(frozen=True)
class _Bench:
    run: Run
    system: System
    receivers: Receivers
    good: Job
    bad: tuple[str, str]
    """The payer whose endpoint hangs."""
    attackers: list[str]
    """API keys."""

    def add(self, what: str, unit: str, value: float) -> None:
        self.run.figures.add(BENCH, what, unit, systems.EMULATOR, value)

    def execute(self, sql: str) -> int:
        """A statement about the merchant whose endpoint hangs; the first column, or 0."""
        given = {"api_key": self.bad[0].encode(), "events": _WAITING}
        with psycopg.connect(self.system.urls.database_url, autocommit=True) as connection:
            cursor = connection.execute(sql.encode(), given)
            row = cursor.fetchone() if cursor.description else None
        return int(row[0]) if row else 0

    def loaded(self, job: Job) -> Received:
        """What came while a job ran, and what of it came late."""
        self.receivers.take()
        done = send(job)
        self.add("answers other than 201", "", done.errors)
        time.sleep(1)
        return self.receivers.take()


def measure(run: Run) -> None:
    """Start everything once; in every round each of the loads."""
    run.say("webhooks: starting the whole system")
    with receivers() as receiving, started(run.folder / "home") as system:
        payers = system.payers(_MERCHANTS + 1 + _ATTACKERS)
        with psycopg.connect(system.urls.database_url, autocommit=True) as connection:
            connection.execute("UPDATE webhook_endpoints SET url = %s", [receiving.url(GOOD)])
        url = system.urls.gateway_url
        good = Job(url, payers[1 + _ATTACKERS :], _CLIENTS, run.seconds, _STEADY_PER_S)
        attackers = [api_key for api_key, _ in payers[1 : 1 + _ATTACKERS]]
        bench = _Bench(run, system, receiving, good, payers[0], attackers)
        bench.execute(
            f"UPDATE webhook_endpoints SET url = '{receiving.url(HANGING)}'"
            f" WHERE merchant_id = {_OWN}"
        )
        for _ in range(2):
            send(replace(good, seconds=_WARM_S))
        for number in range(1, run.rounds + 1):
            run.say(f"webhooks: round {number} of {run.rounds}")
            _idle(bench)
            _rate(bench)
            _fairness(bench)
            _attacked(bench)
    _expect(run)


def _idle(bench: _Bench) -> None:
    time.sleep(2)
    bench.receivers.take()
    for _ in range(_PINGS):
        send(replace(bench.good, clients=1, per_s=None, seconds=0.001))
        time.sleep(_PAUSE_S)
    time.sleep(1)
    bench.add(IDLE, "ms", percentile(bench.receivers.take().delays_ms, 50))


def _rate(bench: _Bench) -> None:
    bench.receivers.take()
    before = bench.system.cpu()
    job = replace(bench.good, seconds=max(bench.run.seconds, 8.0))
    done = send(job)
    now = bench.receivers.take()
    used = {name: spent - before[name] for name, spent in bench.system.cpu().items()}
    bench.add("authorizations meanwhile", "/s", done.per_s)
    bench.add(RATE, "/s", len(now.delays_ms) / job.seconds)
    bench.add(BEHIND, "", done.count - len(now.delays_ms))
    for function in ("webhook", "webhook_due"):
        spent_ms = used.get(function, 0.0) / max(len(now.delays_ms), 1) * 1000
        bench.add(f"processor time of {function} for each delivery", "ms", spent_ms)
    time.sleep(1)
    bench.receivers.take()


def _fairness(bench: _Bench) -> None:
    fair = replace(bench.good, per_s=_FAIR_PER_S, seconds=_FAIR_S)
    bench.add(BASE, "ms", percentile(bench.loaded(fair).delays_ms, 95))
    bench.execute(_FILL)
    began = time.monotonic()
    _until(
        lambda: (
            bench.execute(f"SELECT count(*) FROM webhook_waiting WHERE merchant_id = {_OWN}")
            >= _WAITING
        )
    )
    bench.add("5,000 events of it set aside within", "s", time.monotonic() - began)
    # What is known of it is forgotten: that it hangs has to be found out under load.
    bench.execute(
        "UPDATE webhook_endpoints SET slow = false, failing_since = NULL, rest_until = NULL,"
        f" failures = 0, answered_at = now() WHERE merchant_id = {_OWN}"
    )
    every_tenth = [*fair.payers[:9], bench.bad]
    came = bench.loaded(replace(fair, payers=every_tenth, per_s=_FAIR_PER_S / 0.9))
    bench.add(BESIDE, "ms", percentile(came.delays_ms, 95))
    bench.add("requests to the one that hangs", "", came.hung)
    bench.execute(f"DELETE FROM webhook_waiting WHERE merchant_id = {_OWN}")


def _attacked(bench: _Bench) -> None:
    fair = replace(bench.good, per_s=_FAIR_PER_S, seconds=_FAIR_S)
    with attacking(bench.good.url, bench.attackers, bench.receivers.url(HANGING)):
        came = bench.loaded(fair)
    bench.add(ATTACKED, "ms", percentile(came.delays_ms, 95))
    bench.add("the same, the longest", "ms", max(came.delays_ms, default=0.0))
    bench.add("requests that hung meanwhile", "", came.hung)


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _LIMIT_S
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {_LIMIT_S:.0f} s")
        time.sleep(0.1)


def _expect(run: Run) -> None:
    def median(quantity: str) -> float | None:
        return run.figures.median(BENCH, quantity, systems.EMULATOR)

    expect = run.figures.expect
    expect("webhooks: idle, event to attempt p50 at most 150 ms", median(IDLE), "ms", at_most=150)
    expect("webhooks: at least 100 deliveries a second", median(RATE), "/s", at_least=100)
    slowed = ratio(median(BESIDE), median(BASE))
    expect("webhooks: one that hangs slows others at most 2 times", slowed, "×", at_most=2)
    slowed = ratio(median(ATTACKED), median(BASE))
    expect("webhooks: six that attack slow others at most 2 times", slowed, "×", at_most=2)
