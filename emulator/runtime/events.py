"""Asynchronous invocation of one function: Lambda's event queue, its retries and its failures.

Sources: Lambda developer guide, "How Lambda handles errors and retries with asynchronous
invocation".
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from emulator.backoff import Backoff
from emulator.invocations import InvokeResult, Throttled
from emulator.logs import Kind, LogSink
from emulator.runtime.destinations import Condition, Message, Send, Settled
from emulator.runtime.pool import FunctionPool

_SEND_TIMEOUT_S = 30.0
_SEND_AGAIN_S = 1.0
_SENDS = 5


Run = Callable[[bytes, str, str], Awaitable[InvokeResult]]


@dataclass(slots=True, eq=False)
class Event:
    """One accepted event: kept until it succeeds, its retries are used up or it is too old."""

    request_id: str
    trace_id: str
    payload: bytes
    expires_at: float
    attempts: int = 0
    result: InvokeResult | None = None
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)


class EventQueue:
    """The events waiting for one function.

    An event runs as soon as the function has concurrency to spare: the pool says when. A failed
    one waits for its retry by a timer of its own. Nothing looks at a clock in between.
    """

    def __init__(
        self,
        pool: FunctionPool,
        run: Run,
        *,
        limit: int,
        retry_delays_s: tuple[float, ...],
        send: Send,
        sink: LogSink,
    ) -> None:
        self._pool = pool
        self._run = run
        self._limit = limit
        self._delays_s = retry_delays_s
        self._send = send
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._pending: deque[Event] = deque()
        self._kept = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def kept(self) -> int:
        """How many events are not settled yet."""
        return self._kept

    def accept(self, request_id: str, trace_id: str, payload: bytes) -> None:
        """Take an event; raises Throttled when too many are waiting."""
        function = self._pool.function
        if self._kept >= self._limit or self._closed:
            raise Throttled(f"{function.name}: {self._kept} events are waiting")
        age_s = function.event_invoke.maximum_event_age_s
        event = Event(request_id, trace_id, payload, self._loop.time() + age_s)
        self._kept += 1
        if function.reserved_concurrency == 0:
            self._give_up(event, Condition.ZERO_RESERVED_CONCURRENCY)
        else:
            self._enqueue(event)

    def pump(self) -> None:
        """Start waiting events while the function has concurrency to spare."""
        while self._pending and self._pool.free > 0 and not self._closed:
            event = self._pending.popleft()
            self._stop_timer(event)
            try:
                outcome = self._run(event.payload, event.request_id, event.trace_id)
            except Throttled:
                self._requeue(event)
                return
            self._spawn(self._attempt(event, outcome))

    def close(self) -> None:
        """Forget everything: this queue lives in memory."""
        self._closed = True
        if self._kept:
            self._sink(
                Kind.PLATFORM,
                f"{self._kept} event(s) that wait or run are forgotten: they live in memory",
                function=self._pool.function.name,
            )
        for event in self._pending:
            self._stop_timer(event)
        self._pending.clear()
        for task in self._tasks:
            task.cancel()

    def _enqueue(self, event: Event) -> None:
        event.timer = self._loop.call_at(event.expires_at, self._expire, event)
        self._pending.append(event)
        self.pump()

    def _requeue(self, event: Event) -> None:
        event.timer = self._loop.call_at(event.expires_at, self._expire, event)
        self._pending.appendleft(event)

    def _expire(self, event: Event) -> None:
        event.timer = None
        self._pending.remove(event)
        self._give_up(event, Condition.EVENT_AGE_EXCEEDED)

    async def _attempt(self, event: Event, outcome: Awaitable[InvokeResult]) -> None:
        event.result = await outcome
        event.attempts += 1
        if event.result.function_error is None:
            self._settle(event, Condition.SUCCESS)
            return
        retries = self._pool.function.event_invoke.maximum_retry_attempts
        if event.attempts > retries:
            self._give_up(event, Condition.RETRIES_EXHAUSTED)
            return
        delay_s = self._delays_s[min(event.attempts, len(self._delays_s)) - 1]
        if self._loop.time() + delay_s >= event.expires_at:
            self._give_up(event, Condition.EVENT_AGE_EXCEEDED)
        else:
            event.timer = self._loop.call_later(delay_s, self._retry, event)

    def _retry(self, event: Event) -> None:
        event.timer = None
        if not self._closed:
            self._enqueue(event)

    def _give_up(self, event: Event, condition: Condition) -> None:
        self._sink(
            Kind.PLATFORM,
            f"event {event.request_id} is given up after {event.attempts} attempts: {condition}",
            function=self._pool.function.name,
            request_id=event.request_id,
            level="ERROR",
        )
        self._settle(event, condition)

    def _settle(self, event: Event, condition: Condition) -> None:
        self._kept -= 1
        settled = Settled(event.request_id, event.payload, event.attempts, condition, event.result)
        for message in settled.messages(self._pool.function):
            self._spawn(self._deliver(message))

    async def _deliver(self, message: Message) -> None:
        backoff = Backoff(_SEND_AGAIN_S, _SEND_TIMEOUT_S)
        for attempt in range(1, _SENDS + 1):
            try:
                await asyncio.wait_for(self._send(message), _SEND_TIMEOUT_S)
            except Exception as error:
                if attempt < _SENDS and not isinstance(error, ValueError):
                    await asyncio.sleep(backoff.next_s())
                    continue
                self._sink(
                    Kind.PLATFORM,
                    f"what became of an event could not be sent to {message.arn}: {error!r}",
                    function=self._pool.function.name,
                    level="ERROR",
                )
            return

    def _spawn(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _stop_timer(self, event: Event) -> None:
        if event.timer is not None:
            event.timer.cancel()
            event.timer = None
