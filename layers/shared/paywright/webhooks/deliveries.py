"""An event on its way to one endpoint: what is to be sent, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, Protocol
from uuid import UUID

from paywright.observability import get_logger, tell
from paywright.webhooks.health import GONE, Health
from paywright.webhooks.message import Event
from paywright.webhooks.retries import delay_s, parse_retry_after
from paywright.webhooks.sender import Answer

Status = Literal["pending", "delivered", "failed"]
STATUSES: tuple[Status, ...] = ("pending", "delivered", "failed")

UNTELLABLE = "(not kept: the database does not take it as text)"

_BURIED_WITHIN = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """Where a merchant's events go; `sequence` counts the events about the endpoint itself."""

    merchant_id: UUID
    id: UUID
    url: str
    secrets: tuple[str, ...]
    """The present one, then the one before it while that is still good; none if it is damaged."""
    sequence: int
    health: Health


@dataclass(frozen=True, slots=True)
class Hang:
    """An endpoint that has not answered and should have, what it was sent `since` that moment."""

    endpoint: Endpoint
    since: datetime


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """An event that an endpoint has not got.

    `tries` are the attempts since it was begun, or begun anew for the `turn`-th time.
    """

    id: UUID
    event: Event
    endpoint: Endpoint
    tries: int = 0
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is to be kept of a delivery: of an attempt, or without `answer` that it has to wait.

    `at` is when the attempt was made. At `due_at` something is still to be done: the next attempt,
    or with a failed one the message in the dead-letter queue.
    """

    delivery: Delivery
    status: Status
    answer: Answer | None
    at: datetime
    due_at: datetime | None

    def without_words(self) -> Outcome:
        """The same where the database does not take what was said: it says that in its place."""
        event = replace(self.delivery.event, trace_id=None)
        answer = self.answer
        if answer is not None:
            error = None if answer.error is None else UNTELLABLE
            excerpt = None if answer.excerpt is None else UNTELLABLE
            answer = replace(answer, error=error, excerpt=excerpt)
        return replace(self, delivery=replace(self.delivery, event=event), answer=answer)

    def without_attempt(self) -> Outcome:
        """Only what is still to be done, and that it was attempted once more."""
        delivery = self.without_words().delivery
        return replace(self, delivery=replace(delivery, tries=self.tries), answer=None)

    @property
    def tries(self) -> int:
        """How often it was attempted since it was begun."""
        return self.delivery.tries + (self.answer is not None)

    @property
    def succeeded(self) -> bool:
        """Whether the receiver has it."""
        return self.status == "delivered"

    @property
    def is_exhausted(self) -> bool:
        """Whether it was the last attempt, in vain: what follows is the dead-letter queue."""
        return self.status == "failed" and self.due_at is not None

    @property
    def is_late(self) -> bool:
        """Whether it failed because its time was over."""
        return self.answer is not None and self.answer.is_late

    @property
    def duration_ms(self) -> int:
        """How long the attempt took."""
        return 0 if self.answer is None else self.answer.duration_ms

    @property
    def ended_at(self) -> datetime:
        """When it was known what came of the attempt."""
        return self.at + timedelta(milliseconds=self.duration_ms)

    @property
    def reason(self) -> str:
        """Why the attempt was none that the receiver has."""
        return reason_of(self.answer.error if self.answer else None, self.status_code)

    @property
    def status_code(self) -> int | None:
        """What the receiver answered, if it did."""
        return None if self.answer is None else self.answer.status


def reason_of(error: str | None, status_code: int | None) -> str:
    """Why an attempt failed, in words."""
    return error or f"the receiver answered {status_code}"


class Post(Protocol):
    """Sends a request."""

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a body and return the answer; never raises."""
        ...


def judge(
    delivery: Delivery, answer: Answer, *, at: datetime, wall_now: datetime, jitter: float
) -> Outcome:
    """What an answer means: delivered, tried again at a time, or failed for good.

    The attempt was made at `at`; delays count from its end, which is `wall_now` on that clock.
    """
    if answer.status is not None and 200 <= answer.status <= 299:
        return Outcome(delivery, "delivered", answer, at, None)
    if answer.status == GONE:
        return Outcome(delivery, "failed", answer, at, None)
    asked_s = parse_retry_after(answer.retry_after, wall_now)
    retry_s = delay_s(delivery.tries + 1, asked_s, jitter)
    ended_at = at + timedelta(milliseconds=answer.duration_ms)
    if retry_s is None:
        return Outcome(delivery, "failed", answer, at, ended_at + _BURIED_WITHIN)
    return Outcome(delivery, "pending", answer, at, ended_at + timedelta(seconds=retry_s))


def parked(delivery: Delivery, at: datetime) -> Outcome:
    """It waits from a moment on, for whoever has time for its endpoint."""
    return Outcome(delivery, "pending", None, at, at)


def tell_of(outcome: Outcome) -> None:
    """A line in the log for each attempt."""
    delivery, answer = outcome.delivery, outcome.answer
    if answer is None:
        return
    fields = {
        "event": delivery.event.public_id,
        "event_type": delivery.event.type,
        "endpoint": str(delivery.endpoint.id),
        "attempt": outcome.tries,
        "status": answer.status,
        "error": answer.error,
        "duration_ms": answer.duration_ms,
        "trace_id": delivery.event.trace_id,
    }
    if outcome.succeeded:
        tell("Webhook delivered", **fields)
    else:
        due = outcome.due_at.isoformat() if outcome.due_at else None
        get_logger().warning("Webhook not delivered", extra=fields | {"again_at": due})
