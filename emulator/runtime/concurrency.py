"""What functions share: the account's concurrency, and the CPU that cold starts take."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Iterable

from emulator.template.model import Function

# Lambda keeps at least this much for functions without a reservation (its concurrency page).
_MINIMUM_UNRESERVED = 100
_REST_S = 0.03
_LOOK_S = 0.2
_IDLE_SHARE = 0.1


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
    """The cores of this machine, and whether they keep up; elsewhere than on Linux always."""

    def __init__(self) -> None:
        self.count = os.cpu_count() or 1
        self._load = _opened("/proc/loadavg")
        self._stat = _opened("/proc/stat")
        self._looked_at = time.monotonic()
        self._ticks = (0, 0) if self._stat is None else _ticks(self._stat)
        self._idle_share = 1.0

    def have_room(self) -> bool:
        """Whether one more process would find a core.

        So it is where no more run or want to, at this moment, than there are cores, the caller
        too, and where a tenth of the last moments was idle. It takes 2 µs, and 50 µs now and then.
        """
        if self._load is None or self._stat is None:
            return True
        running = os.pread(self._load, 64, 0).split()[3].partition(b"/")[0]
        return int(running) <= self.count or self._have_idled(self._stat)

    def _have_idled(self, stat: int) -> bool:
        now = time.monotonic()
        if now - self._looked_at >= _LOOK_S:
            ticks = _ticks(stat)
            idle, passed = (new - old for new, old in zip(ticks, self._ticks, strict=True))
            self._idle_share = idle / max(passed, 1)
            self._looked_at, self._ticks = now, ticks
        return self._idle_share > _IDLE_SHARE

    def close(self) -> None:
        """Look no more."""
        for file in (self._load, self._stat):
            if file is not None:
                os.close(file)
        self._load = self._stat = None


def _ticks(stat: int) -> tuple[int, int]:
    """Idle time and all time of the cores together, in ticks of the kernel's clock."""
    fields = [int(each) for each in os.pread(stat, 256, 0).split(b"\n")[0].split()[1:9]]
    return fields[3], sum(fields)


def _opened(path: str) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
