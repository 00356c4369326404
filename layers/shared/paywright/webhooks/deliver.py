"""Delivers a batch of events: each to the endpoints that want it, all at the same time.

An event is done when every endpoint has it or is past asking; otherwise its message goes back to
the queue for the time that its worst endpoint needs. Endpoints that have it are not asked again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Literal, Protocol
from uuid import UUID

from paywright.clock import Clock
from paywright.observability import get_logger, tell
from paywright.webhooks import signing
from paywright.webhooks.message import Event, Message, Poison, event_of
from paywright.webhooks.retries import delay_s, parse_retry_after
from paywright.webhooks.sender import Answer

MAX_AT_ONCE = 32
_GONE = 410
NOW_S = 0


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event that an endpoint has not got yet."""

    id: UUID
    event: Event
    endpoint_id: UUID
    url: str
    secrets: tuple[str, ...]
    """The present one, then the one before it while that is still good."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one attempt; `retry_s` is None where there is no further one."""

    delivery: Delivery
    status: Literal["pending", "delivered", "failed"]
    answer: Answer
    at: datetime
    retry_s: int | None

    @property
    def next_retry_at(self) -> datetime | None:
        """When the next attempt is due."""
        return None if self.retry_s is None else self.at + timedelta(seconds=self.retry_s)

    @property
    def endpoint_is_gone(self) -> bool:
        """The receiver has said that it wants no more of these."""
        return self.answer.status == _GONE


class DeliveryStore(Protocol):
    """Endpoints and deliveries in the database."""

    def plan(self, events: Sequence[Event]) -> list[Delivery]:
        """What is still to be delivered, each with its record."""
        ...

    def record(self, attempts: Sequence[Attempt]) -> None:
        """Keep what came of attempts, and disable the endpoints that are gone."""
        ...


class Post(Protocol):
    """Sends a request."""

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a body and return the answer; never raises."""
        ...


def deliver_batch(
    messages: Sequence[Message],
    *,
    store: DeliveryStore,
    sender: Post,
    clock: Clock,
    wall: Clock,
    time_left_s: float,
    jitter: Callable[[], float] = lambda: random.uniform(-1, 1),  # noqa: S311 - no secret
) -> dict[Message, int]:
    """Deliver what the messages carry; return those not done, with the seconds until they are due.

    Signatures carry the time of `wall`, records that of `clock`. What cannot be begun within
    `time_left_s` waits for the next time. Raise `db.Lost` when the database is away.
    """
    undone: dict[Message, int] = {}
    events: dict[Message, Event] = {}
    for message in messages:
        try:
            events[message] = event_of(message)
        except Poison as error:
            undone[message] = NOW_S
            get_logger().error(
                "A message holds no event",
                extra={"message_id": message.id, "reason": str(error)},
            )
    attempt_of = _latest_attempts(events)
    planned = store.plan(list({event.id: event for event in events.values()}.values()))
    answers = _send(planned, sender, wall, time_left_s)
    attempts = []
    for delivery, answer in zip(planned, answers, strict=True):
        if answer is not None:
            asked_s = parse_retry_after(answer.retry_after, wall.now())
            retry_s = delay_s(attempt_of[delivery.event.id], asked_s, jitter())
            attempts.append(_judge(delivery, answer, clock.now(), retry_s))
    store.record(attempts)
    for attempt in attempts:
        _log(attempt, attempt_of[attempt.delivery.event.id])
    open_events = _open_events(planned, attempts, attempt_of)
    for message, event in events.items():
        if event.id in open_events:
            undone[message] = open_events[event.id]
    return undone


def _latest_attempts(events: Mapping[Message, Event]) -> dict[UUID, int]:
    # One event may come twice in a batch: the bus, too, delivers at least once.
    latest: dict[UUID, int] = {}
    for message, event in events.items():
        latest[event.id] = max(latest.get(event.id, 0), message.attempt)
    return latest


def _send(
    planned: Sequence[Delivery], sender: Post, wall: Clock, time_left_s: float
) -> list[Answer | None]:
    """The answers in the order of the deliveries; None for those that were not begun."""
    if not planned:
        return []
    futures = [_pool().submit(_post, delivery, sender, wall) for delivery in planned]
    wait(futures, timeout=time_left_s)
    for future in futures:
        future.cancel()  # what has not begun
    return [_result(future) for future in futures]


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MAX_AT_ONCE, thread_name_prefix="post")


def _result(future: Future[Answer]) -> Answer | None:
    if future.cancelled():
        return None
    if not future.done():  # name resolution knows no deadline; we do
        return Answer(None, "no answer in time")
    return future.result()


def _post(delivery: Delivery, sender: Post, wall: Clock) -> Answer:
    event = delivery.event
    headers = signing.headers(delivery.secrets, event.public_id, wall.now(), event.payload)
    return sender.post(delivery.url, headers, event.payload)


def _judge(delivery: Delivery, answer: Answer, at: datetime, retry_s: int | None) -> Attempt:
    if answer.status is not None and 200 <= answer.status <= 299:
        return Attempt(delivery, "delivered", answer, at, None)
    if retry_s is None or answer.status == _GONE:
        return Attempt(delivery, "failed", answer, at, None)
    return Attempt(delivery, "pending", answer, at, retry_s)


def _open_events(
    planned: Iterable[Delivery], attempts: Iterable[Attempt], attempt_of: Mapping[UUID, int]
) -> dict[UUID, int]:
    """Events with a delivery that is not done, and the seconds until the next attempt."""
    begun = {attempt.delivery.id for attempt in attempts}
    due_s: dict[UUID, int] = {}
    for attempt in attempts:
        if attempt.status == "delivered" or attempt.endpoint_is_gone:
            continue
        event_id = attempt.delivery.event.id
        # After the last attempt the message is shown once more, and the queue moves it aside.
        due_s[event_id] = max(due_s.get(event_id, NOW_S), attempt.retry_s or NOW_S)
    for delivery in planned:
        if delivery.id not in begun:
            event_id = delivery.event.id
            wait_s = delay_s(attempt_of[event_id], None, 0) or NOW_S
            due_s[event_id] = max(due_s.get(event_id, NOW_S), wait_s)
    return due_s


def _log(attempt: Attempt, number: int) -> None:
    delivery, answer = attempt.delivery, attempt.answer
    fields = {
        "event": delivery.event.public_id,
        "event_type": delivery.event.type,
        "endpoint": str(delivery.endpoint_id),
        "attempt": number,
        "status": answer.status,
        "error": answer.error,
        "duration_ms": answer.duration_ms,
        "trace_id": delivery.event.trace_id,
    }
    if attempt.status == "delivered":
        tell("Webhook delivered", **fields)
    else:
        get_logger().warning("Webhook not delivered", extra=fields | {"retry_s": attempt.retry_s})
