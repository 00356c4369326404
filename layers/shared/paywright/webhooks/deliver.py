"""Delivers a batch of events for the first time: each to the endpoints that want it, all at once.

A message is done when every endpoint has its event, or when the database knows to whom it is still
owed: from then on `webhooks.due` sees to it. Nobody waits long for an endpoint of others: one that
is slow, broken, or being sent to elsewhere already, is left to that function as well.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from typing import Protocol
from uuid import UUID

from paywright.clock import Clock
from paywright.observability import get_logger
from paywright.webhooks.deliveries import (
    Delivery,
    Endpoint,
    Outcome,
    Post,
    attempt,
    judge,
    parked,
    tell_of,
)
from paywright.webhooks.health import SLOW_MS
from paywright.webhooks.message import Event, Message, Poison, event_of
from paywright.webhooks.queue import DeadLetter
from paywright.webhooks.sender import Answer

MAX_AT_ONCE = 32
PATIENCE_S = SLOW_MS / 1000
"""After which those that have answered are recorded, and what was not begun waits elsewhere."""

Jitter = Callable[[], float]


def jitter() -> float:
    """Between -1 and 1."""
    return random.uniform(-1, 1)  # noqa: S311 - no secret


class DeliveryStore(Protocol):
    """Endpoints and deliveries in the database. Raises `db.Lost` when that is away."""

    def plan(self, events: Sequence[Event]) -> list[Delivery]:
        """What is to be begun."""
        ...

    def record(self, outcomes: Sequence[Outcome], hanging: Iterable[Endpoint] = ()) -> None:
        """Keep what came of deliveries, and which endpoints have not answered in time."""
        ...


class Admission(Protocol):
    """How many execution environments send to one endpoint."""

    def take(self, proven: Mapping[UUID, bool]) -> set[UUID]:
        """The endpoints that may be sent to."""
        ...

    def leave(self, endpoints: Iterable[UUID]) -> None:
        """Nothing is being sent to these any more."""
        ...


class Graveyard(Protocol):
    """Where messages end that cannot be delivered."""

    def put(self, letter: DeadLetter) -> bool:
        """Put one there; False when that was not possible."""
        ...


@dataclass(frozen=True, slots=True)
class Means:
    """With what a batch is delivered.

    Signatures carry the time of `wall`, records that of `clock`.
    """

    store: DeliveryStore
    sender: Post
    places: Admission
    dead_letters: Graveyard
    clock: Clock
    wall: Clock
    jitter: Jitter = jitter


def deliver_batch(
    messages: Sequence[Message], means: Means, *, time_left_s: float
) -> list[Message]:
    """Deliver what the messages carry; return those that have to come again.

    Raise `db.Lost` when the database is away: all have to come again then.
    """
    events: dict[UUID, Event] = {}  # one may come twice: the bus, too, delivers at least once
    undone = []
    for message in messages:
        try:
            event = event_of(message)
        except Poison as error:
            if not _bury(message, error, means.dead_letters):
                undone.append(message)
        else:
            events[event.id] = event
    planned = means.store.plan(list(events.values()))
    quick = [each for each in planned if each.endpoint.health.is_quick]
    admitted = means.places.take(
        {each.endpoint.id: each.endpoint.health.is_proven for each in quick}
    )
    begun = [each for each in quick if each.endpoint.id in admitted]
    now = means.clock.now()
    waiting = [parked(each, now) for each in planned if each not in begun]
    try:
        _send(begun, waiting, means, admitted, time_left_s)
    finally:
        means.places.leave(admitted)
    return undone


def _bury(message: Message, error: Poison, dead_letters: Graveyard) -> bool:
    get_logger().error(
        "A message holds no event", extra={"message_id": message.id, "reason": str(error)}
    )
    return dead_letters.put(DeadLetter(message.body, "UNREADABLE", str(error)))


def _send(
    begun: Sequence[Delivery],
    waiting: Sequence[Outcome],
    means: Means,
    admitted: set[UUID],
    time_left_s: float,
) -> None:
    """Send, and record: at once what is known after a moment, then what took longer.

    Places are left, and taken out of `admitted`, as soon as nothing is sent there any more.
    """
    began = time.monotonic()
    futures = {each: _pool().submit(attempt, each, means.sender, means.wall) for each in begun}
    wait(futures.values(), timeout=min(PATIENCE_S, time_left_s))
    hanging = {each: future for each, future in futures.items() if not _is_over(future)}
    outcomes = [*waiting, *_outcomes(futures, means, began, but=hanging)]
    means.store.record(outcomes, {each.endpoint.id: each.endpoint for each in hanging}.values())
    for outcome in outcomes:
        tell_of(outcome)
    if not hanging:
        return
    means.places.leave(admitted - {each.endpoint.id for each in hanging})
    admitted &= {each.endpoint.id for each in hanging}
    wait(hanging.values(), timeout=time_left_s - (time.monotonic() - began))
    late = _outcomes(hanging, means, began)
    means.store.record(late)
    for outcome in late:
        tell_of(outcome)


def _is_over(future: Future[Answer]) -> bool:
    return future.done() or future.cancel()  # what has not begun will not


def _outcomes(
    futures: Mapping[Delivery, Future[Answer]],
    means: Means,
    began: float,
    but: Mapping[Delivery, Future[Answer]] | None = None,
) -> list[Outcome]:
    now, wall_now = means.clock.now(), means.wall.now()
    outcomes = []
    for delivery, future in futures.items():
        if but and delivery in but:
            continue
        if future.cancelled():
            outcomes.append(parked(delivery, now))
            continue
        elapsed_ms = round((time.monotonic() - began) * 1000)
        # Name resolution knows no deadline; we do.
        answer = (
            future.result()
            if future.done()
            else Answer(None, "no answer in time", duration_ms=elapsed_ms)
        )
        outcomes.append(judge(delivery, answer, at=now, wall_now=wall_now, jitter=means.jitter()))
    return outcomes


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MAX_AT_ONCE, thread_name_prefix="post")
