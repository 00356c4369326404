"""How much memory an environment uses, and the end of one that uses more than it may.

On Lambda the kernel ends a function that outgrows its memory size. Here resident memory is
compared with it: at the end of every invocation, and meanwhile as often as it could run out at
`_GROWTH_MB_PER_S`. Address space does not count, so that code which maps much and touches little
runs; a limit on it (RLIMIT_AS) would end such code. Elsewhere than on Linux nothing is enforced.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / (1024 * 1024)
_GROWTH_MB_PER_S = 1_000
_SHORTEST_S = 0.02
_LONGEST_S = 1.0
# Requests have their turn between one look and the next ones.
_PAUSE_S = 0.002
# Touching new memory takes about 0.2 ms a megabyte: what ran for less since the last look grew by
# 25 at most. A look costs as much as the rest of the bookkeeping of an invocation.
_UNSEEN_MS = 5.0
_MAX_DESCENDANTS = 1_024


class Footprint:
    """The memory of one process and all that descend from it, in MB."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak_mb = 0.0
        self._unseen_ms = _UNSEEN_MS  # the first invocation is always looked at
        self._suspected = False
        # Kept open because they are read after every invocation.
        self._statm = _open(f"/proc/{pid}/statm")
        self._status = _open(f"/proc/{pid}/status")

    @property
    def peak_mb(self) -> int:
        """The most that was ever seen."""
        return math.ceil(self._peak_mb)

    def after(self, duration_ms: float) -> int:
        """Look at the process after an invocation; the most it ever used."""
        self._unseen_ms += duration_ms
        if self._unseen_ms >= _UNSEEN_MS:
            self._unseen_ms = 0.0
            self.look()
        return self.peak_mb

    def look(self) -> None:
        """Note the most that the process itself ever used, for when it is gone."""
        self._peak_mb = max(self._peak_mb, self._high_water_mb())

    def measure(self, limit_mb: int) -> float:
        """Return what process and descendants use now, counting shared pages once."""
        used = self._high_water_mb()
        children = list(descendants(self._pid))
        if children and used <= limit_mb:
            used = max(used, self._together_mb(children, limit_mb))
        self._peak_mb = max(self._peak_mb, used)
        return used

    def _together_mb(self, children: list[int], limit_mb: int) -> float:
        used = self._resident_mb() + sum(map(_resident_mb, children))
        if used > limit_mb:  # forked processes share pages, which this counted again
            used = sum(map(_proportional_mb, (self._pid, *children)))
        # Between fork and exec a child seems to own all that its parent has: look twice.
        believed, self._suspected = self._suspected, used > limit_mb
        return used if believed else min(used, limit_mb)

    def close(self) -> None:
        """Close what it reads from."""
        for name in ("_statm", "_status"):
            fd = getattr(self, name)
            if fd >= 0:
                os.close(fd)
                setattr(self, name, -1)

    def _resident_mb(self) -> float:
        with contextlib.suppress(OSError, IndexError, ValueError):
            return int(os.pread(self._statm, 64, 0).split()[1]) * _PAGE_MB
        return 0.0

    def _high_water_mb(self) -> float:
        with contextlib.suppress(OSError, ValueError):
            return _kilobytes(os.pread(self._status, 4096, 0), b"VmHWM:") / 1024
        return 0.0


class MemoryWatch:
    """Looks at the busy environments of one function; asleep while there are none."""

    def __init__(self, look: Callable[[], float | None]) -> None:
        """`look` checks what is due, and tells in how many seconds more will be, if anything is."""
        self._look = look
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._at = math.inf

    def arm(self, due: float) -> None:
        """Look at what runs now when it is due, by the loop's time; soon if that is past."""
        if due < self._at:
            at = max(due, self._loop.time() + _SHORTEST_S)
            if at < self._at:
                self.stop()
                self._set(at)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._at = math.inf

    def _set(self, at: float) -> None:
        self._at = at
        self._timer = self._loop.call_at(at, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._at = math.inf
        wait_s = self._look()
        if wait_s is not None:
            self._set(self._loop.time() + max(wait_s, _PAUSE_S))


def seconds_until_look(headroom_mb: float) -> float:
    """How long a process with so much left to use needs not be looked at."""
    return min(max(headroom_mb / _GROWTH_MB_PER_S, _SHORTEST_S), _LONGEST_S)


def descendants(pid: int) -> Iterator[int]:
    """Yield the processes that descend from one, at most `_MAX_DESCENDANTS`."""
    found = 0
    parents = [pid]
    while parents and found < _MAX_DESCENDANTS:
        for child in _children(parents.pop()):
            found += 1
            parents.append(child)
            yield child


def _children(pid: int) -> list[int]:
    """The children of all threads of a process; none once it is gone."""
    children: list[int] = []
    with contextlib.suppress(OSError, ValueError):
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - half the time of Path's
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:  # noqa: PTH123 - as above
                children += map(int, file.read().split())
    return children


def _resident_mb(pid: int) -> float:
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE_MB
    return 0.0


def _proportional_mb(pid: int) -> float:
    """A process's share of the memory it has in common with others."""
    with contextlib.suppress(OSError, ValueError):
        return _kilobytes(Path(f"/proc/{pid}/smaps_rollup").read_bytes(), b"Pss:") / 1024
    return 0.0


def _kilobytes(content: bytes, name: bytes) -> int:
    start = content.index(name) + len(name)
    return int(content[start : content.index(b"kB", start)])


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1  # no Linux: reports say 0 MB
