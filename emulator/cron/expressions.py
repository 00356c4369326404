"""Schedule expressions: `rate`, `cron` with AWS's six fields, and `at`. Pure: no clock, no I/O.

Sources: Amazon EventBridge User Guide, "Setting a schedule pattern for scheduled rules"; Amazon
EventBridge Scheduler User Guide, "Schedule types in EventBridge Scheduler", for time zones: of a
wall-clock time that daylight saving skips nothing fires, one that it repeats fires once.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from emulator.cron.fields import (
    HOURS,
    MINUTES,
    MONTHS,
    YEARS,
    DaySelector,
    ExpressionError,
    day_of_month,
    day_of_week,
    values,
)

__all__ = ["At", "Cron", "Expression", "ExpressionError", "Rate", "moment", "parse", "time_zone"]

_RATE = re.compile(r"rate\((\d{1,9}) (minute|hour|day)(s?)\)")
_AT = re.compile(r"at\((\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})\)")
_CRON = re.compile(r"cron\(([^()]*)\)")


@dataclass(frozen=True)
class Rate:
    """A fixed period, whatever the time zone."""

    period: timedelta


@dataclass(frozen=True)
class At:
    """One wall-clock time."""

    wall: datetime

    def moment(self, zone: tzinfo) -> datetime:
        """Return the time in UTC."""
        return self.wall.replace(tzinfo=zone).astimezone(UTC)


@dataclass(frozen=True)
class Cron:
    """Wall-clock times that six fields describe."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: DaySelector
    months: tuple[int, ...]
    years: tuple[int, ...]

    def next_after(self, moment: datetime, zone: tzinfo) -> datetime | None:
        """Return the first time in UTC that is later than `moment`; None if there is none."""
        start = moment.astimezone(zone).replace(tzinfo=None)
        for wall in self._walls(start):
            local = wall.replace(tzinfo=zone)
            utc = local.astimezone(UTC)
            is_skipped = utc.astimezone(zone).replace(tzinfo=None) != wall
            if utc > moment and not is_skipped:
                return utc
        return None

    @property
    def never_fires(self) -> bool:
        """Whether no day fits it, such as 31 February; AWS takes it all the same."""
        return not any(
            self.days(year, month, monthrange(year, month)[1])
            for year in self.years
            for month in self.months
        )

    def _walls(self, start: datetime) -> Iterator[datetime]:
        """Yield the wall-clock times later than `start`, in order."""
        for year in self.years:
            if year < start.year:
                continue
            for month in self.months:
                if (year, month) < (start.year, start.month):
                    continue
                for day in self.days(year, month, monthrange(year, month)[1]):
                    date = (year, month, day)
                    if date < (start.year, start.month, start.day):
                        continue
                    for hour in self.hours:
                        if (*date, hour) < (start.year, start.month, start.day, start.hour):
                            continue
                        for minute in self.minutes:
                            wall = datetime(year, month, day, hour, minute)  # noqa: DTZ001
                            if wall > start:
                                yield wall


Expression = Rate | At | Cron


def parse(text: str) -> Expression:
    """Return the expression; raise ExpressionError, saying why, for what AWS would refuse."""
    if match := _RATE.fullmatch(text):
        return _rate(int(match[1]), match[2], bool(match[3]))
    if match := _AT.fullmatch(text):
        try:
            return At(datetime.fromisoformat(match[1]))
        except ValueError as error:
            raise ExpressionError(f"{text} is not a time: {error}") from None
    if match := _CRON.fullmatch(text):
        return _cron(match[1].split())
    raise ExpressionError(
        f"{text!r} is none of rate(5 minutes), cron(0 12 * * ? *), at(2030-01-01T00:00:00)"
    )


def time_zone(name: str) -> tzinfo:
    """Return an IANA time zone; raise ExpressionError if there is none of that name."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ExpressionError(f"there is no time zone {name!r} on this machine") from None


def moment(text: str | None) -> datetime | None:
    """Return a StartDate or EndDate, which is in UTC unless it says otherwise."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ExpressionError(f"{text!r} is not a time: {error}") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _rate(count: int, unit: str, is_plural: bool) -> Rate:
    if count == 0 or is_plural != (count > 1):
        raise ExpressionError("a rate is 1 minute, 2 minutes, 1 hour, 2 hours, 1 day, 2 days, ...")
    return Rate(
        count
        * {"minute": timedelta(minutes=1), "hour": timedelta(hours=1)}.get(unit, timedelta(days=1))
    )


def _cron(fields: list[str]) -> Cron:
    if len(fields) != 6:
        raise ExpressionError(f"cron has six fields (minute to year), not {len(fields)}")
    minute, hour, month_day, month, week_day, year = fields
    if (month_day == "?") == (week_day == "?"):
        raise ExpressionError("exactly one of day-of-month and day-of-week is ?")
    return Cron(
        minutes=values(minute, MINUTES),
        hours=values(hour, HOURS),
        days=day_of_month(month_day) if week_day == "?" else day_of_week(week_day),
        months=values(month, MONTHS),
        years=values(year, YEARS),
    )
