"""What AWS checks of schedules and MiniStack does not, and lists longer than one page.

Sources: EventBridge Scheduler API reference, ListSchedules; EventBridge API reference, PutRule; the
messages are recorded on AWS (LocalStack's snapshots).
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from emulator.aws_server.schedule_checks import name_problem, schedule_problem
from emulator.cron.expressions import At, ExpressionError, parse

_PAGE = 100
_NUMBER = re.compile("[0-9]{1,9}")
_ALL = str(10**9)
_NAMED = re.compile("/(schedules|schedule-groups)/(.+)", re.DOTALL)


def adapt(scheduler: Any, eventbridge: Any) -> None:
    """Change MiniStack's two services."""
    create, update = scheduler._create_schedule, scheduler._update_schedule
    list_all, put_rule = scheduler._list_schedules, eventbridge._put_rule
    serve = scheduler.handle_request

    def checked(change: Any) -> Any:
        def call(name: str, body: Mapping[str, Any]) -> Any:
            problem = schedule_problem(name, body, datetime.now(UTC))
            if problem is not None:
                return scheduler._error(400, "ValidationException", problem)
            return change(name, body)

        return call

    @functools.wraps(serve)
    async def serve_named(method: str, path: str, *rest: Any) -> Any:
        """MiniStack has no route for a name that breaks the rules; AWS says what is wrong."""
        match = _NAMED.fullmatch(path)
        problem = name_problem(match[2]) if match is not None else None
        if problem is not None:
            return scheduler._error(400, "ValidationException", problem)
        return await serve(method, path, *rest)

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
    scheduler.handle_request = serve_named
    eventbridge._put_rule = put_checked_rule
    eventbridge._validate_schedule_expression = is_rule_expression


def is_rule_expression(expression: str) -> bool:
    """Return whether PutRule takes it: rate or cron, or none at all."""
    if not expression:
        return True
    try:
        return not isinstance(parse(expression), At)
    except ExpressionError:
        return False


def _page(body: bytes, query: Mapping[str, str]) -> bytes:
    found = json.loads(body)["Schedules"]
    token, most = query.get("NextToken", "0"), query.get("MaxResults", str(_PAGE))
    first = int(token) if _NUMBER.fullmatch(token) else 0
    size = min(int(most), _PAGE) if _NUMBER.fullmatch(most) else _PAGE
    answer: dict[str, Any] = {"Schedules": found[first : first + size]}
    if first + size < len(found):
        answer["NextToken"] = str(first + size)
    return json.dumps(answer).encode()
