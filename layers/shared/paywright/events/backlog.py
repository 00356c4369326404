"""How many events wait in the outbox, and for how long."""

from __future__ import annotations

from paywright import db
from paywright.backlog import EVERY_S, Backlog
from paywright.clock import Clock

_QUERIES = db.load(__file__)


def outbox_backlog(database: db.Database, clock: Clock, *, every_s: float = EVERY_S) -> Backlog:
    """The backlog of the relay."""
    names = ("OutboxEvents", "OutboxAgeSeconds")
    return Backlog(database, clock, _QUERIES["waiting"], names, every_s=every_s)
