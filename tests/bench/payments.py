"""Authorizations through the gateway with everything on, and where the time of one goes.

Fraud scoring, idempotency keys, rate limits, relay, ledger sequencer and signed webhooks to a live
receiver all run, on the same machine as the generator of the load. A function that says the same to
PostgreSQL and Valkey and thinks nothing, in place of `authorize`, tells what all the rest costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import psycopg

from tests.bench import payment_messages, systems
from tests.bench.figures import ratio
from tests.bench.payment_load import Job, Payments, send
from tests.bench.payment_sql import SqlAlone
from tests.bench.payment_system import System, started
from tests.bench.runs import Run

BENCH = "payments"
RATE = "authorizations, 16 clients, 1,000 merchants"
RATE_OF_ONE = "authorizations, 16 clients, one merchant"
RATE_OF_REPEAT = "the same messages without a thought, 16 clients, one merchant"
RATE_OF_SQL = "the same T1 and T2 alone, pgbench, 16 clients"
P50, P99 = "open loop at 500 a second, p50", "open loop at 500 a second, p99"
SLOW_P99 = "processor takes 100 ms, 200 a second, p99"
SLOW_ERRORS = "processor takes 100 ms, answers other than 201"
_SLOW_MS, _SLOW_PER_S = 100, 200.0
_CLIENTS, _MERCHANTS = 16, 1_000
_STEADY_PER_S, _STEADY_CLIENTS = 500.0, 32
_MODERATE_PER_S = 150.0
# Environments start under load only, one at a time, at some 0.3 s of processor time each, which
# would count as that of the authorizations meanwhile.
_WARM_S, _MOST_WARMINGS = 5.0, 8
_SHOWN_MS = 0.005

Payers = list[tuple[str, str]]


def measure(run: Run) -> None:
    """Start everything once; in every round each kind of load, one after the other."""
    run.say("payments: starting the whole system")
    with started(run.folder / "home") as system:
        sql = SqlAlone(run.folder, system.urls.database_url, system.urls.valkey_url)
        many, one = system.payers(_MERCHANTS), system.payers(1)
        _warm_up(system, Job(system.urls.gateway_url, many, _CLIENTS, _WARM_S))
        with _repeating(run, system, one) as repeat_url:
            for number in range(1, run.rounds + 1):
                run.say(f"payments: round {number} of {run.rounds}")
                _round(run, system, sql, many, one)
                done = send(Job(repeat_url, one, _CLIENTS, run.seconds))
                run.figures.add(BENCH, RATE_OF_REPEAT, "/s", systems.EMULATOR, done.per_s)
                if done.errors:
                    run.figures.remark(f"without a thought: {done.errors} requests failed")
        add = run.figures.add
        for size in system.memory_mb("authorize"):
            add(BENCH, "memory of an environment of authorize", "MB", systems.EMULATOR, size)
    _slow_processor(run)
    _expect(run)


@contextmanager
def _repeating(run: Run, system: System, one: Payers) -> Iterator[str]:
    """A gateway beside the system's, with a function that repeats one merchant's authorization."""
    messages = run.folder / "messages"
    payment_messages.record(messages, system.environment_of("authorize"), one[0])
    template = systems.HERE / "app" / "repeat.yaml"
    with systems.emulator(run.folder, template, "--param", f"Messages={messages}") as repeat:
        send(Job(repeat.url, one, _CLIENTS, _WARM_S))
        yield repeat.url


def _slow_processor(run: Run) -> None:
    """The same system with a processor that takes its time; environments wait for it, one each."""
    run.say(f"payments: a processor that takes {_SLOW_MS} ms")
    folder = run.folder / "slow"
    with started(folder, SimulatorLatencyMs=_SLOW_MS) as system:
        payers = system.payers(_MERCHANTS)
        job = Job(system.urls.gateway_url, payers, _STEADY_CLIENTS, _WARM_S, _SLOW_PER_S)
        _warm_up(system, job)
        add = run.figures.add
        for _ in range(run.rounds):
            done = send(replace(job, seconds=run.seconds))
            add(BENCH, SLOW_P99, "ms", systems.EMULATOR, done.p99_ms)
            add(BENCH, SLOW_ERRORS, "", systems.EMULATOR, done.errors)
        sizes = system.memory_mb("authorize")
        add(BENCH, "its environments of authorize", "", systems.EMULATOR, len(sizes))
        add(BENCH, "their memory together", "MB", systems.EMULATOR, sum(sizes))


def _round(run: Run, system: System, sql: SqlAlone, many: Payers, one: Payers) -> None:
    add = run.figures.add
    before, conflicts = system.cpu(), _Conflicts(system)
    done = _closed(system, many, run.seconds)
    used = {group: seconds - before[group] for group, seconds in system.cpu().items()}
    add(BENCH, RATE, "/s", systems.EMULATOR, done.per_s)
    add(BENCH, f"{RATE}, p50", "ms", systems.EMULATOR, done.p50_ms)
    add(BENCH, f"{RATE}, p99", "ms", systems.EMULATOR, done.p99_ms)
    used["generator"] = done.cpu_s
    for group in sorted(used, key=lambda each: -used[each]):
        cost_ms = used[group] / done.count * 1000
        if cost_ms >= _SHOWN_MS:
            add(BENCH, "processor time of one authorization", "ms", group, cost_ms)
    total_ms = sum(used.values()) / done.count * 1000
    add(BENCH, "processor time of one authorization, all", "ms", systems.EMULATOR, total_ms)
    for what, behind in system.waiting().items():
        add(BENCH, "behind when the load ends", "", what, behind)
    conflicts.add_to(run, done.count)
    errors = done.errors
    done = _closed(system, one, run.seconds)
    add(BENCH, RATE_OF_ONE, "/s", systems.EMULATOR, done.per_s)
    errors += done.errors
    for per_s in (_MODERATE_PER_S, _STEADY_PER_S):
        done = send(Job(system.urls.gateway_url, many, _STEADY_CLIENTS, run.seconds, per_s))
        add(BENCH, f"open loop at {per_s:.0f} a second, p50", "ms", systems.EMULATOR, done.p50_ms)
        add(BENCH, f"open loop at {per_s:.0f} a second, p99", "ms", systems.EMULATOR, done.p99_ms)
        errors += done.errors
    add(BENCH, "answers other than 201", "", systems.EMULATOR, errors)
    add(BENCH, RATE_OF_SQL, "/s", "PostgreSQL", sql.per_s(_CLIENTS, run.seconds))


def _warm_up(system: System, job: Job) -> None:
    """Put load on it until no more environments come."""
    ready = 0
    for _ in range(_MOST_WARMINGS):
        send(job)
        before, ready = ready, len(system.memory_mb("authorize"))
        if ready == before:
            return


def _closed(system: System, payers: Payers, seconds: float) -> Payments:
    return send(Job(system.urls.gateway_url, payers, _CLIENTS, seconds))


class _Conflicts:
    """What the database counts of transactions rolled back and of updates, from now on."""

    _ROLLED_BACK = "SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()"
    _UPDATES = """
        SELECT coalesce(sum(n_tup_upd), 0), coalesce(sum(n_tup_hot_upd), 0)
          FROM pg_stat_user_tables
         WHERE relname ~ '^(transactions|payment_operations|idempotency_keys)'
    """

    def __init__(self, system: System) -> None:
        self._url = system.urls.database_url
        self._before = self._now()

    def add_to(self, run: Run, payments: int) -> None:
        """Add the shares since then."""
        rolled_back, updates, hot = (
            now - before for now, before in zip(self._now(), self._before, strict=True)
        )
        add = run.figures.add
        share = rolled_back / payments * 100
        add(BENCH, "transactions rolled back, of authorizations", "%", "PostgreSQL", share)
        add(BENCH, "updates that are HOT", "%", "PostgreSQL", hot / max(updates, 1) * 100)

    def _now(self) -> Sequence[int]:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("SELECT pg_stat_force_next_flush()")
            row = connection.execute(self._ROLLED_BACK).fetchone()
            updates = connection.execute(self._UPDATES).fetchone()
        assert row is not None
        assert updates is not None
        return int(row[0]), int(updates[0]), int(updates[1])


def _expect(run: Run) -> None:
    figures = run.figures

    def median(quantity: str, system: str = systems.EMULATOR) -> float | None:
        return figures.median(BENCH, quantity, system)

    rate, of_sql = median(RATE), median(RATE_OF_SQL, "PostgreSQL")
    expect = figures.expect
    expect("payments: at least 500 authorizations a second", rate, "/s", at_least=500)
    expect("payments: at least 0.3 of what SQL alone does", ratio(rate, of_sql), "×", at_least=0.3)
    hot_merchant = ratio(median(RATE_OF_ONE), rate)
    expect("payments: one merchant at least 0.9 of 1,000", hot_merchant, "×", at_least=0.9)
    expect("payments: 500 a second, p50 at most 20 ms", median(P50), "ms", at_most=20)
    expect("payments: 500 a second, p99 at most 100 ms", median(P99), "ms", at_most=100)
    expect("payments: no error", median("answers other than 201"), "", at_most=0)
    rolled_back = median("transactions rolled back, of authorizations", "PostgreSQL")
    expect("payments: under 1 % serialization retries", rolled_back, "%", at_most=1)
    expect(
        "payments: all updates HOT", median("updates that are HOT", "PostgreSQL"), "%", at_least=99
    )
    expect("payments: processor of 100 ms, p99 at most 300 ms", median(SLOW_P99), "ms", at_most=300)
    expect("payments: processor of 100 ms, no error", median(SLOW_ERRORS), "", at_most=0)
    memory = median("memory of an environment of authorize")
    expect("payments: an environment at most 90 MB", memory, "MB", at_most=90)
