"""Follows rows that come roughly in order, and misses none that is committed late."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

LATE_S = 60.0
"""A row that becomes visible this long after one with a later key is missed: no statement of ours
takes as long."""

Key = TypeVar("Key", bound=Any)  # what can be ordered: an id with the time in it, or a moment
Mark = tuple[float, Key]


class Window(Generic[Key]):
    """What was seen lately. Ask for what is above `floor`; `is_new` is true once for each row.

    How long ago something was seen is measured on this machine's clock, so that business time may
    jump meanwhile.
    """

    def __init__(self, floor: Key, now: Callable[[], float] = time.monotonic) -> None:
        self.floor = floor
        self._highest = floor
        self._marks: deque[Mark[Key]] = deque()
        self._seen: dict[Any, Key] = {}
        self._now = now

    @property
    def seen(self) -> list[Any]:
        """Those above the floor that were seen."""
        return list(self._seen)

    def is_new(self, key: Key, name: Any) -> bool:
        """Note a row; whether it was not seen before."""
        if name in self._seen:
            return False
        self._seen[name] = key
        self._highest = max(self._highest, key)
        return True

    def turn(self) -> None:
        """After each look: what is old enough sinks below the floor."""
        now = self._now()
        self._marks.append((now, self._highest))
        risen = False
        while self._marks and self._marks[0][0] < now - LATE_S:
            self.floor = self._marks.popleft()[1]
            risen = True
        if risen:
            self._seen = {name: key for name, key in self._seen.items() if key > self.floor}
