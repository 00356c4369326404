"""Asynchronous invocation of one function: Lambda's event queue, its retries and its failures.

Sources: Lambda developer guide, "How Lambda handles errors and retries with asynchronous
invocation" and "Capturing records of Lambda asynchronous invocations".
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from emulator.invocations import InvokeResult, Throttled
from emulator.logs import Kind, LogSink, timestamp
from emulator.runtime.pool import FunctionPool

_SEND_TIMEOUT_S = 30.0


class Send(Protocol):
    """Puts a message on the SQS queue of that ARN; attributes are strings."""

    def __call__(
        self, arn: str, body: str, attributes: Mapping[str, str] | None = None
    ) -> Awaitable[None]:
        """Send one message, or raise."""
        ...


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
        send: Send | None,
        sink: LogSink,
    ) -> None:
        self._pool = pool
        self._function = pool.function
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
        if self._kept >= self._limit or self._closed:
            raise Throttled(f"{self._function.name}: {self._kept} events are waiting")
        age_s = self._function.event_invoke.maximum_event_age_s
        event = Event(request_id, trace_id, payload, self._loop.time() + age_s)
        self._kept += 1
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
        self._give_up(event, "EventAgeExceeded")

    async def _attempt(self, event: Event, outcome: Awaitable[InvokeResult]) -> None:
        event.result = await outcome
        event.attempts += 1
        if event.result.function_error is None:
            self._kept -= 1
            return
        retries = self._function.event_invoke.maximum_retry_attempts
        if event.attempts > retries or self._closed:
            self._give_up(event, "RetriesExhausted")
            return
        delay_s = self._delays_s[min(event.attempts, len(self._delays_s)) - 1]
        if self._loop.time() + delay_s >= event.expires_at:
            self._give_up(event, "EventAgeExceeded")
        else:
            event.timer = self._loop.call_later(delay_s, self._retry, event)

    def _retry(self, event: Event) -> None:
        event.timer = None
        if not self._closed:
            self._enqueue(event)

    def _give_up(self, event: Event, condition: str) -> None:
        self._kept -= 1
        function = self._function
        level = "ERROR"
        self._sink(
            Kind.PLATFORM,
            f"event {event.request_id} is given up after {event.attempts} attempts: {condition}",
            function=function.name,
            request_id=event.request_id,
            level=level,
        )
        if self._send is None:
            return
        if function.event_invoke.on_failure_arn is not None:
            body = json.dumps(self._record(event, condition))
            self._spawn(self._deliver(self._send, function.event_invoke.on_failure_arn, body))
        elif function.dead_letter_arn is not None:
            error = event.result.payload if event.result is not None else b""
            attributes = {
                "RequestID": event.request_id,
                "ErrorCode": "200" if event.result is not None else "429",
                "ErrorMessage": _error_message(error) or condition,
            }
            body = event.payload.decode()
            self._spawn(self._deliver(self._send, function.dead_letter_arn, body, attributes))

    async def _deliver(
        self, send: Send, arn: str, body: str, attributes: Mapping[str, str] | None = None
    ) -> None:
        try:
            await asyncio.wait_for(send(arn, body, attributes), _SEND_TIMEOUT_S)
        except Exception as error:
            self._sink(
                Kind.PLATFORM,
                f"a failed event could not be sent to {arn}: {error!r}",
                function=self._function.name,
                level="ERROR",
            )

    def _record(self, event: Event, condition: str) -> dict[str, Any]:
        record: dict[str, Any] = {
            "version": "1.0",
            "timestamp": timestamp(time.time()),
            "requestContext": {
                "requestId": event.request_id,
                "functionArn": f"{self._function.arn}:$LATEST",
                "condition": condition,
                "approximateInvokeCount": event.attempts,
            },
            "requestPayload": json.loads(event.payload),
        }
        if event.result is not None:
            record["responseContext"] = {
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": event.result.function_error,
            }
            record["responsePayload"] = _loads_or_text(event.result.payload)
        return record

    def _spawn(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _stop_timer(self, event: Event) -> None:
        if event.timer is not None:
            event.timer.cancel()
            event.timer = None


def _loads_or_text(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        return payload.decode(errors="replace")


def _error_message(payload: bytes) -> str:
    error = _loads_or_text(payload) if payload else None
    return str(error.get("errorMessage", "")) if isinstance(error, dict) else ""
