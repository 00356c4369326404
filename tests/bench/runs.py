"""What every benchmark is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.figures import Figures


@dataclass(frozen=True)
class Run:
    """One run: where to put files, how long to measure, where figures go, how to say what is on."""

    folder: Path
    """For files of this run."""
    cache: Path
    """For what is installed once."""
    rounds: int
    seconds: float
    figures: Figures
    say: Callable[[str], None]
    with_peers: bool = True
