"""How whoever wrote an event wakes the relay: one token in a Valkey list.

A wake-up may get lost (Valkey is away); the relay looks by itself once a second then.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from paywright.cache.valkey import Away, Cache
from paywright.cache.wire import Command

POLL_S = 1.0
BREATH_S = 0.05
"""From one wake-up to the next, at least; one that comes alone is followed at once."""
PATIENCE_MS = 3_000
"""Timeout of the connection on which the relay waits: longer than the wait itself."""


def wake_commands(cache: Cache) -> tuple[Command, Command]:
    """What wakes the relay; send it after the commit, never before."""
    key = _key(cache)
    # One token is enough, however many events wait.
    return ("LPUSH", key, 1), ("LTRIM", key, 0, 0)


class WakeUps:
    """The relay's side; its `cache` has a timeout of `PATIENCE_MS`."""

    def __init__(self, cache: Cache, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._cache = cache
        self._sleep = sleep
        self._woken = -math.inf

    def wait(self, at_most_s: float) -> None:
        """Return at a wake-up, or when it is time to look without one."""
        timeout_s = min(at_most_s, POLL_S)
        if timeout_s <= 0:
            return  # 0 would mean for ever
        try:
            if not self._cache.wait_for_wake(_key(self._cache), timeout_s):
                return
        except Away:
            self._sleep(timeout_s)
            return
        # Under load every event wakes; a moment later there are many for the cost of one.
        too_soon_s = self._woken + BREATH_S - time.monotonic()
        if too_soon_s > 0:
            self._sleep(min(too_soon_s, at_most_s))
        self._woken = time.monotonic()


def _key(cache: Cache) -> str:
    return cache.key("relay", "wake")
