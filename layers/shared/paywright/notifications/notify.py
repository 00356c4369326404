"""Sends the e-mails that a batch of events is worth, each at most once as far as SES allows.

A notification is claimed in the database, sent, and recorded, in that order. A message that comes
again finds it recorded. Whoever dies in between leaves the claim behind: nobody can know whether
SES had the mail by then, and it is sent (perhaps again), since what people must know is better
told twice than never. Its reference tells a reader that it is the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from paywright.notifications.letters import KIND_OF, Incomplete, Kind, Letter, letter
from paywright.notifications.mailer import LONGEST_S, Outcome
from paywright.observability import get_logger, tell
from paywright.webhooks.message import Event, Poison

DELAYS_S = (30, 120, 600, 1_800, 3_600)
"""After each failure; the queue's maxReceiveCount is one more."""
NOW_S = 0
_HELD_S = 60


@dataclass(frozen=True, slots=True)
class Claim:
    """Whether a notification is ours to send, and where to; else somebody's, or done already."""

    state: Literal["taken", "held", "done"]
    address: str | None = None


class Notifications(Protocol):
    """The memory of what was sent."""

    def claim(self, event: Event, kind: Kind) -> Claim | None:
        """Take a notification; None where there is no such merchant."""
        ...

    def record(self, event: Event, kind: Kind, outcome: Outcome) -> None:
        """Keep what became of it."""
        ...


class Mail(Protocol):
    """Sends a letter."""

    def send(self, address: str, letter: Letter) -> Outcome:
        """Send it; never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Received:
    """A message of the queue; `attempt` counts from 1. `event` is what it holds, or why nothing."""

    id: str
    receipt_handle: str
    attempt: int
    event: Event | Poison


def read(event: Event) -> tuple[Kind, Letter] | None:
    """What is to be told about an event, None for nothing; raise Poison if that cannot be said."""
    kind = KIND_OF.get(event.type)
    if kind is None:
        return None
    try:
        payload = json.loads(event.payload)
        return kind, letter(kind, payload)
    except (Incomplete, ValueError, RecursionError) as error:
        raise Poison(f"{event.type}: {error}") from error


def notify_batch(
    messages: Sequence[Received],
    *,
    store: Notifications,
    mail: Mail,
    time_left_s: Callable[[], float],
) -> dict[Received, int]:
    """Send what the messages are worth; those not done, with the seconds until they are due.

    Raise `db.Lost` when the database is away.
    """
    undone: dict[Received, int] = {}
    for message in messages:
        if time_left_s() < LONGEST_S:
            undone[message] = NOW_S
            continue
        try:
            again_s = _notify(message, store, mail)
        except Poison as error:
            again_s = NOW_S
            get_logger().error(
                "A message holds nothing that can be told",
                extra={"message_id": message.id, "reason": str(error)},
            )
        if again_s is not None:
            undone[message] = again_s
    return undone


def _notify(message: Received, store: Notifications, mail: Mail) -> int | None:
    """Seconds until it is to be tried again; None when there is no more to do."""
    if isinstance(message.event, Poison):
        raise message.event
    event = message.event
    told = read(event)
    if told is None:
        return None
    kind, content = told
    claim = store.claim(event, kind)
    if claim is None:
        raise Poison("there is no such merchant")
    if claim.state != "taken":
        return _HELD_S if claim.state == "held" else None
    assert claim.address is not None, "whoever takes a notification is told where it goes"
    outcome = mail.send(claim.address, content)
    store.record(event, kind, outcome)
    fields = {"event": event.public_id, "kind": str(kind), "trace_id": event.trace_id}
    if outcome.message_id is not None:
        tell("Notification sent", mail=outcome.message_id, **fields)
        return None
    wait_s = DELAYS_S[min(message.attempt, len(DELAYS_S)) - 1]
    get_logger().warning(
        "Notification not sent", extra={**fields, "reason": outcome.error, "retry_s": wait_s}
    )
    return wait_s
