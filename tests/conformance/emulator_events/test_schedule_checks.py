"""What CreateSchedule refuses: every limit of the service model, and what must fit together."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from emulator.aws_server.schedule_checks import CONSTRAINTS, schedule_problem

NOW = datetime(2026, 7, 1, tzinfo=UTC)
LAMBDA = "arn:aws:lambda:us-east-1:000000000000:function:f"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:q"
BUS = "arn:aws:events:us-east-1:000000000000:event-bus/b"
EVENT = {"DetailType": "d", "Source": "s"}
ROLE = "arn:aws:iam::000000000000:role/r"


def body(**changes: Any) -> dict[str, Any]:
    """A schedule's; Target__Arn changes Target's Arn."""
    result: dict[str, Any] = {
        "ScheduleExpression": "rate(1 hour)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": QUEUE, "RoleArn": ROLE},
    }
    for path, value in changes.items():
        place = result
        *parents, last = path.split("__")
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return result


def members(shape: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any, bool]]:
    """Each plain member of a service model's shape: path, shape, whether it is required."""
    for name, member in shape.members.items():
        if member.type_name == "structure":
            yield from members(member, (*path, name))
        elif member.type_name in ("string", "integer"):
            yield ".".join((*path, name)), member, name in shape.required_members


def test_the_limits_are_those_of_the_service_model() -> None:
    """The service model of botocore, CreateScheduleInput; of targets, those emulated here."""
    model = botocore.session.get_session().get_service_model("scheduler")
    ours = {constraint.path: constraint for constraint in CONSTRAINTS}
    not_here = re.compile(r"Target\.(Ecs|Kinesis|SageMakerPipeline)Parameters\..*")
    found = list(members(model.operation_model("CreateSchedule").input_shape))
    assert set(ours) == {path for path, _, _ in found if not not_here.fullmatch(path)}
    for path, shape, required in found:
        if (constraint := ours.get(path)) is None:
            continue
        limits = shape.metadata

        assert constraint.required is required, path
        assert constraint.low == limits.get("min"), path
        assert constraint.high == limits.get("max"), path
        assert tuple(constraint.choices) == tuple(limits.get("enum", ())), path
        pattern = limits.get("pattern")
        assert constraint.pattern == (pattern and pattern.removeprefix("^").removesuffix("$")), path
        assert constraint.is_number is (shape.type_name == "integer"), path


REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"Target__RetryPolicy": {"MaximumRetryAttempts": 186}},
        "Value '186' at 'target.retryPolicy.maximumRetryAttempts' failed to satisfy constraint: "
        "Member must have value less than or equal to 185",
    ),
    ({"Target__RetryPolicy": {"MaximumRetryAttempts": -1}}, "greater than or equal to 0"),
    ({"Target__RetryPolicy": {"MaximumEventAgeInSeconds": 59}}, "greater than or equal to 60"),
    ({"Target__RetryPolicy": {"MaximumEventAgeInSeconds": 86_401}}, "less than or equal to 86400"),
    (
        # boto3's issue 4372 quotes it.
        {"Target__DeadLetterConfig": {"Arn": QUEUE + ".fifo"}},
        f"1 validation error detected: Value '{QUEUE}.fifo' at 'target.deadLetterConfig.arn' "
        "failed to satisfy constraint: Member must satisfy regular expression pattern: arn:aws",
    ),
    ({"Target__RoleArn": None}, "Value null at 'target.roleArn' failed to satisfy constraint"),
    ({"Target__Arn": "q"}, "Provided Arn is not in correct format."),
    ({"Target__Arn": "arn:aws:sqs:us-east-1::q"}, "Provided Arn is not in correct format."),
    ({"Target__Arn": "arn:aws:scheduler:::aws-sdk:sqs"}, "Provided Arn is not in correct format."),
    ({"Target__Arn": QUEUE + ".fifo"}, "SqsParameters must be specified for target"),
    ({"Target__Arn": BUS}, "EventBridgeParameters must be specified for target"),
    # API reference, Target, Input: "must be a well-formed JSON" for these three.
    ({"Target__Arn": LAMBDA, "Target__Input": "plain"}, "well-formed JSON"),
    (
        {"Target__Arn": BUS, "Target__EventBridgeParameters": EVENT, "Target__Input": "{"},
        "well-formed JSON",
    ),
    ({"EndDate": 1_700_000_000}, "The EndDate you specify must come after the current time."),
    (
        {"StartDate": "2026-09-01T00:00:00Z", "EndDate": "2026-08-01T00:00:00Z"},
        "The StartDate you specify must come before the EndDate.",
    ),
    ({"EndDate": 1e30}, ""),
    ({"State": "ON", "Description": "x" * 513}, "2 validation errors detected: Value "),
]
TAKEN: list[dict[str, Any]] = [
    {"Target__RetryPolicy": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}},
    {"Target__RetryPolicy": {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86_400}},
    {"Target__Arn": QUEUE, "Target__Input": "plain"},
    {"Target__Arn": LAMBDA, "Target__Input": '{"n": <aws.scheduler.attempt-number>}'},
    {"Target__Arn": QUEUE + ".fifo", "Target__SqsParameters": {"MessageGroupId": "g"}},
    {"Target__Arn": BUS, "Target__EventBridgeParameters": EVENT},
    {"Target__Arn": "arn:aws:scheduler:::aws-sdk:sqs:sendMessage", "Target__Input": "{}"},
    # "EventBridge Scheduler ignores EndDate for one-time schedules."
    {"ScheduleExpression": "at(2027-01-01T00:00:00)", "EndDate": "2026-01-01T00:00:00Z"},
    {"StartDate": "2020-01-01T00:00:00Z", "EndDate": "2030-01-01T00:00:00Z"},
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_refused(changes: dict[str, Any], message: str) -> None:
    problem = schedule_problem("s", body(**changes), NOW)
    assert problem is not None
    assert message in problem


@pytest.mark.parametrize("changes", TAKEN)
def test_taken(changes: dict[str, Any]) -> None:
    assert schedule_problem("s", body(**changes), NOW) is None


@pytest.mark.parametrize("name", ["a!b", "a b", "a/b", "x" * 65, "é", "a@b"])
def test_names_in_the_url(aws_endpoint_url: str, name: str) -> None:
    config = Config(parameter_validation=False, retries={"total_max_attempts": 1})
    scheduler = boto3.client(
        "scheduler", endpoint_url=aws_endpoint_url, region_name="us-east-1", config=config
    )
    target: Any = {"Arn": QUEUE, "RoleArn": ROLE}
    window: Any = {"Mode": "OFF"}
    made: Any = {"ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": window}
    for call, fields in (
        (scheduler.create_schedule, {**made, "Target": target}),
        (scheduler.update_schedule, {**made, "Target": target}),
        (scheduler.get_schedule, {}),
        (scheduler.delete_schedule, {}),
        (scheduler.create_schedule_group, {}),
    ):
        with pytest.raises(ClientError) as refused:
            call(Name=name, **fields)
        error = refused.value.response["Error"]
        assert error["Code"] == "ValidationException"
        assert "at 'name' failed to satisfy constraint" in error["Message"]


def test_the_endpoint_says_so(aws_endpoint_url: str) -> None:
    config = Config(parameter_validation=False, retries={"total_max_attempts": 1})
    scheduler = boto3.client(
        "scheduler", endpoint_url=aws_endpoint_url, region_name="us-east-1", config=config
    )
    name = f"checked-{uuid.uuid4().hex[:8]}"
    wrong: Any = body(Target__RetryPolicy={"MaximumRetryAttempts": 186})
    right: Any = body()
    with pytest.raises(ClientError, match="less than or equal to 185"):
        scheduler.create_schedule(Name=name, **wrong)
    scheduler.create_schedule(Name=name, **right)
    with pytest.raises(ClientError, match="less than or equal to 185"):
        scheduler.update_schedule(Name=name, **wrong)
    scheduler.delete_schedule(Name=name)
