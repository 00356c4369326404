"""Runs MiniStack as the emulator needs it: `python -m emulator.aws_server`.

Its settings are MiniStack's own environment variables. What differs from MiniStack:
A long poll wakes when a message arrives, where MiniStack looks ten times a second, which puts
50 ms on average between a message and its function; and it ends when its client hangs up.
Schedules are stored, not fired: the emulator fires them, on time and with what AWS fills in, so
that nothing fires twice. The health endpoint's `edition` says which of the two it is.
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


class HungUp:
    """ASGI middleware: ends a long poll whose client has gone.

    Otherwise it would go on, and hide the next message from everybody who is still there.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        if (b"x-amz-target", b"AmazonSQS.ReceiveMessage") not in scope.get("headers", ()):
            await self._app(scope, receive, send)
            return
        body: asyncio.Queue[Any] = asyncio.Queue()
        serving = asyncio.create_task(self._app(scope, body.get, send))
        watching = asyncio.create_task(_feed(receive, body))
        await asyncio.wait((serving, watching), return_when=asyncio.FIRST_COMPLETED)
        for task in (serving, watching):
            task.cancel()
        await asyncio.gather(serving, watching, return_exceptions=True)
        if not serving.cancelled():
            serving.result()


async def _feed(receive: Any, body: asyncio.Queue[Any]) -> None:
    """Pass the request's parts on; return when the client hangs up."""
    while (message := await receive())["type"] != "http.disconnect":
        body.put_nowait(message)


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
    _refuse_unknown_buses(eventbridge)


def _refuse_unknown_buses(eventbridge: Any) -> None:
    """Let PutEvents refuse an entry for a bus that is not there, instead of dropping it.

    After a crash MiniStack comes back empty; what is sent before its bus is made again would be
    lost without a word.
    """
    resolve = eventbridge._event_bus_name_from_ref

    def resolve_known(reference: Any) -> tuple[Any, Any]:
        name, error = resolve(reference)
        if not error and name != "default" and name not in eventbridge._event_buses:
            error = ("ResourceNotFoundException", f"Event bus {name} does not exist.")
        return name, error

    eventbridge._event_bus_name_from_ref = resolve_known


def _start_nothing() -> None:
    """Stand in for MiniStack's scheduler threads."""


def main() -> None:
    """Serve until SIGTERM."""
    os.environ["MINISTACK_EDITION"] = EDITION
    adapt()
    server: Any = import_module("ministack.app")
    server.app = HungUp(server.app)
    server.main()


if __name__ == "__main__":
    main()
