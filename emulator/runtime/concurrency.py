"""What functions share: the account's concurrency, and the CPU that cold starts take."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from emulator.template.model import Function

# Lambda keeps at least this much for functions without a reservation (its concurrency page).
_MINIMUM_UNRESERVED = 100
_WATCH_S = 0.5
_IDLE_SHARE = 0.05
_REST_S = 0.03


class Account:
    """The concurrency that functions without a reservation draw from."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.in_use = 0
        self.on_free: list[Callable[[], None]] = []
        self._whole = limit

    def reserve_for(self, functions: Iterable[Function]) -> None:
        """Take what these functions have reserved off the limit."""
        reserved = sum(function.reserved_concurrency or 0 for function in functions)
        self.limit = max(self._whole - reserved, min(self._whole, _MINIMUM_UNRESERVED))

    @property
    def free(self) -> int:
        """How many more invocations may start."""
        return self.limit - self.in_use

    def release(self) -> None:
        """Give one back; whoever found it used up is told."""
        was_full = self.in_use >= self.limit
        self.in_use -= 1
        if was_full:
            for tell in self.on_free:
                tell()


class StartGate:
    """Lets a few environments be in their INIT phase at once; others come in order.

    While warm environments are given work, a start that others wait behind is followed by a rest:
    what is warm has the cores to itself for as long.
    """

    def __init__(self, limit: int) -> None:
        self.is_serving = False
        """Set by whoever gives a warm environment work."""
        self._free = limit
        self._line: deque[Callable[[], None]] = deque()
        self.cores = Cores()

    def enter(self, when_free: Callable[[], None]) -> bool:
        """Take a place; if there is none, `when_free` is called once when one comes free."""
        if self._free > 0:
            self._free -= 1
            return True
        if when_free not in self._line:
            self._line.append(when_free)
        return False

    def leave(self) -> None:
        """Give a place back."""
        if self.is_serving and self._line:
            self.is_serving = False
            asyncio.get_running_loop().call_later(_REST_S, self._give_back)
        else:
            self._give_back()

    def _give_back(self) -> None:
        self._free += 1
        for _ in range(len(self._line)):
            if self._free <= 0 or not self._line:
                return
            self._line.popleft()()


class Cores:
    """The cores of this machine, and whether all are busy; elsewhere than on Linux never."""

    def __init__(self) -> None:
        self.count = os.cpu_count() or 1
        self._since = _ticks()
        self._at = time.monotonic()

    def watch(self) -> None:
        """Begin to look, unless that began a moment ago."""
        if time.monotonic() - self._at > _WATCH_S:
            self._since, self._at = _ticks(), time.monotonic()

    def are_busy(self) -> bool:
        """Whether hardly any time was idle since `watch`."""
        idle, total = (now - was for now, was in zip(_ticks(), self._since, strict=True))
        return total > 0 and idle / total < _IDLE_SHARE


def _ticks() -> tuple[int, int]:
    """Idle time and all time of the cores together, in ticks of the kernel's clock."""
    try:
        with Path("/proc/stat").open() as stat:
            fields = stat.readline().split()[1:9]
    except OSError:
        return 0, 0
    return int(fields[3]), sum(map(int, fields))
