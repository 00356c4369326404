"""The fields of AWS's cron: lists, ranges, steps and names, and the days that L, W and # choose."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

DaySelector = Callable[[int, int, int], list[int]]
"""Gives the days of a month in order, from its year, number and length."""


class ExpressionError(ValueError):
    """The schedule expression is not valid; the message says why."""


@dataclass(frozen=True)
class Field:
    """What one field may hold. Ranges of fields that `wraps` may pass the end: FRI-MON, 22-2."""

    title: str
    lowest: int
    highest: int
    names: Mapping[str, int] = field(default_factory=dict)
    wraps: bool = True


def _numbered(names: str) -> dict[str, int]:
    return {name: number for number, name in enumerate(names.split(), start=1)}


MINUTES = Field("minute", 0, 59)
HOURS = Field("hour", 0, 23)
MONTH_DAYS = Field("day of month", 1, 31)
MONTHS = Field("month", 1, 12, _numbered("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC"))
WEEK_DAYS = Field("day of week", 1, 7, _numbered("SUN MON TUE WED THU FRI SAT"))
YEARS = Field("year", 1970, 2199, wraps=False)

_ITEM = re.compile(r"(\*|\w+)(?:-(\w+))?(?:/(\d{1,4}))?")
_FRIDAY, _SATURDAY = 4, 5


def values(text: str, field: Field) -> tuple[int, ...]:
    """Return the numbers that a field without L, W and # means, in order."""
    found: set[int] = set()
    for item in text.split(","):
        found.update(_item(item, field))
    return tuple(sorted(found))


def day_of_month(text: str) -> DaySelector:
    """Return what chooses the days that a day-of-month field means."""
    if text in ("L", "LW") or re.fullmatch(r"L-\d{1,2}", text):
        before = int(text[2:]) if "-" in text else 0
        if before > 30:
            raise ExpressionError(f"day of month: {text} is before every month's first day")
        if text == "LW":
            return lambda year, month, length: [_nearest_weekday(year, month, length, length)]
        return lambda _year, _month, length: [length - before] if length > before else []
    if match := re.fullmatch(r"(\d{1,2})W", text):
        day = _number(match[1], MONTH_DAYS)
        return lambda year, month, length: (
            [_nearest_weekday(year, month, day, length)] if day <= length else []
        )
    days = values(text, MONTH_DAYS)
    return lambda _year, _month, length: [day for day in days if day <= length]


def day_of_week(text: str) -> DaySelector:
    """Return what chooses the days that a day-of-week field means (1 is Sunday)."""
    if text == "L":
        text = "SAT"
    if match := re.fullmatch(r"(\w+)#([1-5])", text):
        week_day, week = _number(match[1], WEEK_DAYS), int(match[2])
        return lambda year, month, length: _week_days(year, month, length, week_day)[week - 1 :][:1]
    if match := re.fullmatch(r"(\w+)L", text):
        week_day = _number(match[1], WEEK_DAYS)
        return lambda year, month, length: _week_days(year, month, length, week_day)[-1:]
    chosen = set(values(text, WEEK_DAYS))
    return lambda year, month, length: [
        day for day in range(1, length + 1) if _aws_weekday(year, month, day) in chosen
    ]


def _item(item: str, field: Field) -> list[int]:
    match = _ITEM.fullmatch(item)
    if match is None or (match[1] == "*" and match[2]):
        raise ExpressionError(f"{field.title}: {item!r} is not a value, a range or a step")
    step = int(match[3]) if match[3] else 1
    if not 1 <= step <= field.highest:
        raise ExpressionError(f"{field.title}: a step is 1 to {field.highest}, not {step}")
    if match[1] == "*":
        return list(range(field.lowest, field.highest + 1, step))
    first = _number(match[1], field)
    if match[2] is None:
        return list(range(first, field.highest + 1, step)) if match[3] else [first]
    last = _number(match[2], field)
    if last >= first:
        return list(range(first, last + 1, step))
    if not field.wraps:
        raise ExpressionError(f"{field.title}: {item} runs backwards")
    count = field.highest - field.lowest + 1
    return [
        (number - field.lowest) % count + field.lowest
        for number in range(first, last + count + 1, step)
    ]


def _number(text: str, field: Field) -> int:
    number = field.names.get(text.upper(), int(text) if text.isdecimal() else None)
    if number is None or not field.lowest <= number <= field.highest:
        raise ExpressionError(f"{field.title}: {text!r} is not {field.lowest} to {field.highest}")
    return number


def _aws_weekday(year: int, month: int, day: int) -> int:
    return date(year, month, day).isoweekday() % 7 + 1


def _week_days(year: int, month: int, length: int, week_day: int) -> list[int]:
    first = (week_day - _aws_weekday(year, month, 1)) % 7 + 1
    return list(range(first, length + 1, 7))


def _nearest_weekday(year: int, month: int, day: int, length: int) -> int:
    """Return the weekday nearest to a day, without leaving its month."""
    weekday = date(year, month, day).weekday()
    if weekday <= _FRIDAY:
        return day
    if weekday == _SATURDAY:
        return day - 1 if day > 1 else day + 2
    return day + 1 if day < length else day - 2
