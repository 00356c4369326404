"""A function that greets, behind the gateway: one client after the other, and sixteen at once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial

from tests.bench import load, systems
from tests.bench.figures import ratio
from tests.bench.processes import NotReady, cpu_s, descendants
from tests.bench.runs import Run

BENCH = "hello"
RATE = "16 clients"
P99 = "16 clients, p99"
P50 = "1 client, p50"
_WARM_UP_S = 1


def measure(run: Run) -> None:
    """Measure all systems in turn, round by round, so that noise falls on all of them."""
    run.figures.remark(f"load from {load.generator()}")
    with ExitStack() as stack:
        template = systems.HERE / "app" / "template.yaml"
        own = stack.enter_context(systems.emulator(run.folder, template))
        urls = {systems.EMULATOR: f"{own.url}/hello"}
        if run.with_peers:
            urls |= _peers(run, stack)
        for system, url in urls.items():
            run.say(f"hello: warming up {system}")
            load.closed_loop(url, 16, _WARM_UP_S)
        for number in range(1, run.rounds + 1):
            for system, url in urls.items():
                run.say(f"hello: round {number} of {run.rounds}, {system}")
                _one(run, system, url, own.pid)
    _judge(run, urls)


def _peers(run: Run, stack: ExitStack) -> dict[str, str]:
    """Start the peers that are installed and come up; their URLs by name."""
    folder = systems.install_serverless(run.cache, run.say)
    starts: list[Callable[[], AbstractContextManager[dict[str, str]]]] = []
    if folder is not None:
        starts.append(partial(systems.serverless, folder))
    starts.append(partial(systems.ministack, run.folder))
    urls: dict[str, str] = {}
    for start in starts:
        try:
            urls |= stack.enter_context(start())
        except NotReady as late:
            run.figures.remark(f"left out: {late}")
    return urls


def _one(run: Run, system: str, url: str, pid: int) -> None:
    add = run.figures.add
    before = _cpu(pid)
    many = load.closed_loop(url, 16, run.seconds)
    after = _cpu(pid)
    add(BENCH, RATE, "requests/s", system, many.requests_per_s)
    add(BENCH, P99, "ms", system, many.p99_ms)
    if system == systems.EMULATOR:
        requests = many.requests_per_s * run.seconds
        for what, was, now in zip(("emulator", "functions"), before, after, strict=True):
            add(BENCH, f"CPU a request, {what}", "µs", system, (now - was) / requests * 1e6)
    one = load.closed_loop(url, 1, max(1.0, run.seconds / 2))
    add(BENCH, P50, "ms", system, one.p50_ms)
    if many.failures or one.failures:
        run.figures.remark(f"{system}: {many.failures + one.failures} requests failed")


def _cpu(pid: int) -> tuple[float, float]:
    """CPU time of the emulator, and of all that it started."""
    _, *children = descendants(pid)
    return cpu_s(pid), sum(map(cpu_s, children))


def _judge(run: Run, urls: dict[str, str]) -> None:
    figures, own = run.figures, systems.EMULATOR
    rate = figures.median(BENCH, RATE, own)
    for peer in urls:
        if peer != own:
            times = 10.0 if peer == systems.MINISTACK else 1.2
            wanted = f"hello, 16 clients: at least {times:g} × {peer}"
            figures.expect(
                wanted, ratio(rate, figures.median(BENCH, RATE, peer)), "×", at_least=times
            )
    p99, p50 = figures.median(BENCH, P99, own), figures.median(BENCH, P50, own)
    figures.expect("hello, 16 clients: p99 at most 15 ms", p99, "ms", at_most=15)
    figures.expect("hello, 1 client: p50 at most 1 ms", p50, "ms", at_most=1)
