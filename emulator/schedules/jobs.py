"""What fires when, and at what: a schedule, or one target of a scheduled rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from emulator.cron.expressions import moment
from emulator.cron.timing import Timing
from emulator.template.model import Application, Rule, Schedule, Target

SCHEDULER = "aws.scheduler"
RULES = "aws.events"


@dataclass(frozen=True)
class Job:
    """One schedule with its target; `source` tells EventBridge Scheduler's from a rule's.

    `key` is what its ARN ends with, and a rule's target. `modified` is wall time, where the
    endpoint tells it.
    """

    key: str
    arn: str
    source: str
    name: str
    group: str
    timing: Timing
    target: Target
    enabled: bool = True
    delete_after: bool = False
    modified: datetime | None = None


def of_schedule(answer: Mapping[str, Any]) -> Job:
    """Return the job of a GetSchedule answer; raise ExpressionError if it has no valid times."""
    window = answer.get("FlexibleTimeWindow") or {}
    flexible = window.get("Mode") == "FLEXIBLE"
    timing = Timing.of(
        answer["ScheduleExpression"],
        answer.get("ScheduleExpressionTimezone"),
        start=_utc(answer.get("StartDate")),
        end=_utc(answer.get("EndDate")),
        window_min=int(window.get("MaximumWindowInMinutes") or 0) if flexible else 0,
    )
    return Job(
        key=_resource(answer["Arn"]),
        arn=answer["Arn"],
        source=SCHEDULER,
        name=answer["Name"],
        group=answer.get("GroupName") or "default",
        timing=timing,
        target=_target(answer["Target"]),
        enabled=answer.get("State") != "DISABLED",
        delete_after=answer.get("ActionAfterCompletion") == "DELETE",
        modified=_utc(answer.get("LastModificationDate")),
    )


def of_rule(rule: Mapping[str, Any], targets: list[Mapping[str, Any]]) -> list[Job]:
    """Return the jobs of a rule of ListRules, one for each target; raise ExpressionError."""
    timing = Timing.of(rule["ScheduleExpression"])
    return [
        Job(
            key=f"{_resource(rule['Arn'])}#{target['Id']}",
            arn=rule["Arn"],
            source=RULES,
            name=rule["Name"],
            group="",
            timing=timing,
            target=_target(target),
            enabled=rule.get("State") != "DISABLED",
        )
        for target in targets
    ]


def declared(app: Application) -> list[Job]:
    """Return the schedules and scheduled rules of the template itself."""
    found = [
        Job(
            key=schedule_key(schedule),
            arn=_arn(app, "scheduler", schedule_key(schedule)),
            source=SCHEDULER,
            name=schedule.name,
            group=schedule.group,
            timing=Timing.of(
                schedule.expression,
                schedule.timezone,
                start=moment(schedule.start),
                end=moment(schedule.end),
                window_min=schedule.window_min,
            ),
            target=schedule.target,
            enabled=schedule.enabled,
            delete_after=schedule.delete_after,
        )
        for schedule in app.schedules
    ]
    for rule in app.rules:
        if rule.schedule_expression is None:
            continue
        arn = _arn(app, "events", f"rule/{rule.name}")
        timing = Timing.of(rule.schedule_expression)
        found += [
            Job(
                key=rule_key(rule, number),
                arn=arn,
                source=RULES,
                name=rule.name,
                group="",
                timing=timing,
                target=target,
                enabled=rule.enabled,
            )
            for number, target in enumerate(rule.targets)
        ]
    return found


def schedule_key(schedule: Schedule) -> str:
    """Return the key of a template's schedule."""
    return f"schedule/{schedule.group}/{schedule.name}"


def rule_key(rule: Rule, number: int) -> str:
    """Return the key of a target of a template's rule, going by the id that provisioning gives."""
    return f"rule/{rule.name}#target-{number}"


def _resource(arn: str) -> str:
    return arn.split(":", 5)[5]


def _arn(app: Application, service: str, resource: str) -> str:
    return f"arn:aws:{service}:{app.region}:{app.account_id}:{resource}"


def _target(given: Mapping[str, Any]) -> Target:
    retry = given.get("RetryPolicy") or {}
    return Target(
        arn=given["Arn"],
        input=given.get("Input"),
        maximum_event_age_s=int(retry.get("MaximumEventAgeInSeconds", 86_400)),
        maximum_retry_attempts=int(retry.get("MaximumRetryAttempts", 185)),
        dead_letter_arn=(given.get("DeadLetterConfig") or {}).get("Arn"),
        message_group_id=(given.get("SqsParameters") or {}).get("MessageGroupId"),
        event=given.get("EventBridgeParameters"),
        input_path=given.get("InputPath"),
        input_transformer=given.get("InputTransformer"),
    )


def _utc(given: Any) -> datetime | None:
    """A time as botocore reads it; MiniStack keeps it as it came, which may be text."""
    if given is None or isinstance(given, datetime):
        return given.astimezone(UTC) if given is not None else None
    return moment(str(given))
