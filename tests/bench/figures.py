"""Figures of a measurement: samples of one quantity, their median, and whether a target is met."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


@dataclass
class Figure:
    """One quantity of one system, measured once in every round."""

    bench: str
    quantity: str
    unit: str
    system: str
    samples: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return median(self.samples)

    @property
    def spread(self) -> tuple[float, float]:
        """The lowest and the highest sample."""
        return min(self.samples), max(self.samples)


@dataclass(frozen=True)
class Target:
    """What a figure should be, and what it is; never a reason to fail."""

    wanted: str
    value: float
    unit: str
    met: bool


class Figures:
    """All figures of a run."""

    def __init__(self) -> None:
        self._figures: dict[tuple[str, str, str], Figure] = {}
        self.targets: list[Target] = []
        self.remarks: list[str] = []

    def __iter__(self) -> Iterator[Figure]:
        """By benchmark and quantity, so that peers stand side by side."""
        groups = dict.fromkeys((each.bench, each.quantity) for each in self._figures.values())
        for group in groups:
            yield from (
                each for each in self._figures.values() if (each.bench, each.quantity) == group
            )

    def add(self, bench: str, quantity: str, unit: str, system: str, sample: float) -> None:
        """Add one sample."""
        key = (bench, quantity, system)
        figure = self._figures.setdefault(key, Figure(bench, quantity, unit, system))
        figure.samples.append(sample)

    def median(self, bench: str, quantity: str, system: str) -> float | None:
        """The median of one quantity, None if it was not measured."""
        figure = self._figures.get((bench, quantity, system))
        return figure.median if figure is not None else None

    def expect(
        self,
        wanted: str,
        value: float | None,
        unit: str,
        *,
        at_least: float = -math.inf,
        at_most: float = math.inf,
    ) -> None:
        """Hold a value against a target; one that was not measured is left out."""
        if value is not None:
            self.targets.append(Target(wanted, value, unit, at_least <= value <= at_most))

    def remark(self, text: str) -> None:
        """Say something about how it was measured, once."""
        if text not in self.remarks:
            self.remarks.append(text)


def median(samples: Sequence[float]) -> float:
    """The middle of the samples, or the mean of the middle two."""
    return float(statistics.median(samples))


def percentile(samples: Sequence[float], percent: float) -> float:
    """The smallest sample that at least `percent` of all do not exceed (nearest rank)."""
    if not samples:
        raise ValueError("no samples")
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def ratio(one: float | None, other: float | None) -> float | None:
    """`one` over `other`; None if either was not measured or cannot divide."""
    return one / other if one is not None and other else None
