"""Delivers a batch of events for the first time: each to the endpoints that want it, all at once.

A message is done when every endpoint has its event, or when the database knows to whom it is still
owed: from then on `webhooks.due` sees to it. Nobody waits long for an endpoint of others: one that
is new, slow, broken, or being sent to elsewhere already, is left to that function as well; and so
is a delivery whose request was not answered in the little time that it has here.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Protocol
from uuid import UUID

from paywright.clock import Clock
from paywright.observability import get_logger
from paywright.webhooks.attempts import Attempt, Jitter, Ways, jitter
from paywright.webhooks.deliveries import Delivery, Hang, Outcome, Post, parked
from paywright.webhooks.health import SLOW_MS
from paywright.webhooks.message import Event, Message, Poison, event_of
from paywright.webhooks.queue import DeadLetter
from paywright.webhooks.recording import record

MAX_AT_ONCE = 32
PATIENCE_S = SLOW_MS / 1000
"""After which those that have answered are recorded, and what was not begun waits elsewhere."""

LATE = UUID(int=0)
"""Where one environment has a place: it waits on for late answers, and the others serve others."""

_FOR_A_PLACE_S, _LOOK_EVERY_S = 0.1, 0.02
_GRACE_S = 5.0
"""After the function's time, until what it has not told of is due again: it is gone."""


class DeliveryStore(Protocol):
    """Endpoints and deliveries in the database. Raises `db.Lost` when that is away."""

    def plan(self, events: Sequence[Event]) -> list[Delivery]:
        """What is to be begun."""
        ...

    def record(self, outcomes: Sequence[Outcome], hanging: Iterable[Hang] = ()) -> None:
        """Keep what came of deliveries, and which endpoints have not answered in time."""
        ...


class Admission(Protocol):
    """How many execution environments send to one endpoint, and to all of one merchant."""

    def take(self, proven: Mapping[UUID, bool]) -> set[UUID]:
        """The endpoints and merchants that may be sent to."""
        ...

    def leave(self, taken: Iterable[UUID]) -> None:
        """Nothing is being sent to these any more."""
        ...

    def forfeit(self, taken: Iterable[UUID]) -> None:
        """These have kept others waiting: their places are nobody's for a while."""
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
    # One may come twice: the bus, too, delivers at least once. For two endpoints it is two.
    events: dict[tuple[UUID, UUID | None], Event] = {}
    carried: dict[UUID, list[Message]] = {}
    undone = []
    for message in messages:
        try:
            event = event_of(message)
        except Poison as error:
            if not _bury(message, error, means.dead_letters):
                undone.append(message)
        else:
            events[event.id, event.endpoint_id] = event
            carried.setdefault(event.id, []).append(message)
    planned = means.store.plan(list(events.values()))
    if planned:
        sending = _Sending(means, time_left_s)
        try:
            sending.begin(planned)
            sending.end()
        finally:
            sending.leave()
        undone += [message for each in sending.refused for message in carried[each]]
    return undone


def _bury(message: Message, error: Poison, dead_letters: Graveyard) -> bool:
    get_logger().error(
        "A message holds no event", extra={"message_id": message.id, "reason": str(error)}
    )
    return dead_letters.put(DeadLetter(message.body, "UNREADABLE", str(error)))


