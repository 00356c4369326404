"""64 cold starts at once, while another function answers requests at a steady rate."""

from __future__ import annotations

import asyncio

from tests.bench import load, systems
from tests.bench.figures import percentile, ratio
from tests.bench.runs import Run

BENCH = "cold starts"
BEFORE = "warm requests before, p99"
DURING = "warm requests during, p99"
_COLD = 64
_PER_S = 100.0
_BEFORE_S = 4.0
# As long as app/cold/app.py stays: the storm is over when the last one has begun to.
_STAY_S = 6.0


def measure(run: Run) -> None:
    """Measure with a fresh emulator in every round."""
    template = systems.HERE / "app" / "template.yaml"
    for number in range(1, run.rounds + 1):
        run.say(f"cold starts: round {number} of {run.rounds}")
        with systems.emulator(run.folder, template, "--max-environments", str(_COLD)) as own:
            before, during, storm_s = asyncio.run(_storm(own.url))
            started = sum(
                line["function"] == "cold" and str(line["message"]).startswith("INIT_START")
                for line in own.lines()
            )
        add = run.figures.add
        add(BENCH, BEFORE, "ms", systems.EMULATOR, percentile(before, 99))
        add(BENCH, DURING, "ms", systems.EMULATOR, percentile(during, 99))
        add(BENCH, "environments started", "", systems.EMULATOR, started)
        add(BENCH, "all of them running after", "s", systems.EMULATOR, storm_s)
    figures = run.figures
    value = ratio(
        figures.median(BENCH, DURING, systems.EMULATOR),
        figures.median(BENCH, BEFORE, systems.EMULATOR),
    )
    wanted = f"{_COLD} cold starts: p99 of warm requests at most doubles"
    figures.expect(wanted, value, "×", at_most=2)


async def _storm(url: str) -> tuple[list[float], list[float], float]:
    """Latencies before and during, in ms, and how long it took in seconds."""
    await asyncio.to_thread(load.closed_loop, f"{url}/hello", 4, 1)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.call_later(_BEFORE_S, stop.set)
    before = await load.paced(f"{url}/hello", _PER_S, stop)
    stop = asyncio.Event()
    warm = asyncio.create_task(load.paced(f"{url}/hello", _PER_S, stop))
    began = loop.time()
    await asyncio.gather(*(_cold(f"{url}/cold") for _ in range(_COLD)))
    stop.set()
    storm_s = loop.time() - began - _STAY_S
    during = [latency for due, latency in await warm if due < began + storm_s]
    return [latency for _, latency in before], during, storm_s


async def _cold(url: str) -> None:
    async with load.Connection(url) as connection:
        await connection.get()
