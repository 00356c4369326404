"""Records what came of deliveries, so that one that cannot be recorded keeps no other from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from paywright import db
from paywright.ids import typeid
from paywright.observability import get_logger
from paywright.webhooks.deliveries import Hang, Outcome, tell_of


class Records(Protocol):
    """Where outcomes are kept. Raises `db.Lost` when the database is away."""

    def record(self, outcomes: Sequence[Outcome], hanging: Iterable[Hang] = ()) -> None:
        """Keep what came of deliveries, and which endpoints have not answered in time."""
        ...


def record(
    store: Records, outcomes: Sequence[Outcome], hanging: Sequence[Hang] = ()
) -> list[Outcome]:
    """Record outcomes and tell of them; return those that the database refuses.

    All in one statement; where that fails, whatever the reason may be, each in one of its own: as
    it is, without its receiver's words, or else only what is still to be done, so that attempts
    count and come to an end. Raise `db.Lost` when the database is away.
    """
    refused: list[Outcome] = []
    error = _refusal(store, outcomes, hanging)
    if error is not None:
        get_logger().warning(
            "Webhook deliveries could not be recorded together",
            extra={"reason": type(error).__name__},
        )
        refused = [each for each in outcomes if not _is_recorded(store, each)]
        store.record([], hanging)
    for each in outcomes:
        if each not in refused:
            tell_of(each)
    return refused


def _is_recorded(store: Records, outcome: Outcome) -> bool:
    error = _refusal(store, [outcome])
    if error is None:
        return True
    about = {
        "event": outcome.delivery.event.public_id,
        "delivery": typeid("whd", outcome.delivery.id),
        "reason": type(error).__name__,
    }
    if _refusal(store, [outcome.without_words()]) is None:
        get_logger().warning("What a receiver said cannot be kept", extra=about)
        return True
    get_logger().error("A webhook's attempt cannot be kept", exc_info=error, extra=about)
    error = _refusal(store, [outcome.without_attempt()])
    if error is not None:
        get_logger().error(
            "A webhook delivery cannot be kept; it comes again until the database takes it",
            exc_info=error,
            extra=about,
        )
    return error is None


def _refusal(
    store: Records, outcomes: Sequence[Outcome], hanging: Iterable[Hang] = ()
) -> Exception | None:
    """What the database has against these, if anything."""
    try:
        store.record(outcomes, hanging)
    except db.Lost:
        raise
    except Exception as error:
        return error
    return None