class _Sending:
    """What one batch sends, from the first request to the last record."""

    def __init__(self, means: Means, time_left_s: float) -> None:
        self._means = means
        self._began = time.monotonic()
        self._time_left_s = time_left_s
        self._admitted: set[UUID] = set()
        self._attempts: list[Attempt] = []
        self._ways = Ways(means.sender, means.clock, means.wall, means.jitter)
        self._waiting: list[Delivery] = []
        self.refused: set[UUID] = set()
        """Events of which something could not be recorded."""

    def begin(self, planned: Sequence[Delivery]) -> None:
        """Send what may be sent now; the rest has to wait.

        Endpoints that answer are done with others soon: for a place there it waits a moment, while
        all that have one are being sent to.
        """
        quick = [each for each in planned if each.endpoint.health.is_quick]
        self._waiting = [each for each in planned if not each.endpoint.health.is_quick]
        proven = {each.endpoint.id: each.endpoint.health.is_proven for each in quick}
        refused = self._admit(quick, proven)
        busy = [each for each in refused if proven[each.endpoint.id]]
        self._waiting += [each for each in refused if not proven[each.endpoint.id]]
        while busy and time.monotonic() - self._began < _FOR_A_PLACE_S:
            time.sleep(_LOOK_EVERY_S)
            busy = self._admit(busy, {each.endpoint.id: True for each in busy})
        self._waiting += busy

    def end(self) -> None:
        """Wait for answers, and record: at once what is known after a moment, then the rest."""
        self._wait(self._attempts, PATIENCE_S)
        over, hanging = _split(self._attempts)
        hangs = {each.delivery.endpoint.id: each.hang() for each in hanging}
        now = self._means.clock.now()
        # All of an event's deliveries are known from here on, should this environment be killed.
        gone_at = now + timedelta(seconds=self._time_left_s + _GRACE_S)
        self._record(
            [
                *(parked(each, now) for each in self._waiting),
                *(parked(each.delivery, gone_at) for each in hanging),
                *(each.outcome() for each in over),
            ],
            list(hangs.values()),
        )
        if hanging:
            kept = hangs.keys() | {each.endpoint.merchant_id for each in hangs.values()}
            self._means.places.forfeit(self._admitted & kept)
            self._admitted -= kept
            self.leave()
            self._admitted = self._means.places.take({LATE: False})
            self._record_as_they_come(hanging, self._time_left_s if self._admitted else 0)

    def _record_as_they_come(self, hanging: list[Attempt], until_s: float) -> None:
        """An answer is no later on record because another endpoint hangs longer."""
        while hanging and self._left_s(until_s) > 0:
            self._wait(hanging, until_s, return_when=FIRST_COMPLETED)
            over, hanging = _split(hanging)
            if over:
                self._record([each.outcome() for each in over])
        if hanging:
            self._record([each.outcome() for each in hanging])

    def leave(self) -> None:
        """Nothing is being sent any more."""
        self._means.places.leave(self._admitted)

    def _admit(self, wanted: Sequence[Delivery], proven: Mapping[UUID, bool]) -> list[Delivery]:
        """Begin those whose endpoints have a place, as their merchants do; return the others."""
        merchants = {each.endpoint.merchant_id for each in wanted}
        granted = self._means.places.take(dict.fromkeys(merchants, True) | dict(proven))
        refused = []
        for each in wanted:
            needed = {each.endpoint.id, each.endpoint.merchant_id}
            if needed <= granted:
                self._admitted |= needed
                self._attempts.append(Attempt(each, self._ways, _pool()))
            else:
                refused.append(each)
        self._means.places.leave(granted - self._admitted)  # one without the other
        return refused

    def _wait(
        self, attempts: Iterable[Attempt], until_s: float, *, return_when: str = ALL_COMPLETED
    ) -> None:
        futures = [each.future for each in attempts]
        wait(futures, timeout=self._left_s(until_s), return_when=return_when)

    def _left_s(self, until_s: float) -> float:
        left_s = min(until_s, self._time_left_s) - (time.monotonic() - self._began)
        return max(left_s, 0.0)

    def _record(self, outcomes: list[Outcome], hanging: Sequence[Hang] = ()) -> None:
        """What is late is not judged by the little time it had: it is attempted elsewhere."""
        now = self._means.clock.now()
        outcomes = [parked(each.delivery, now) if each.is_late else each for each in outcomes]
        refused = record(self._means.store, outcomes, hanging)
        self.refused |= {each.delivery.event.id for each in refused}


def _split(attempts: Iterable[Attempt]) -> tuple[list[Attempt], list[Attempt]]:
    """Those that are over, and those that are not; what has not begun will not."""
    over, under_way = list[Attempt](), list[Attempt]()
    for each in attempts:
        is_over = each.future.done() or each.future.cancel()
        (over if is_over else under_way).append(each)
    return over, under_way


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MAX_AT_ONCE, thread_name_prefix="post")
