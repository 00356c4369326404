"""How many journals wait for their place in the ledger, and for how long."""

from __future__ import annotations

from paywright import db
from paywright.backlog import Backlog
from paywright.clock import Clock

_QUERIES = db.load(__file__)


def ledger_backlog(database: db.Database, clock: Clock) -> Backlog:
    """The backlog of the sequencer."""
    names = ("UnsequencedJournals", "UnsequencedAgeSeconds")
    return Backlog(database, clock, _QUERIES["waiting"], names)
