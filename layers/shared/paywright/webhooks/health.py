"""What is known of an endpoint from its answers, and what it may be sent because of that.

An endpoint that keeps failing is left alone for a while, and then tried with one delivery at a
time; one whose answers take long gets its deliveries from a function of their own, so that nobody
else's wait behind them (docs/decisions/0020).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

SLOW_MS = 1_000
"""An answer that takes longer makes an endpoint a slow one, until one comes sooner."""

BROKEN_AFTER = 5
"""Failures in a row after which an endpoint rests."""

FIRST_REST_S, LONGEST_REST_S = 30, 300
"""Each rest is twice as long as the last, business time."""

DISABLED_AFTER = timedelta(days=5)
"""Business time of nothing but failures after which an endpoint is disabled."""

GONE = 410

GONE_REASON = "the receiver answered 410 Gone"
FAILING_REASON = f"nothing but failures for {DISABLED_AFTER.days} days"


@dataclass(frozen=True, slots=True)
class Health:
    """How an endpoint stood when it was looked up."""

    answered_at: datetime | None = None
    failing_since: datetime | None = None
    failures: int = 0
    slow: bool = False

    @property
    def is_quick(self) -> bool:
        """Whether it may be sent to at once, beside others that should not wait for it."""
        return self.answered_at is not None and not self.slow and not self.is_broken

    @property
    def is_new(self) -> bool:
        """Whether nothing is known of it, neither good nor bad."""
        return self.answered_at is None and not self.is_ill

    @property
    def is_broken(self) -> bool:
        """Whether it has failed too often in a row."""
        return self.failing_since is not None and self.failures >= BROKEN_AFTER

    @property
    def is_ill(self) -> bool:
        """Whether it is slow or fails."""
        return self.slow or self.failing_since is not None

    @property
    def is_proven(self) -> bool:
        """Whether what was sent last has arrived."""
        return self.answered_at is not None and self.failing_since is None


class Result(Protocol):
    """What came of one attempt."""

    @property
    def at(self) -> datetime:
        """When it began."""
        ...

    @property
    def ended_at(self) -> datetime:
        """When that was known."""
        ...

    @property
    def succeeded(self) -> bool:
        """Whether the receiver has it."""
        ...

    @property
    def duration_ms(self) -> int:
        """How long it took to know."""
        ...

    @property
    def status_code(self) -> int | None:
        """What the receiver answered, if it did."""
        ...


@dataclass(frozen=True, slots=True)
class Seen:
    """What several attempts, or one that hangs, add to an endpoint's health.

    The last of them `began` then, and what came of them was known `at` that moment. `failures` are
    those after the last success among them, `failing_since` the first of these.
    """

    began: datetime
    at: datetime
    succeeded: bool
    failures: int
    failing_since: datetime | None
    slow: bool


def seen(results: Iterable[Result]) -> Seen:
    """What one endpoint's attempts say of it, at least one of them."""
    ordered = sorted(results, key=lambda result: result.ended_at)
    assert ordered, "nothing says nothing"
    succeeded, failing = False, list[Result]()
    for result in ordered:
        if result.succeeded:
            succeeded, failing = True, []
        else:
            failing.append(result)
    return Seen(
        began=max(result.at for result in ordered),
        at=ordered[-1].ended_at,
        succeeded=succeeded,
        failures=len(failing),
        failing_since=failing[0].ended_at if failing else None,
        slow=any(result.duration_ms > SLOW_MS for result in ordered),
    )


def hangs(began: datetime, at: datetime) -> Seen:
    """What an attempt says that has no answer yet and should have one."""
    return Seen(began, at, succeeded=False, failures=0, failing_since=None, slow=True)


def is_news(health: Health, what: Seen) -> bool:
    """Whether it changes anything that was known: answers as ever are not written down."""
    as_ever = what.succeeded and not what.failures and not what.slow
    return not (as_ever and health.is_proven and not health.slow)


def reason_to_disable(health: Health, results: Iterable[Result]) -> str | None:
    """Why an endpoint must not be sent anything more, or None.

    A receiver says so with 410; or all that it was sent failed, for days and at least as often as
    makes it a broken one.
    """
    latest = list(results)
    if any(result.status_code == GONE for result in latest):
        return GONE_REASON
    if health.failing_since is None or not latest or any(result.succeeded for result in latest):
        return None
    lasted = max(result.ended_at for result in latest) - health.failing_since
    often = health.failures + len(latest) >= BROKEN_AFTER
    return FAILING_REASON if often and lasted >= DISABLED_AFTER else None
