"""Makes what the template declares on the AWS endpoint: queues, buses, rules, schedules, senders.

Repeating it changes nothing, or only what the template changed; nothing is ever deleted, since the
endpoint may hold what an operator made.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from botocore.exceptions import ClientError

from emulator.aws import Aws, error_code
from emulator.rule_queues import with_rule_queues
from emulator.template.model import Application, Queue, Rule, Schedule, Target

_LOG = logging.getLogger(__name__)
_REMOVABLE = ("RedrivePolicy", "RedriveAllowPolicy")


async def provision(app: Application, aws: Aws) -> None:
    """Create or update everything of `app` that lives on the endpoint."""
    app = with_rule_queues(app)
    for layer in _dead_letters_first(app.queues):
        await asyncio.gather(*(_put_queue(queue, aws) for queue in layer))
    stores = not await _endpoint_fires(app, aws)
    rules = [rule for rule in app.rules if stores or rule.schedule_expression is None]
    # Its rules follow at once: what a bus takes before it has them goes nowhere.
    for bus in app.buses:
        await _create(aws.events.create_event_bus(Name=bus.name))
    await asyncio.gather(*(_put_rule(rule, aws) for rule in rules))
    if stores:
        for group in app.schedule_groups:
            await _create(aws.scheduler.create_schedule_group(Name=group))
        await asyncio.gather(*(_put_schedule(schedule, app, aws) for schedule in app.schedules))
    if app.email_identities:
        await _verify(app.email_identities, aws)


async def _endpoint_fires(app: Application, aws: Aws) -> bool:
    """Return whether storing schedules there would fire them twice; say so if it would."""
    has_schedules = app.schedules or any(rule.schedule_expression for rule in app.rules)
    if not has_schedules or not await aws.fires_schedules():
        return False
    _LOG.warning(
        "%s fires schedules by itself, so the template's are not stored there;"
        " start it with `python -m emulator.aws_server` to have them listed",
        aws.endpoint_url,
    )
    return True


async def _verify(identities: Sequence[str], aws: Aws) -> None:
    """Make the identities that mail is sent from: an emulator takes them for verified at once."""
    async with aws.ses() as ses:
        for identity in identities:
            try:
                if "@" in identity:
                    await ses.verify_email_identity(EmailAddress=identity)
                else:
                    await ses.verify_domain_identity(Domain=identity)
            except ClientError as error:  # an endpoint may be one of queues only
                _LOG.warning("no mail can be sent from %s: %s", identity, error)


def _dead_letters_first(queues: Sequence[Queue]) -> Iterable[list[Queue]]:
    """Yield the queues in layers: a redrive policy's target comes before what names it."""
    waiting = list(queues)
    while waiting:
        arns = {queue.arn for queue in waiting}
        layer = [queue for queue in waiting if _dead_letter_arn(queue) not in arns - {queue.arn}]
        if not layer:
            raise ValueError("redrive policies form a circle")
        yield layer
        waiting = [queue for queue in waiting if queue not in layer]


def _dead_letter_arn(queue: Queue) -> str | None:
    policy = json.loads(queue.attributes.get("RedrivePolicy", "{}"))
    arn: str | None = policy.get("deadLetterTargetArn")
    return arn


async def _put_queue(queue: Queue, aws: Aws) -> None:
    """Create the queue, or set what differs: MiniStack and AWS differ in what CreateQueue does."""
    wanted = dict(queue.attributes)
    try:
        url = (await aws.sqs.create_queue(QueueName=queue.name, Attributes=wanted))["QueueUrl"]
    except ClientError as error:
        if error_code(error) not in ("QueueNameExists", "QueueAlreadyExists"):
            raise
        url = (await aws.sqs.get_queue_url(QueueName=queue.name))["QueueUrl"]
    answer = await aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    present = answer["Attributes"]
    changed = {key: value for key, value in wanted.items() if present.get(key) != value}
    changed |= {key: "" for key in _REMOVABLE if key in present and key not in wanted}
    if changed:
        await aws.sqs.set_queue_attributes(QueueUrl=url, Attributes=changed)


