"""How many events wait in the outbox, and for how long: metrics, told now and then."""

from __future__ import annotations

import time

from paywright import db
from paywright.clock import Clock
from paywright.observability import tell_figures

EVERY_S = 10.0
MOST_COUNTED = 100_000
"""More are told as so many: counting them all would take from relaying them."""

_QUERIES = db.load(__file__)


class Backlog:
    """Tells it at most once in `every_s`, also while the bus is away."""

    def __init__(self, database: db.Database, clock: Clock, *, every_s: float = EVERY_S) -> None:
        self._database = database
        self._clock = clock
        self._every_s = every_s
        self._due = 0.0

    def tell(self) -> None:
        """Print both metrics, if it is time; raise `db.Lost` when the database is away."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + self._every_s
        found = self._database.one(_QUERIES["waiting"], {"most": MOST_COUNTED})
        assert found is not None, "a count is a row"
        oldest = found["oldest"]
        age_s = 0.0 if oldest is None else (self._clock.now() - oldest).total_seconds()
        tell_figures(OutboxEvents=found["events"], OutboxAgeSeconds=max(age_s, 0.0))
