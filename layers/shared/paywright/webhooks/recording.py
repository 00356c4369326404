"""Records what came of deliveries, so that one that cannot be recorded keeps no other from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from paywright import db
from paywright.ids import typeid
from paywright.observability import get_logger
from paywright.webhooks.deliveries import Endpoint, Outcome, tell_of


class Records(Protocol):
    """Where outcomes are kept. Raises `db.Lost` when the database is away."""

    def record(self, outcomes: Sequence[Outcome], hanging: Iterable[Endpoint] = ()) -> None:
        """Keep what came of deliveries, and which endpoints have not answered in time."""
        ...


def record(
    store: Records, outcomes: Sequence[Outcome], hanging: Sequence[Endpoint] = ()
) -> list[Outcome]:
    """Record outcomes and tell of them; return those that the database refuses.

    All in one statement; each in one of its own where that fails, whatever the reason may be.
    Raise `db.Lost` when the database is away.
    """
    refused: list[Outcome] = []
    try:
        store.record(outcomes, hanging)
    except db.Lost:
        raise
    except Exception:
        get_logger().exception("Webhook deliveries could not be recorded together")
        refused = [each for each in outcomes if not _is_recorded(store, each)]
        store.record([], hanging)
    for each in outcomes:
        if each not in refused:
            tell_of(each)
    return refused


def _is_recorded(store: Records, outcome: Outcome) -> bool:
    try:
        store.record([outcome])
    except db.Lost:
        raise
    except Exception:
        get_logger().exception(
            "A webhook delivery could not be recorded",
            extra={
                "event": outcome.delivery.event.public_id,
                "delivery": typeid("whd", outcome.delivery.id),
            },
        )
        return False
    return True
