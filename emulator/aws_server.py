"""Runs MiniStack as the emulator needs it: `python -m emulator.aws_server`.

Its settings are MiniStack's own environment variables. Two things differ from MiniStack:
A long poll wakes when a message arrives, where MiniStack looks ten times a second, which puts
50 ms on average between a message and its function. And schedules are stored, not fired: the
emulator fires them, on time and with what AWS fills in, so that nothing fires twice. The health
endpoint's `edition` says which of the two it is.
"""

from __future__ import annotations

import asyncio
import collections
import os
import threading
from importlib import import_module
from typing import Any

EDITION = "emulator"
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


class _WakingAsyncio:
    """The module asyncio, except that `sleep` ends when a message arrives."""

    def __init__(self, arrivals: Arrivals) -> None:
        self.sleep = arrivals.sleep

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def adapt() -> None:
    """Change MiniStack in this process; its other modules must not be imported yet."""
    concurrency: Any = import_module("ministack.core.concurrency")
    arrivals = concurrency.esm_wake = Arrivals()
    sqs: Any = import_module("ministack.services.sqs")
    sqs.asyncio = _WakingAsyncio(arrivals)
    eventbridge: Any = import_module("ministack.services.eventbridge")
    scheduler: Any = import_module("ministack.services.scheduler")
    eventbridge.start_scheduler = scheduler.start_scheduler = _start_nothing
    # MiniStack keeps every event for ever in a list that nothing reads.
    nothing_kept: collections.deque[Any] = collections.deque(maxlen=0)
    eventbridge._events_log_list = lambda: nothing_kept


def _start_nothing() -> None:
    """Stand in for MiniStack's scheduler threads."""


def main() -> None:
    """Serve until SIGTERM."""
    os.environ["MINISTACK_EDITION"] = EDITION
    adapt()
    import_module("ministack.app").main()


if __name__ == "__main__":
    main()
