"""What AWS checks of schedules and MiniStack does not, and lists longer than one page.

Sources: EventBridge Scheduler API reference, CreateSchedule and ListSchedules; EventBridge API
reference, PutRule; the messages are recorded on AWS (LocalStack's snapshots).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from emulator.cron.expressions import At, ExpressionError, moment, parse, time_zone

_PAGE = 100
_ALL = str(10**9)
_LONGEST_WINDOW_MIN = 1_440


def adapt(scheduler: Any, eventbridge: Any) -> None:
    """Change MiniStack's two services."""
    create, update = scheduler._create_schedule, scheduler._update_schedule
    list_all, put_rule = scheduler._list_schedules, eventbridge._put_rule

    def checked(change: Any) -> Any:
        def call(name: str, body: Mapping[str, Any]) -> Any:
            problem = schedule_problem(body)
            if problem is not None:
                return scheduler._error(400, "ValidationException", problem)
            return change(name, body)

        return call

    def list_page(query: Mapping[str, str]) -> Any:
        status, headers, body = list_all({**query, "MaxResults": _ALL})
        return status, headers, _page(body, query)

    def put_checked_rule(data: Mapping[str, Any]) -> Any:
        bus = data.get("EventBusName", "default").rpartition("/")[2]
        if data.get("ScheduleExpression") and bus != "default":
            message = "ScheduleExpression is supported only on the default event bus."
            return eventbridge.error_response_json("ValidationException", message, 400)
        return put_rule(data)

    scheduler._create_schedule, scheduler._update_schedule = checked(create), checked(update)
    scheduler._list_schedules = list_page
    eventbridge._put_rule = put_checked_rule
    eventbridge._validate_schedule_expression = is_rule_expression


def schedule_problem(body: Mapping[str, Any]) -> str | None:
    """Return why AWS would refuse to create or update such a schedule."""
    expression, zone = body.get("ScheduleExpression"), body.get("ScheduleExpressionTimezone")
    if expression:
        try:
            parse(expression)
        except ExpressionError:
            return f"Invalid Schedule Expression {expression}."
    if zone:
        try:
            time_zone(zone)
        except ExpressionError:
            return f"Invalid Schedule Expression Timezone {zone}."
    try:
        start, end = (moment(_text(body.get(name))) for name in ("StartDate", "EndDate"))
    except ExpressionError as error:
        return str(error)
    if start is not None and end is not None and start >= end:
        return "The StartDate you specify must come before the EndDate."
    return _window_problem(body.get("FlexibleTimeWindow") or {})


def is_rule_expression(expression: str) -> bool:
    """Return whether PutRule takes it: rate or cron, or none at all."""
    if not expression:
        return True
    try:
        return not isinstance(parse(expression), At)
    except ExpressionError:
        return False


def _window_problem(window: Mapping[str, Any]) -> str | None:
    mode, minutes = window.get("Mode"), window.get("MaximumWindowInMinutes")
    if mode not in (None, "OFF", "FLEXIBLE"):
        return f"Invalid FlexibleTimeWindow mode {mode}."
    if mode == "OFF" and minutes is not None:
        return "MaximumWindowInMinutes is only for the mode FLEXIBLE."
    if mode == "FLEXIBLE" and not (
        isinstance(minutes, int) and 1 <= minutes <= _LONGEST_WINDOW_MIN
    ):
        return f"MaximumWindowInMinutes is from 1 to {_LONGEST_WINDOW_MIN} in the mode FLEXIBLE."
    return None


def _text(date: Any) -> str | None:
    """A date as `moment` reads it; SDKs send seconds since 1970."""
    if isinstance(date, int | float):
        return datetime.fromtimestamp(date, UTC).isoformat()
    return None if date is None else str(date)


def _page(body: bytes, query: Mapping[str, str]) -> bytes:
    found = json.loads(body)["Schedules"]
    token, most = query.get("NextToken", "0"), query.get("MaxResults", str(_PAGE))
    first = int(token) if token.isdecimal() else 0
    size = min(int(most), _PAGE) if most.isdecimal() else _PAGE
    answer: dict[str, Any] = {"Schedules": found[first : first + size]}
    if first + size < len(found):
        answer["NextToken"] = str(first + size)
    return json.dumps(answer).encode()
