"""`make bench`, or `python -m tests.bench [NAME…]`: measure, print a table, keep JSON and a chart.

Every benchmark is a module of this folder with `measure(run)`. Nothing passes or fails here.
"""

from __future__ import annotations

import argparse
import importlib
import tempfile
import time
from pathlib import Path

from rich.console import Console

from tests.bench import report
from tests.bench.figures import Figures
from tests.bench.runs import Run

BENCHES = ("hello", "cold_starts", "queue", "idle", "ledger", "events", "payments", "webhooks")
# Takes a quarter of an hour: only when it is asked for.
_LONG = ("growth",)
_CACHE = Path(__file__).parents[2] / ".bench"


def main() -> None:
    """Run the benchmarks that are named, or all."""
    options = _options()
    console = Console()
    figures = Figures()
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - began:5.0f} s  {text}", style="dim", highlight=False)

    # Nothing is left of a run but its results, whatever ends it.
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for name in options.benches or BENCHES:
            (Path(folder) / name).mkdir()
            run = Run(
                Path(folder) / name,
                _CACHE / "peers",
                options.rounds,
                options.seconds,
                figures,
                say,
                with_peers=not options.no_peers,
            )
            try:
                importlib.import_module(f"tests.bench.{name}").measure(run)
            except Exception as error:
                figures.remark(f"{name} broke off: {type(error).__name__}: {error}")
    figures.remark(report.machine())
    report.show(figures, console)
    for path in report.save(figures, _CACHE / "results"):
        console.print(str(path), style="dim")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    known = f"{', '.join(BENCHES)}; alone, since it takes longer: {', '.join(_LONG)}"
    parser.add_argument("benches", nargs="*", metavar="NAME", help=f"of {known}")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default %(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=4, help="of load in a round (default %(default)s)"
    )
    parser.add_argument("--no-peers", action="store_true", help="measure the emulator alone")
    options = parser.parse_args()
    unknown = set(options.benches) - {*BENCHES, *_LONG}
    if unknown:
        parser.error(f"there is no benchmark {unknown.pop()}; there are {known}")
    return options


if __name__ == "__main__":
    main()
