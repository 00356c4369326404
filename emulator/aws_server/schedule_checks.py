"""What EventBridge Scheduler refuses of a schedule.

Sources: EventBridge Scheduler's service model for each member's limits; its API reference,
CreateSchedule and Target, for what members mean together. Messages are AWS's where one was
recorded (LocalStack's snapshots, issues of SDKs): those on expressions, StartDate and the ARN.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from emulator.aws_server.constraints import Constraint, broken
from emulator.cron.expressions import At, Expression, ExpressionError, moment, parse, time_zone

_NAME = "[0-9a-zA-Z-_.]+"
_QUEUE_ARN = r"arn:aws(-[a-z]+)?:sqs:[a-z0-9\-]+:\d{12}:[a-zA-Z0-9\-_]+"
_ROLE_ARN = r"arn:aws(-[a-z]+)?:iam::\d{12}:role\/[\w+=,.@\/-]+"
_KEY_ARN = r"arn:aws(-[a-z]+)?:kms:[a-z0-9\-]+:\d{12}:(key|alias)\/[0-9a-zA-Z-_]*"
_SOURCE = r"(?=[/\.\-_A-Za-z0-9]+)((?!aws\.).*)|(\$(\.[\w_-]+(\[(\d+|\*)\])*)*)"
NAME = Constraint("Name", required=True, low=1, high=64, pattern=_NAME)
CONSTRAINTS = (
    NAME,
    Constraint("ActionAfterCompletion", choices=("NONE", "DELETE")),
    Constraint("ClientToken", low=1, high=64, pattern="[a-zA-Z0-9-_]+"),
    Constraint("Description", low=0, high=512),
    Constraint("FlexibleTimeWindow.Mode", required=True, choices=("OFF", "FLEXIBLE")),
    Constraint("FlexibleTimeWindow.MaximumWindowInMinutes", low=1, high=1_440, is_number=True),
    Constraint("GroupName", low=1, high=64, pattern=_NAME),
    Constraint("KmsKeyArn", low=1, high=2_048, pattern=_KEY_ARN),
    Constraint("ScheduleExpression", required=True, low=1, high=256),
    Constraint("ScheduleExpressionTimezone", low=1, high=50),
    Constraint("State", choices=("ENABLED", "DISABLED")),
    Constraint("Target.Arn", required=True, low=1, high=1_600),
    Constraint("Target.Input", low=1),
    Constraint("Target.RoleArn", required=True, low=1, high=1_600, pattern=_ROLE_ARN),
    Constraint("Target.DeadLetterConfig.Arn", low=1, high=1_600, pattern=_QUEUE_ARN),
    Constraint("Target.RetryPolicy.MaximumEventAgeInSeconds", low=60, high=86_400, is_number=True),
    Constraint("Target.RetryPolicy.MaximumRetryAttempts", low=0, high=185, is_number=True),
    Constraint("Target.SqsParameters.MessageGroupId", low=1, high=128),
    Constraint("Target.EventBridgeParameters.DetailType", required=True, low=1, high=128),
    Constraint(
        "Target.EventBridgeParameters.Source", required=True, low=1, high=256, pattern=_SOURCE
    ),
)
_UNIVERSAL = re.compile(r"arn:aws[a-z-]*:scheduler:::aws-sdk:[a-z0-9]+:[a-zA-Z0-9]+(\.\w+)?")
_TEMPLATED = re.compile(r"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]+:\d{12}:\S+")
_PLACEHOLDER = re.compile(r"<aws\.scheduler\.[a-z-]+>")
_OF_JSON = frozenset({"lambda", "states", "events"})


def name_problem(name: str) -> str | None:
    """Return why AWS would refuse a schedule's or a group's name, wherever it is given."""
    return broken((NAME,), {"Name": name})


def schedule_problem(name: str, body: Mapping[str, Any], now: datetime) -> str | None:
    """Return why AWS would refuse to create or update such a schedule at that time."""
    problem = broken(CONSTRAINTS, {**body, "Name": name})
    if problem is not None:
        return problem
    expression, zone = body["ScheduleExpression"], body.get("ScheduleExpressionTimezone")
    try:
        parsed = parse(expression)
    except ExpressionError:
        return f"Invalid Schedule Expression {expression}."
    if zone:
        try:
            time_zone(zone)
        except ExpressionError:
            return f"Invalid Schedule Expression Timezone {zone}."
    return (
        _dates_problem(body, parsed, now)
        or _window_problem(body.get("FlexibleTimeWindow") or {})
        or _target_problem(body.get("Target") or {})
    )


def _dates_problem(body: Mapping[str, Any], parsed: Expression, now: datetime) -> str | None:
    try:
        start, end = (moment(_text(body.get(name))) for name in ("StartDate", "EndDate"))
    except (ExpressionError, OverflowError, ValueError, OSError) as error:
        return str(error)
    if start is not None and end is not None and start >= end:
        return "The StartDate you specify must come before the EndDate."
    if end is not None and end <= now and not isinstance(parsed, At):
        return "The EndDate you specify must come after the current time."
    return None


def _window_problem(window: Mapping[str, Any]) -> str | None:
    mode, minutes = window.get("Mode"), window.get("MaximumWindowInMinutes")
    if mode == "OFF" and minutes is not None:
        return "MaximumWindowInMinutes is only for the mode FLEXIBLE."
    if mode == "FLEXIBLE" and minutes is None:
        return "MaximumWindowInMinutes is required in the mode FLEXIBLE."
    return None


def _target_problem(target: Mapping[str, Any]) -> str | None:
    arn = target.get("Arn")
    if arn is None:
        return None  # there is no Target at all, which MiniStack says
    if not _UNIVERSAL.fullmatch(arn) and not _TEMPLATED.fullmatch(arn):
        return "Provided Arn is not in correct format."
    service, resource = arn.split(":", 5)[2::3]
    group = (target.get("SqsParameters") or {}).get("MessageGroupId")
    if service == "sqs" and resource.endswith(".fifo") and group is None:
        return f"Parameter(s) SqsParameters must be specified for target: {arn}."
    if service == "events" and target.get("EventBridgeParameters") is None:
        return f"Parameter(s) EventBridgeParameters must be specified for target: {arn}."
    given = target.get("Input")
    if service in _OF_JSON and given is not None:
        try:
            # A placeholder may stand for a number, or within a text.
            json.loads(_PLACEHOLDER.sub("0", given))
        except (ValueError, RecursionError):
            return "Target Input must be well-formed JSON for this target."
    return None


def _text(date: Any) -> str | None:
    """A date as `moment` reads it; SDKs send seconds since 1970."""
    if isinstance(date, int | float):
        return datetime.fromtimestamp(date, UTC).isoformat()
    return None if date is None else str(date)
