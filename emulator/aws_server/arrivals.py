"""Wakes MiniStack's long polls when a message arrives."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

_MIN_WAKE_INTERVAL_S = 0.005


class Arrivals(threading.Event):
    """MiniStack's "a message has arrived" signal, which coroutines can await too.

    Under load one wake-up serves all that arrived within a few milliseconds: every long poll of
    every queue is woken, and each looks at its own.
    """

    def __init__(self) -> None:
        super().__init__()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: set[asyncio.Future[None]] = set()
        self._next_wake = 0.0
        self._is_planned = False

    def set(self) -> None:
        """Signal an arrival; may be called from any thread."""
        super().set()
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._plan)

    async def sleep(self, delay: float) -> None:
        """Return after `delay` seconds, or sooner when a message arrives."""
        loop = self._loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting.add(future)
        timer = loop.call_later(delay, _finish, future)
        try:
            await future
        finally:
            timer.cancel()
            self._waiting.discard(future)

    def _plan(self) -> None:
        assert self._loop is not None
        if not self._is_planned:
            self._is_planned = True
            self._loop.call_at(max(self._loop.time(), self._next_wake), self._wake)

    def _wake(self) -> None:
        assert self._loop is not None
        self._is_planned = False
        self._next_wake = self._loop.time() + _MIN_WAKE_INTERVAL_S
        for future in self._waiting:
            _finish(future)


class WakingAsyncio:
    """The module asyncio, except that `sleep` ends when a message arrives."""

    def __init__(self, arrivals: Arrivals) -> None:
        self.sleep = arrivals.sleep

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
