"""Schedules fired against a real queue endpoint, with a clock that the test moves."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from emulator.aws import Aws
from emulator.invocations import UnknownFunction
from emulator.provision import provision
from emulator.schedules import start
from emulator.template.model import Application
from tests.integration.emulator_events.conftest import (
    REGION,
    Endpoint,
    ScriptedInvoker,
    Started,
    nothing,
    receive,
)

LoadApp = Callable[[str], Application]

ON_FUNCTION = """
  Work:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub "${P}-work"
      Events:
        Tick:
          Type: ScheduleV2
          Properties: {Name: !Sub "${P}-tick", %s}
"""
ON_QUEUE = """
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${P}-q"}}
  Dead: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${P}-dlq"}}
  Daily:
    Type: AWS::Scheduler::Schedule
    Properties:
      Name: !Sub "${P}-daily"
      FlexibleTimeWindow: {Mode: "OFF"}
      ScheduleExpression: cron(30 2 * * ? *)
      ScheduleExpressionTimezone: Europe/Berlin
      Target:
        Arn: !GetAtt Queue.Arn
        RoleArn: !Sub arn:aws:iam::${AWS::AccountId}:role/r
        DeadLetterConfig: {Arn: !GetAtt Dead.Arn}
        RetryPolicy: {MaximumRetryAttempts: 0}
        Input: '{"due": "<aws.scheduler.scheduled-time>", "by": "<aws.scheduler.schedule-arn>",
          "id": "<aws.scheduler.execution-id>", "try": "<aws.scheduler.attempt-number>"}'