async def _create(call: Any) -> None:
    """Await a call that may answer that the thing exists already."""
    try:
        await call
    except ClientError as error:
        if error_code(error) not in ("ResourceAlreadyExistsException", "ConflictException"):
            raise


async def _put_rule(rule: Rule, aws: Aws) -> None:
    request: dict[str, Any] = {
        "Name": rule.name,
        "EventBusName": rule.bus_name,
        "State": "ENABLED" if rule.enabled else "DISABLED",
    }
    if rule.pattern is not None:
        request["EventPattern"] = json.dumps(rule.pattern)
    if rule.schedule_expression is not None:
        request["ScheduleExpression"] = rule.schedule_expression
    await aws.events.put_rule(**request)
    name = {"Rule": rule.name, "EventBusName": rule.bus_name}
    targets = [_rule_target(number, target) for number, target in enumerate(rule.targets)]
    present = await aws.events.list_targets_by_rule(**name)
    wanted = {target["Id"] for target in targets}
    stale = [target["Id"] for target in present["Targets"] if target["Id"] not in wanted]
    if stale:
        await aws.events.remove_targets(**name, Ids=stale)
    if targets:
        answer = await aws.events.put_targets(**name, Targets=targets)
        if answer.get("FailedEntryCount"):
            raise RuntimeError(f"targets of rule {rule.name} were refused: {answer}")


def _rule_target(number: int, target: Target) -> dict[str, Any]:
    result: dict[str, Any] = {
        "Id": f"target-{number}",
        "Arn": target.arn,
        "RetryPolicy": _retry_policy(target),
    }
    if target.input is not None:
        result["Input"] = target.input
    if target.input_path is not None:
        result["InputPath"] = target.input_path
    if target.input_transformer is not None:
        result["InputTransformer"] = dict(target.input_transformer)
    return result | _delivery(target)


async def _put_schedule(schedule: Schedule, app: Application, aws: Aws) -> None:
    request: dict[str, Any] = {
        "Name": schedule.name,
        "GroupName": schedule.group,
        "ScheduleExpression": schedule.expression,
        "ScheduleExpressionTimezone": schedule.timezone,
        "FlexibleTimeWindow": _window(schedule),
        "ActionAfterCompletion": "DELETE" if schedule.delete_after else "NONE",
        "State": "ENABLED" if schedule.enabled else "DISABLED",
        "Target": _schedule_target(schedule.target, app),
    }
    if schedule.start is not None:
        request["StartDate"] = schedule.start
    if schedule.end is not None:
        request["EndDate"] = schedule.end
    try:
        await _create_or_update(request, aws)
    except ClientError as error:
        if error_code(error) != "ValidationException":
            raise
        reason = error.response["Error"].get("Message", "")
        _LOG.warning("the schedule %s is left out: %s", schedule.name, reason)


async def _create_or_update(request: dict[str, Any], aws: Aws) -> None:
    try:
        await aws.scheduler.create_schedule(**request)
    except ClientError as error:
        if error_code(error) != "ConflictException":
            raise
        await aws.scheduler.update_schedule(**request)


def _schedule_target(target: Target, app: Application) -> dict[str, Any]:
    result: dict[str, Any] = {
        "Arn": target.arn,
        "RoleArn": f"arn:aws:iam::{app.account_id}:role/scheduler",
        "RetryPolicy": _retry_policy(target),
    }
    if target.input is not None:
        result["Input"] = target.input
    if target.event is not None:
        result["EventBridgeParameters"] = dict(target.event)
    return result | _delivery(target)


def _window(schedule: Schedule) -> dict[str, Any]:
    if not schedule.window_min:
        return {"Mode": "OFF"}
    return {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": schedule.window_min}


def _retry_policy(target: Target) -> dict[str, int]:
    return {
        "MaximumEventAgeInSeconds": target.maximum_event_age_s,
        "MaximumRetryAttempts": target.maximum_retry_attempts,
    }


def _delivery(target: Target) -> dict[str, Any]:
    result: dict[str, Any] = {}
    if target.dead_letter_arn is not None:
        result["DeadLetterConfig"] = {"Arn": target.dead_letter_arn}
    if target.message_group_id is not None:
        result["SqsParameters"] = {"MessageGroupId": target.message_group_id}
    return result
