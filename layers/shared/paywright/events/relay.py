"""The relay: takes events from the outbox, puts them on the bus, keeps them in `events`.

An event leaves the outbox only when the bus has it. A crash in between puts it there again: at
least once, never less. No row is locked meanwhile, and no transaction waits for the bus: should two
relays be at work, which reserved concurrency of one prevents, an event may be put there twice too.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from paywright import background, db
from paywright.clock import Clock
from paywright.events.bus import Outcome
from paywright.events.entry import Entry, from_row
from paywright.observability import get_logger, tell

BATCH = 80
"""Two rounds of four requests of ten: with a bus that hangs, a batch takes 7 s at most."""

_FIRST_REST_S, _LONGEST_REST_S = 1.0, 300.0
_MOST_RESTING = 10_000

_QUERIES = db.load(__file__)


class EventBus(Protocol):
    """Where events go."""

    def put(self, entries: Sequence[Entry]) -> Outcome:
        """Put entries on the bus; never raises for what the bus or the way to it does."""
        ...


class Relay:
    """Moves the outbox to the bus, one batch at a time."""

    def __init__(
        self, database: db.Database, bus: EventBus, clock: Clock, *, batch: int = BATCH
    ) -> None:
        self._database = database
        self._bus = bus
        self._clock = clock
        self._batch = batch
        self._resting = _Resting()

    def run_once(self) -> bool:
        """Relay one batch; is there more to do at once?

        Raise `background.Unavailable` when the bus is away (what it took before is deleted), and
        `db.Lost` when the database is.
        """
        resting = {"resting": self._resting.now(), "limit": self._batch}
        rows = self._database.all(_QUERIES["take"], resting)
        if not rows:
            return False
        outcome = self._bus.put([from_row(row) for row in rows])
        if outcome.accepted:
            now = self._clock.now()
            self._database.run(_QUERIES["relayed"], {"ids": outcome.accepted, "relayed_at": now})
            traces = {row["id"]: row["trace_id"] for row in rows}
            told = [traces[event_id] for event_id in outcome.accepted]
            tell("Events relayed", trace_ids=told)
        self._resting.forget(outcome.accepted)
        for event_id, reason in outcome.refused.items():
            self._resting.add(event_id)
            get_logger().error(
                "The bus refused an event; it stays in the outbox",
                extra={"event": str(event_id), "reason": reason},
            )
        if outcome.failure is not None:
            raise background.Unavailable(outcome.failure)
        return len(rows) == self._batch


class _Resting:
    """Events that the bus refused, left alone longer each time so that they block no others."""

    def __init__(self) -> None:
        self._until: dict[UUID, tuple[float, float]] = {}  # id -> (until, how long the rest was)

    def now(self) -> list[UUID]:
        """Those that must not be tried yet."""
        moment = time.monotonic()
        return [event_id for event_id, (until, _) in self._until.items() if until > moment]

    def add(self, event_id: UUID) -> None:
        """Let one rest, twice as long as the last time."""
        _, last_s = self._until.pop(event_id, (0.0, _FIRST_REST_S / 2))
        rest_s = min(last_s * 2, _LONGEST_REST_S)
        self._until[event_id] = (time.monotonic() + rest_s, rest_s)
        if len(self._until) > _MOST_RESTING:
            del self._until[next(iter(self._until))]  # the one that has rested longest

    def forget(self, event_ids: Sequence[UUID]) -> None:
        """The bus took them after all."""
        for event_id in event_ids:
            self._until.pop(event_id, None)
