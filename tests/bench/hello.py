"""A function that greets, behind the gateway: one client after the other, and sixteen at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import partial

from tests.bench import load, systems
from tests.bench.figures import ratio
from tests.bench.processes import NotReady, cpu_s, descendants
from tests.bench.runs import Run
from tests.bench.systems import Running

BENCH = "hello"
RATE = "16 clients"
P99 = "16 clients, p99"
P50 = "1 client, p50"
CPU = "16 clients, CPU a request"
_WARM_UP_S = 3


def measure(run: Run) -> None:
    """Measure all systems in turn, round by round, so that noise falls on all of them."""
    run.figures.remark(f"load from {load.generator()}")
    with ExitStack() as stack:
        template = systems.HERE / "app" / "template.yaml"
        own = stack.enter_context(systems.emulator(run.folder, template))
        found = {systems.EMULATOR: replace(own, url=f"{own.url}/hello")}
        if run.with_peers:
            found |= _peers(run, stack)
        for name, system in found.items():
            run.say(f"hello: warming up {name}")
            load.closed_loop(system.url, 16, _WARM_UP_S)
        for number in range(1, run.rounds + 1):
            for name, system in found.items():
                run.say(f"hello: round {number} of {run.rounds}, {name}")
                _one(run, name, system)
    _judge(run, found)


def _peers(run: Run, stack: ExitStack) -> dict[str, Running]:
    """Start the peers that are installed and come up."""
    folder = systems.install_serverless(run.cache, run.say)
    starts: list[Callable[[], AbstractContextManager[dict[str, Running]]]] = []
    if folder is not None:
        starts.append(partial(systems.serverless, folder))
    starts.append(partial(systems.ministack, run.folder))
    found: dict[str, Running] = {}
    for start in starts:
        run.say("hello: starting a peer")
        try:
            found |= stack.enter_context(start())
        except NotReady as late:
            run.figures.remark(f"left out: {late}")
    return found


def _one(run: Run, name: str, system: Running) -> None:
    add = run.figures.add
    before = _cpu_s(system)
    many = load.closed_loop(system.url, 16, run.seconds)
    used_s = _cpu_s(system) - before
    add(BENCH, RATE, "requests/s", name, many.requests_per_s)
    add(BENCH, P99, "ms", name, many.p99_ms)
    add(BENCH, CPU, "µs", name, used_s / (many.requests_per_s * run.seconds) * 1e6)
    one = load.closed_loop(system.url, 1, max(1.0, run.seconds / 2))
    add(BENCH, P50, "ms", name, one.p50_ms)
    if many.failures or one.failures:
        run.figures.remark(f"{name}: {many.failures + one.failures} requests failed")


def _cpu_s(system: Running) -> float:
    """CPU time of a system and all that it started and that still runs."""
    return sum(map(cpu_s, descendants(system.pid)))


def _judge(run: Run, found: Iterable[str]) -> None:
    figures, own = run.figures, systems.EMULATOR
    rate = figures.median(BENCH, RATE, own)
    for peer in found:
        if peer != own:
            times = 10.0 if peer == systems.MINISTACK else 1.2
            wanted = f"hello, 16 clients: at least {times:g} × {peer}"
            figures.expect(
                wanted, ratio(rate, figures.median(BENCH, RATE, peer)), "×", at_least=times
            )
    p99, p50 = figures.median(BENCH, P99, own), figures.median(BENCH, P50, own)
    figures.expect("hello, 16 clients: p99 at most 15 ms", p99, "ms", at_most=15)
    figures.expect("hello, 1 client: p50 at most 1 ms", p50, "ms", at_most=1)