"""


pytestmark = pytest.mark.usefixtures("own_account")


async def test_a_rate_fires_at_once_and_then_each_period(
    aws: Aws, load_app: LoadApp, started: Started
) -> None:
    app = load_app(ON_FUNCTION % "ScheduleExpression: rate(1 minute)")
    invoker = ScriptedInvoker(nothing)
    await started.start(app, invoker)
    await invoker.until(lambda events: len(events) == 1)
    started.advance(timedelta(seconds=59))
    started.advance(timedelta(seconds=1))
    await invoker.until(lambda events: len(events) == 2)
    times = [event["time"] for event in invoker.events]
    assert times == ["2026-01-01T00:00:30Z", "2026-01-01T00:01:30Z"]
    event = invoker.events[0]
    assert event["source"] == "aws.scheduler"
    assert event["detail-type"] == "Scheduled Event"
    assert event["resources"] == [
        f"arn:aws:scheduler:{REGION}:{os.environ['AWS_ACCESS_KEY_ID']}"
        f":schedule/default/{app.schedules[0].name}"
    ]


async def test_a_rate_that_slept_fires_once_for_all_it_missed(
    aws: Aws, load_app: LoadApp, started: Started
) -> None:
    app = load_app(ON_FUNCTION % "ScheduleExpression: rate(1 minute)")
    invoker = ScriptedInvoker(nothing)
    await started.start(app, invoker)
    await invoker.until(lambda events: len(events) == 1)
    started.advance(timedelta(minutes=10, seconds=10))
    await invoker.until(lambda events: len(events) == 2)
    started.advance(timedelta(seconds=50))
    await invoker.until(lambda events: len(events) == 3)
    times = [event["time"] for event in invoker.events]
    assert times == ["2026-01-01T00:00:30Z", "2026-01-01T00:10:30Z", "2026-01-01T00:11:30Z"]


async def test_real_time_passes_by_itself(aws: Aws, load_app: LoadApp) -> None:
    app = load_app(ON_FUNCTION % 'ScheduleExpression: "cron(0 0 1 1 ? 2199)"')
    invoker = ScriptedInvoker(nothing)
    await provision(app, aws)
    schedules = await start(app, invoker, aws)
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    await aws.scheduler.create_schedule(
        Name="soon",
        ScheduleExpression=f"at({due:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": app.schedules[0].target.arn,
            "RoleArn": f"arn:aws:iam::{app.account_id}:role/scheduler",
        },
    )
    await invoker.until(bool)
    assert datetime.now(UTC) >= due
    await schedules.stop()
    assert [event["time"] for event in invoker.events] == [f"{due:%Y-%m-%dT%H:%M:%SZ}"]


async def test_cron_to_a_queue_in_its_time_zone_with_placeholders(
    aws: Aws, load_app: LoadApp, started: Started
) -> None:
    app = load_app(ON_QUEUE)
    await started.start(app, ScriptedInvoker(nothing))
    started.advance(timedelta(days=2))
    messages: list[Any] = []
    async with asyncio.timeout(10):
        while len(messages) < 2:
            messages += await receive(aws, app.queues[0].name)
    inputs = [json.loads(message["Body"]) for message in messages]
    assert [given["due"] for given in inputs] == ["2026-01-01T01:30:00Z", "2026-01-02T01:30:00Z"]
    assert {given["by"] for given in inputs} == {
        f"arn:aws:scheduler:{REGION}:{app.account_id}:schedule/default/{app.schedules[0].name}"
    }
    assert {given["try"] for given in inputs} == {"1"}
    assert len({given["id"] for given in inputs}) == 2
    assert await receive(aws, app.queues[0].name, wait_s=0) == []


async def test_what_cannot_be_delivered_ends_in_the_dead_letter_queue(
    aws: Aws, load_app: LoadApp, started: Started
) -> None:
    class Empty(ScriptedInvoker):
        async def invoke_async(
            self,
            function: str,
            payload: bytes,
            *,
            trace_id: str | None = None,
        ) -> str:
            raise UnknownFunction(function)

    to_function = ON_QUEUE.replace(
        "Arn: !GetAtt Queue.Arn",
        "Arn: !Sub arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:gone",
    )
    app = load_app(to_function)
    await started.start(app, Empty(nothing))
    started.advance(timedelta(days=1))
    name = next(queue.name for queue in app.queues if queue.logical_id == "Dead")
    url = (await aws.sqs.get_queue_url(QueueName=name))["QueueUrl"]
    answer = await aws.sqs.receive_message(
        QueueUrl=url, WaitTimeSeconds=10, MessageAttributeNames=["All"]
    )
    (message,) = answer["Messages"]
    assert json.loads(message["Body"])["due"] == "2026-01-01T01:30:00Z"
    attributes = {
        name: value["StringValue"] for name, value in message["MessageAttributes"].items()
    }
    arn = f"arn:aws:scheduler:{REGION}:{app.account_id}:schedule/default/{app.schedules[0].name}"
    assert attributes == {
        "ERROR_CODE": "ResourceNotFoundException",
        "ERROR_MESSAGE": f"Function not found: {app.schedules[0].target.arn}",
        "EXECUTION_ID": attributes["EXECUTION_ID"],
        "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": "0",
        "SCHEDULED_TIME": "2026-01-01T01:30:00Z",
        "SCHEDULE_ARN": arn,
        "TARGET_ARN": app.schedules[0].target.arn,
    }


async def test_a_refused_delivery_is_tried_again(
    aws: Aws, load_app: LoadApp, started: Started
) -> None:
    app = load_app(ON_FUNCTION % "ScheduleExpression: rate(1 hour)")

    class Hesitant(ScriptedInvoker):
        refusals = 1

        async def invoke_async(
            self, function: str, payload: bytes, *, trace_id: str | None = None
        ) -> str:
            if self.refusals:
                self.refusals -= 1
                raise UnknownFunction(function)
            return await super().invoke_async(function, payload, trace_id=trace_id)

    invoker = Hesitant(nothing)
    await started.start(app, invoker)
    await invoker.until(lambda events: len(events) == 1)


async def test_disabled_ended_and_future_schedules(
    aws: Aws, load_app: LoadApp, started: Started
) -> None:
    three = "".join(
        ON_FUNCTION.replace("Work:", f"{name}:").replace("${P}", f"${{P}}-{name}") % properties
        for name, properties in {
            "Off": "ScheduleExpression: rate(1 minute), State: DISABLED",
            "Ended": "ScheduleExpression: rate(1 minute), EndDate: 2025-12-31T00:00:00Z",
            "Later": "ScheduleExpression: rate(1 minute), StartDate: 2026-01-01T00:05:00Z",
        }.items()
    )
    app = load_app(three)
    invoker = ScriptedInvoker(nothing)
    await started.start(app, invoker)
    started.advance(timedelta(minutes=5))
    await invoker.until(bool)
    assert [event["time"] for event in invoker.events] == ["2026-01-01T00:05:00Z"]


async def test_a_scheduled_rule_fires_as_eventbridge_does(
    aws: Aws, load_app: LoadApp, started: Started
) -> None:
    app = load_app(ON_FUNCTION.replace("ScheduleV2", "Schedule") % "Schedule: 'cron(0 12 * * ? *)'")
    invoker = ScriptedInvoker(nothing)
    await started.start(app, invoker)
    started.advance(timedelta(hours=12))
    await invoker.until(bool)
    (event,) = invoker.events
    assert (event["source"], event["detail"]) == ("aws.events", {})
    assert event["time"] == "2026-01-01T12:00:00Z"


async def test_template_schedules_are_listed_and_updated(aws: Aws, load_app: LoadApp) -> None:
    app = load_app(ON_QUEUE + "  Group: {Type: AWS::Scheduler::ScheduleGroup}\n")
    for _ in range(2):
        await provision(app, aws)
    name = app.schedules[0].name
    stored = await aws.scheduler.get_schedule(Name=name)
    assert stored["ScheduleExpression"] == "cron(30 2 * * ? *)"
    assert stored["ScheduleExpressionTimezone"] == "Europe/Berlin"
    assert stored["State"] == "ENABLED"
    assert stored["Target"]["Input"] == app.schedules[0].target.input
    await provision(load_app(ON_QUEUE.replace("30 2", "45 2")), aws)
    stored = await aws.scheduler.get_schedule(Name=name)
    assert stored["ScheduleExpression"] == "cron(45 2 * * ? *)"


async def test_an_endpoint_that_fires_by_itself_is_given_no_schedules(
    load_app: LoadApp, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = Endpoint("ministack")
    try:
        async with Aws(endpoint.url, REGION) as aws:
            await provision(load_app(ON_QUEUE), aws)
            assert (await aws.scheduler.list_schedules())["Schedules"] == []
    finally:
        endpoint.kill()
    assert "fires schedules by itself" in caplog.text
