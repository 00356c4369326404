"""Delivers what is due: retries, and all that waits for slow, broken or busy endpoints.

One loop in one execution environment, with many requests under way: a receiver that hangs holds
one thread of it and nothing else. How many an endpoint may hold depends on its health.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from paywright.clock import Clock
from paywright.ids import typeid
from paywright.webhooks.attempts import Attempt, Jitter, Ways, jitter
from paywright.webhooks.deliver import PATIENCE_S, Graveyard
from paywright.webhooks.deliveries import Delivery, Hang, Outcome, Post
from paywright.webhooks.message import body_for
from paywright.webhooks.queue import DeadLetter
from paywright.webhooks.recording import record
from paywright.webhooks.retries import MAX_ATTEMPTS
from paywright.webhooks.store import Due

AT_ONCE = 64
"""Requests under way: the threads of the environment."""
FOR_THE_ILL = 32
"""Of these, for endpoints that fail or are slow."""
FOR_THE_NEW = 16
"""Of these, for those of which nothing is known: their first deliveries wait for nothing else."""
AT_ONCE_EACH = 8
"""Of these, for one endpoint that answers."""

POLL_S = 0.5
"""How often it looks for what is due, if it does not know when that is."""
BREATH_S = 0.02
"""From one look to the next, at least."""

CLOSE_EVERY_S = 5.0
"""How often it looks for what waits in vain; some of it ends after each look at the rest."""

LEASE_S = 60.0
"""Business time after which what was taken is due again, should this environment be gone."""
_GIVE_UP_S = 20.0
"""Wall time after which a request counts as unanswered, whatever keeps its thread."""

_PAUSED_S = POLL_S + 0.1
"""Wall time between two looks that says that the environment was paused, as between two runs."""
_MOMENT_S = 0.2
"""For which threads may then take what has come, before they are late."""


class DueStore(Protocol):
    """Deliveries in the database. Raises `db.Lost` when that is away."""

    def take(
        self,
        *,
        limit: int,
        for_the_ill: int,
        for_the_new: int,
        at_once: int,
        under_way: Sequence[Delivery],
        lease_s: float,
    ) -> list[Due]:
        """What is due."""
        ...

    def next_due(
        self, after: datetime, *, at_once: int, under_way: Sequence[Delivery]
    ) -> datetime | None:
        """When something can be sent next after that moment."""
        ...

    def record(self, outcomes: Sequence[Outcome], hanging: Iterable[Hang] = ()) -> None:
        """Keep what came of deliveries, and which endpoints have not answered in time."""
        ...

    def is_failed(self, delivery: Delivery) -> bool:
        """Whether it still is, or was sent again or delivered by a copy meanwhile."""
        ...

    def settle(self, delivery: Delivery) -> None:
        """A failed one is told of: nothing is to be done with it, unless it was sent again."""
        ...

    def close(self) -> int:
        """Fail what waits for endpoints that are disabled or deleted; how many."""
        ...


class DueDeliveries:
    """The loop's step and rest, as `background.run` wants them.

    What is under way when a run ends goes on in its threads, and the next run of the environment
    records it: nobody's retries wait for a receiver that hangs at that moment. Where there is no
    next run, it is due again after its lease.
    """

    def __init__(
        self,
        store: DueStore,
        sender: Post,
        dead_letters: Graveyard,
        clock: Clock,
        wall: Clock,
        *,
        jitter: Jitter = jitter,
    ) -> None:
        self._store = store
        self._dead_letters = dead_letters
        self._ways = Ways(sender, clock, wall, jitter)
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="due")
        self._under_way: dict[UUID, Attempt] = {}
        self._unrecorded: list[Outcome] = []
        # Endpoints that are known to, as long as a request to them is under way.
        self._hang: set[UUID] = set()
        self._look_at = self._close_at = 0.0
        self._awake_at = time.monotonic()

    def step(self) -> bool:
        """Record what has come, send what is due; is there more to do at once?

        Raise `db.Lost` when the database is away; nothing that is known is lost by that.
        """
        self._record()
        if time.monotonic() < self._look_at:
            return False
        self._look_at = time.monotonic() + BREATH_S
        looked_at = self._ways.clock.now()
        if not self._begin():
            self._look_at = time.monotonic() + self._pause_s(looked_at)
        if time.monotonic() >= self._close_at and not self._store.close():
            self._close_at = time.monotonic() + CLOSE_EVERY_S
        return False

    def rest(self, at_most_s: float) -> None:
        """Wait until there is something to record, or it is time to look again."""
        wait_s = min(at_most_s, max(self._look_at - time.monotonic(), 0.001))
        if not self._under_way:
            time.sleep(wait_s)
            return
        futures = [each.future for each in self._under_way.values()]
        done, _ = wait(futures, timeout=wait_s, return_when=FIRST_COMPLETED)
        if done:  # there is room again, and perhaps more to send
            self._look_at = min(self._look_at, time.monotonic() + BREATH_S)
            time.sleep(min(BREATH_S, at_most_s))  # a moment later there are more for the same price

    def _begin(self) -> bool:
        under_way = [each.delivery for each in self._under_way.values()]
        sent_to = [each.endpoint for each in under_way]
        ill = sum(endpoint.health.is_ill or endpoint.id in self._hang for endpoint in sent_to)
        new = sum(endpoint.health.is_new and endpoint.id not in self._hang for endpoint in sent_to)
        # New ones that hang are ill: more than these have places, and the others' stay theirs.
        for_the_new = min(FOR_THE_NEW, FOR_THE_ILL + FOR_THE_NEW - ill)
        found = self._store.take(
            limit=AT_ONCE - len(self._under_way),
            for_the_ill=max(FOR_THE_ILL - ill, 0),
            for_the_new=max(for_the_new - new, 0),
            at_once=AT_ONCE_EACH,
            under_way=under_way,
            lease_s=LEASE_S,
        )
        for due in found:
            delivery = due.delivery
            if due.reason is not None:
                self._bury(delivery, due.reason)
            else:
                self._under_way[delivery.id] = Attempt(delivery, self._ways, self._pool)
        return bool(found)

    def _pause_s(self, looked_at: datetime) -> float:
        """Until the next is due, so that a retry after a second is not late by half of that."""
        under_way = [each.delivery for each in self._under_way.values()]
        due_at = self._store.next_due(looked_at, at_once=AT_ONCE_EACH, under_way=under_way)
        if due_at is None:
            return POLL_S
        return min(max((due_at - self._ways.clock.now()).total_seconds(), BREATH_S), POLL_S)

    def _record(self) -> None:
        if self._unrecorded:  # perhaps it was, and the answer got lost: the very same once more
            self._tell([])
        self._catch_up()
        for id_, attempt in list(self._under_way.items()):
            if attempt.future.done() or attempt.lasts_s() > _GIVE_UP_S:
                del self._under_way[id_]
                self._unrecorded.append(attempt.outcome())
        hanging = self._begin_to_hang()
        if self._unrecorded or hanging:
            self._tell(hanging)

    def _catch_up(self) -> None:
        """Wait a moment for what is late where nobody could be in time."""
        now = time.monotonic()
        paused_s, self._awake_at = now - self._awake_at, now
        late = [each.future for each in self._under_way.values() if each.lasts_s() > PATIENCE_S]
        if late and paused_s > _PAUSED_S:
            wait(late, timeout=_MOMENT_S)

    def _tell(self, hanging: list[Hang]) -> None:
        # What failed longer ago than its lease was due again since: others know more of it by now.
        since = self._ways.clock.now() - timedelta(seconds=LEASE_S)
        self._unrecorded = [each for each in self._unrecorded if each.succeeded or each.at > since]
        refused = record(self._store, self._unrecorded, hanging)  # these are due again by and by
        self._hang |= {each.endpoint.id for each in hanging}
        recorded, self._unrecorded = self._unrecorded, []
        for outcome in recorded:
            if outcome.is_exhausted and outcome not in refused:
                self._bury(outcome.delivery, outcome.reason)

    def _begin_to_hang(self) -> list[Hang]:
        """Endpoints that were quick and now keep a request: from now on they are slow ones.

        Their answers come too late to say so: they would take all there is until then.
        """
        late = {
            each.delivery.endpoint.id: each.hang()
            for each in self._under_way.values()
            if each.lasts_s() > PATIENCE_S
        }
        self._hang &= late.keys()
        return [
            hang
            for id_, hang in late.items()
            if id_ not in self._hang and not hang.endpoint.health.slow
        ]

    def _bury(self, delivery: Delivery, reason: str) -> None:
        """Put a failed delivery into the dead-letter queue; if that is away, it is due again."""
        endpoint_id = typeid("whe", delivery.endpoint.id)
        letter = DeadLetter(
            body_for(delivery.event, delivery.endpoint.id),
            "RETRIES_EXHAUSTED",
            reason,
            (
                ("RETRY_ATTEMPTS", str(MAX_ATTEMPTS - 1)),
                ("DELIVERY_ID", typeid("whd", delivery.id)),
                ("ENDPOINT_ID", endpoint_id),
            ),
        )
        if self._store.is_failed(delivery) and self._dead_letters.put(letter):
            self._store.settle(delivery)
