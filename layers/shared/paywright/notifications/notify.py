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

from paywright.notifications.letters import (
    KIND_OF,
    RECIPIENTS,
    Incomplete,
    Kind,
    Letter,
    Recipient,
    letter,
)
from paywright.notifications.mailer import LONGEST_S, Outcome
from paywright.observability import get_logger, tell
from paywright.webhooks.message import Event, Poison

DELAYS_S = (30, 120, 600, 1_800, 3_600)
"""After each failure; the queue's maxReceiveCount is one more."""
NOW_S = 0
UNREADABLE = "the address cannot be decrypted"
_HELD_S = 60


@dataclass(frozen=True, slots=True)
class Claim:
    """Whether a notification is ours to send, and where to; else somebody's, or done already.

    Without an address it can be sent nowhere: what is stored cannot be decrypted.
    """

    state: Literal["taken", "held", "done"]
    address: str | None = None


class Notifications(Protocol):
    """The memory of what was sent."""

    def claim(self, event: Event, kind: Kind, recipient: Recipient) -> Claim | None:
        """Take a notification; None where there is no such merchant."""
        ...

    def record(self, event: Event, kind: Kind, recipient: Recipient, outcome: Outcome) -> None:
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
        try:
            again_s = _notify(message, store, mail, time_left_s)
        except Poison as error:
            again_s = NOW_S
            get_logger().error(
                "A message holds nothing that can be told",
                extra={"message_id": message.id, "reason": str(error)},
            )
        if again_s is not None:
            undone[message] = again_s
    return undone


def _notify(
    message: Received, store: Notifications, mail: Mail, time_left_s: Callable[[], float]
) -> int | None:
    """Seconds until it is to be tried again; None when there is no more to do."""
    if isinstance(message.event, Poison):
        raise message.event
    event = message.event
    told = read(event)
    if told is None:
        return None
    kind, content = told
    waits_s = []
    for recipient in RECIPIENTS[kind]:
        if time_left_s() < LONGEST_S:
            waits_s.append(NOW_S)
            break
        claim = store.claim(event, kind, recipient)
        if claim is None:
            raise Poison("there is no such merchant")
        if claim.state == "held":
            waits_s.append(_HELD_S)
        elif claim.state == "taken":
            outcome = Outcome(None, UNREADABLE)
            if claim.address is not None:
                outcome = mail.send(claim.address, content)
            store.record(event, kind, recipient, outcome)
            if (wait_s := _told(message, event, kind, recipient, outcome)) is not None:
                waits_s.append(wait_s)
    return min(waits_s, default=None)


def _told(
    message: Received, event: Event, kind: Kind, recipient: Recipient, outcome: Outcome
) -> int | None:
    """Say what became of a letter; seconds until it is to be sent again, None if it was sent."""
    fields = {
        "event": event.public_id,
        "kind": str(kind),
        "recipient": str(recipient),
        "trace_id": event.trace_id,
    }
    if outcome.message_id is not None:
        tell("Notification sent", mail=outcome.message_id, **fields)
        return None
    wait_s = DELAYS_S[min(message.attempt, len(DELAYS_S)) - 1]
    get_logger().warning(
        "Notification not sent", extra={**fields, "reason": outcome.error, "retry_s": wait_s}
    )
    return wait_s
