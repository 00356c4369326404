"""When a schedule fires: its expression with zone, start, end and window. Pure: no clock, no I/O.

Source: Amazon EventBridge Scheduler User Guide, "Schedule types in EventBridge Scheduler" and
"Configuring flexible time windows".
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from emulator.cron.expressions import At, Cron, Expression, Rate, parse, time_zone

_INSTANT = timedelta(microseconds=1)
_FIRST_SPAN = timedelta(minutes=2)


class TooMany(Exception):
    """It fires more often than anybody wants to wait for."""


@dataclass(frozen=True)
class Timing:
    """The times of one schedule. They are due times; `moment` is when to fire."""

    text: str
    timezone: str
    expression: Expression
    zone: tzinfo
    start: datetime | None = None
    end: datetime | None = None
    window: timedelta = timedelta(0)

    @classmethod
    def of(
        cls,
        text: str,
        timezone: str | None = None,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        window_min: int = 0,
    ) -> Timing:
        """Read an expression; raise ExpressionError for what AWS would refuse."""
        name = timezone or "UTC"
        expression, zone = parse(text), time_zone(name)
        if isinstance(expression, At):  # AWS ignores both for a schedule that fires once
            start = end = None
        return cls(text, name, expression, zone, start, end, timedelta(minutes=window_min))

    @property
    def fingerprint(self) -> str:
        """A text that changes with the times."""
        parts: tuple[Any, ...] = (self.text, self.timezone, self.start, self.end, self.window)
        return "|".join("" if part is None else str(part) for part in parts)

    def first(self, since: datetime) -> datetime | None:
        """Return when it is due first, having come to be at `since`.

        A rate is due at once and then each period; a time that is past is not made good.
        """
        if isinstance(self.expression, At):
            once = self.expression.moment(self.zone)
            return once if once >= since else None
        begin = since if self.start is None else max(since, self.start)
        if isinstance(self.expression, Cron):
            return self._within(self.expression.next_after(begin - _INSTANT, self.zone))
        if self.start is None or self.start >= since:
            return self._within(begin)
        periods = -((self.start - since) // self.expression.period)
        return self._within(self.start + periods * self.expression.period)

    def following(self, due: datetime) -> datetime | None:
        """Return the due time after another."""
        if isinstance(self.expression, At):
            return None
        if isinstance(self.expression, Cron):
            return self._within(self.expression.next_after(due, self.zone))
        return self._within(due + self.expression.period)

    def latest(self, due: datetime, now: datetime) -> datetime:
        """Return the last due time that is not after `now`, `due` being one that is not."""
        if isinstance(self.expression, At):
            return due
        until = now if self.end is None else min(now, self.end)
        if isinstance(self.expression, Rate):
            return due + (until - due) // self.expression.period * self.expression.period
        span = _FIRST_SPAN
        while span < until - due:
            found = self.following(until - span)
            if found is not None and found <= until:
                due = found
                break
            span *= 2
        while (found := self.following(due)) is not None and found <= until:
            due = found
        return due

    def count(self, due: datetime, until: datetime, limit: int) -> int:
        """Return how often it fires from `due` to `until`; raise TooMany beyond the limit.

        Only cron fires for each of the times that a moved clock passes: each may stand for a
        day's work.
        """
        if not isinstance(self.expression, Cron):
            return 1
        found, number = self.following(due), 1
        while found is not None and found <= until:
            number += 1
            if number > limit:
                raise TooMany
            found = self.following(found)
        return number

    def moment(self, due: datetime, key: str) -> datetime:
        """Return when to fire what is then due: with a flexible window, some time within it.

        The moment is drawn from the schedule's key and the due time, so that a restart does not
        change it.
        """
        if not self.window:
            return due
        seconds = int(self.window.total_seconds())
        drawn = hashlib.sha256(f"{key} {due.timestamp()}".encode()).digest()
        return due + timedelta(seconds=int.from_bytes(drawn[:8]) % seconds)

    def _within(self, due: datetime | None) -> datetime | None:
        if due is None or (self.end is not None and due > self.end):
            return None
        return due
