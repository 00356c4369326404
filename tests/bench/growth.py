"""The rate of authorizations beside a history: with no payments stored, and with 5,000,000.

Two whole systems run at once, each idle while the other is under load, and take turns. Filling the
second takes some ten minutes and 25 GB of disk, so that this benchmark runs only by its name.
"""

from __future__ import annotations

from tests.bench.figures import ratio
from tests.bench.payment_history import store
from tests.bench.payment_load import Job, send
from tests.bench.payment_system import System, started
from tests.bench.runs import Run

BENCH = "growth"
_STORED = 5_000_000
_CLIENTS, _MERCHANTS, _WARM_S = 16, 1_000, 6.0
RATE = "authorizations, 16 clients"


def measure(run: Run) -> None:
    """Fill one system and put load on both in turn."""
    full_label = f"{_STORED:,} stored"
    with (
        started(run.folder / "empty") as empty,
        started(run.folder / "full") as full,
    ):
        jobs = {"none stored": _job(empty, run.seconds), full_label: _job(full, run.seconds)}
        for job in jobs.values():
            send(Job(job.url, job.payers, _CLIENTS, _WARM_S))
        store(full.urls.database_url, _STORED, run.say)
        for job in jobs.values():
            send(Job(job.url, job.payers, _CLIENTS, _WARM_S))
        for number in range(run.rounds):
            for label, job in jobs.items():
                run.say(f"growth: round {number + 1} of {run.rounds}, {label}")
                done = send(job)
                assert not done.errors, f"{done.errors} answers other than 201"
                run.figures.add(BENCH, RATE, "/s", label, done.per_s)
                run.figures.add(BENCH, f"{RATE}, p99", "ms", label, done.p99_ms)
    rates = [run.figures.median(BENCH, RATE, label) for label in (full_label, "none stored")]
    wanted = f"growth: beside {_STORED:,} payments at least 0.9 of the rate without"
    run.figures.expect(wanted, ratio(*rates), "×", at_least=0.9)


def _job(system: System, seconds: float) -> Job:
    return Job(system.urls.gateway_url, system.payers(_MERCHANTS), _CLIENTS, seconds)
