"""How much waits for a background function, and for how long: metrics, told now and then."""

from __future__ import annotations

import time

from paywright import db
from paywright.clock import Clock
from paywright.observability import tell_figures

EVERY_S = 10.0
MOST_COUNTED = 100_000
"""More are told as so many: counting them all would take from working them off."""


class Backlog:
    """Tells it at most once in `every_s`, also while nothing can be worked off.

    `query` has a row with `waiting`, counted up to `most`, and since when the `oldest` does. The
    metrics' names are those of the count and of the age.
    """

    def __init__(
        self,
        database: db.Database,
        clock: Clock,
        query: bytes,
        names: tuple[str, str],
        *,
        every_s: float = EVERY_S,
    ) -> None:
        self._database = database
        self._clock = clock
        self._query = query
        self._names = names
        self._every_s = every_s
        self._due = 0.0

    def tell(self) -> None:
        """Print both metrics, if it is time; raise `db.Lost` when the database is away."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + self._every_s
        tell_figures(**dict(zip(self._names, self.look(), strict=True)))

    def look(self) -> tuple[int, float]:
        """How many wait, and the age of the oldest in seconds of business time."""
        found = self._database.one(self._query, {"most": MOST_COUNTED})
        assert found is not None, "a count is a row"
        oldest = found["oldest"]
        age_s = 0.0 if oldest is None else (self._clock.now() - oldest).total_seconds()
        return found["waiting"], max(age_s, 0.0)
