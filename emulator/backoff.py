"""How long to wait before trying again."""

from __future__ import annotations

import random


class Backoff:
    """Waits that double from `first_s` to `longest_s`, each shortened at random by up to half."""

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._attempt = 0

    def next_s(self) -> float:
        """Return the next wait in seconds."""
        whole = min(self._first_s * 2.0 ** min(self._attempt, 30), self._longest_s)
        self._attempt += 1
        return whole * random.uniform(0.5, 1.0)  # noqa: S311 (spreads load, hides nothing)

    def reset(self) -> None:
        """Start again from the shortest wait."""
        self._attempt = 0
