"""Which notifications were sent, in PostgreSQL: the memory that keeps a mail from going twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from paywright import db
from paywright.clock import Clock, SystemClock
from paywright.db.connection import with_retries
from paywright.notifications.letters import Kind
from paywright.notifications.mailer import Outcome
from paywright.notifications.notify import Claim
from paywright.webhooks.message import Event

_QUERIES = db.load(__file__)
CLAIM_S = 60
"""Longer than a mail takes; less than the queue hides a message."""


class PostgresNotifications:
    """Keeps one row for each event and kind."""

    def __init__(
        self, database: db.Database, clock: Clock, pii_key: str, *, wall: Clock | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._wall = wall or SystemClock()
        self._pii_key = pii_key

    def claim(self, event: Event, kind: Kind) -> Claim | None:
        """Take a notification, if it is to be sent; None where there is no such merchant."""
        wall_now = self._wall.now()
        parameters = self._key(event, kind) | {
            "pii_key": self._pii_key,
            "now": self._clock.now(),
            "wall_now": wall_now,
            "claimed_until": wall_now + timedelta(seconds=CLAIM_S),
        }
        row = with_retries(lambda: self._database.one(_QUERIES["claim"], parameters))
        if row is None:
            return None
        if row["claimed"] == "sending":
            return Claim("taken", row["address"])
        is_done = "unwanted" in (row["claimed"], row["known"]) or row["known"] == "sent"
        return Claim("done" if is_done else "held")

    def record(self, event: Event, kind: Kind, outcome: Outcome) -> None:
        """Keep what became of a notification that was taken."""
        parameters = self._key(event, kind) | {
            "status": "failed" if outcome.message_id is None else "sent",
            "message_id": outcome.message_id,
            "error": outcome.error,
            "now": self._clock.now(),
        }
        with_retries(lambda: self._database.run(_QUERIES["record"], parameters))

    def _key(self, event: Event, kind: Kind) -> dict[str, Any]:
        return {"merchant_id": event.merchant_id, "event_id": event.id, "kind": str(kind)}
