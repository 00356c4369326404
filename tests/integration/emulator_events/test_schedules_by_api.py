"""Schedules that an operator makes over the AWS API while the emulator runs."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from emulator.aws import Aws
from emulator.schedules import TooMany
from tests.integration.emulator_events.conftest import (
    Started,
    receive,
)
from tests.integration.emulator_events.schedule_calls import (
    QUEUE,
    WORK,
    LoadApp,
    create,
    gone,
    row,
    running,
    seen,
    target,
    update,
)
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("own_account")


async def test_a_schedule_is_picked_up_changed_and_deleted(
    aws: Aws, load_app: LoadApp, started: Started
) -> None:
    app, invoker = await running(started, load_app)
    await create(aws, app, "often", "cron(0 * * * ? *)")
    await seen(started, "often", enabled=True, next="2026-01-01T01:00:00+00:00")
    await update(aws, "often", ScheduleExpression="cron(30 * * * ? *)")
    await seen(started, "often", next="2026-01-01T00:30:00+00:00")
    started.advance(timedelta(minutes=45))
    await invoker.until(bool)
    await update(aws, "often", State="DISABLED")
    await seen(started, "often", enabled=False, next=None)
    started.advance(timedelta(hours=5))
    await update(aws, "often", State="ENABLED")
    await seen(started, "often", enabled=True, next="2026-01-01T06:30:00+00:00")
    await aws.scheduler.delete_schedule(Name="often")
    await eventually(lambda: gone(started, "often"))
    started.advance(timedelta(days=1))
    assert invoker.events == ["2026-01-01T00:30:00Z"]


async def test_more_schedules_than_a_page_and_groups(
    aws: Aws, load_app: LoadApp, started: Started
) -> None:
    app, _ = await running(started, load_app)
    await aws.scheduler.create_schedule_group(Name="mine")
    makings = [create(aws, app, f"s{n}", "rate(1 day)", GroupName="mine") for n in range(104)]
    await asyncio.gather(*makings)
    await create(aws, app, "s0", "rate(2 days)")
    assert started.schedules is not None
    schedules = started.schedules

    async def all_there() -> bool:
        return len(schedules.rows()) == 105

    await eventually(all_there)
    both = {(row["group"], row["expression"]) for row in schedules.rows() if row["name"] == "s0"}
    assert both == {("mine", "rate(1 day)"), ("default", "rate(2 days)")}
    await aws.scheduler.delete_schedule_group(Name="mine")
    await eventually(lambda: gone(started, "s1"))


async def test_what_is_over_is_deleted_if_it_says_so(
    aws: Aws, load_app: LoadApp, started: Started
) -> None:
    app, invoker = await running(started, load_app)
    for name, action in (("kept", "NONE"), ("once", "DELETE")):
        await create(aws, app, name, "at(2026-01-01T01:00:00)", ActionAfterCompletion=action)
    # Far away: CreateSchedule takes no EndDate that is over on the wall's clock.
    begins, ends = (
        datetime.fromisoformat(f"2126-01-01T0{time}:30+00:00") for time in ("0:00", "3:30")
    )
    hourly = "cron(0 1-5 1 1 ? 2126)"
    await create(aws, app, "ends", hourly, EndDate=ends, ActionAfterCompletion="DELETE")
    for name in ("kept", "once", "ends"):
        await seen(started, name)
    started.advance(timedelta(hours=1))
    await eventually(lambda: gone(started, "once"))
    while started.clock.now() < begins:
        started.advance(min(begins - started.clock.now(), timedelta(days=3_650)))
    assert row(started, "ends") is not None
    started.advance(timedelta(hours=5))
    await eventually(lambda: gone(started, "ends"))
    assert row(started, "kept") is not None
    once = "2026-01-01T01:00:00Z"
    assert invoker.events == [once, once, *(f"2126-01-01T0{hour}:00:00Z" for hour in (1, 2, 3))]


async def test_a_flexible_window_fires_within_it(
    aws: Aws, load_app: LoadApp, started: Started
) -> None:
    app, invoker = await running(started, load_app)
    window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 30}
    await create(aws, app, "loose", "cron(0 3 * * ? *)", FlexibleTimeWindow=window)
    await seen(started, "loose", due="2026-01-01T03:00:00+00:00")
    found = row(started, "loose")
    assert found is not None
    fires = datetime.fromisoformat(found["next"])
    due = datetime.fromisoformat(found["due"])
    assert due < fires < due + timedelta(minutes=30)
    started.advance(fires - started.clock.now() - timedelta(seconds=1))
    assert invoker.events == []
    started.advance(timedelta(seconds=1))
    await invoker.until(bool)
    assert invoker.events == ["2026-01-01T03:00:00Z"]


async def test_a_rule_is_picked_up_and_disabled(
    aws: Aws, load_app: LoadApp, started: Started
) -> None:
    app, invoker = await running(started, load_app)
    await aws.events.put_rule(Name="hourly", ScheduleExpression="cron(0 * * * ? *)")
    arn = next(iter(app.functions.values())).arn
    await aws.events.put_targets(
        Rule="hourly", Targets=[{"Id": n, "Arn": arn, "Input": f'"{n}"'} for n in ("a", "b")]
    )
    await seen(started, "hourly", key="rule/hourly#b")
    started.advance(timedelta(hours=1))
    await invoker.until(lambda events: len(events) == 2)
    await aws.events.disable_rule(Name="hourly")
    await seen(started, "hourly", enabled=False)
    started.advance(timedelta(hours=1))
    await aws.events.enable_rule(Name="hourly")
    await seen(started, "hourly", enabled=True)
    await aws.events.remove_targets(Rule="hourly", Ids=["b"])
    assert started.schedules is not None
    schedules = started.schedules

    async def one_left() -> bool:
        return [row["key"] for row in schedules.rows()] == ["rule/hourly#a"]

    await eventually(one_left)
    started.advance(timedelta(hours=1))
    await invoker.until(lambda events: len(events) == 3)
    assert sorted(invoker.events) == ["a", "a", "b"]


async def test_each_kind_of_target_is_reached(
    aws: Aws, load_app: LoadApp, started: Started, caplog: pytest.LogCaptureFixture
) -> None:
    fifo = """
  Line:
    Type: AWS::SQS::Queue
    Properties:
      {QueueName: !Sub "${P}-line.fifo", FifoQueue: true, ContentBasedDeduplication: true}
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: !Sub "${P}-bus"}}
  Route:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !Ref Bus
      EventPattern: {source: [{prefix: nightly}]}
      Targets: [{Id: q, Arn: !GetAtt Queue.Arn, InputPath: $.detail}]
"""
    app, invoker = await running(started, load_app, WORK + QUEUE + fifo)
    name = {queue.logical_id: queue.name for queue in app.queues}
    url = (await aws.sqs.get_queue_url(QueueName=name["Queue"]))["QueueUrl"]
    bus, function = app.buses[0], next(iter(app.functions.values()))
    universal = "arn:aws:scheduler:::aws-sdk:"
    entry = {"Source": "nightly.2", "DetailType": "d", "EventBusName": bus.name}
    entry["Detail"] = '{"by":"putEvents"}'
    line = next(queue.arn for queue in app.queues if queue.logical_id == "Line")
    targets: dict[str, dict[str, Any]] = {
        "fifo": {"Arn": line, "SqsParameters": {"MessageGroupId": "g"}, "Input": "in line"},
        "bus": {
            "Arn": bus.arn,
            "EventBridgeParameters": {"DetailType": "d", "Source": "nightly.1"},
            "Input": '{"by":"bus"}',
        },
        "put": {
            "Arn": f"{universal}eventbridge:putEvents",
            "Input": json.dumps({"Entries": [entry]}),
        },
        "send": {
            "Arn": f"{universal}sqs:sendMessage",
            "Input": json.dumps({"QueueUrl": url, "MessageBody": "<aws.scheduler.scheduled-time>"}),
        },
        "invoke": {
            "Arn": f"{universal}lambda:invoke",
            "Input": json.dumps(
                {"FunctionName": function.arn, "InvocationType": "Event", "Payload": '{"n":1}'}
            ),
        },
        "other": {"Arn": f"{universal}ec2:startInstances", "Input": "{}"},
    }
    for label, fields in targets.items():
        await create(aws, app, label, "at(2026-01-01T01:00:00)", Target=target(app, **fields))
        await seen(started, label)
    assert "cannot reach its target arn:aws:scheduler:::aws-sdk:ec2:startInstances" in caplog.text
    started.advance(timedelta(hours=2))
    (message,) = await receive(aws, name["Line"])
    assert (message["Body"], message["Attributes"]["MessageGroupId"]) == ("in line", "g")
    bodies: set[str] = set()
    async with asyncio.timeout(10):
        while len(bodies) < 3:
            messages = await receive(aws, name["Queue"])
            bodies |= {message["Body"].replace(" ", "") for message in messages}
    assert bodies == {'{"by":"bus"}', '{"by":"putEvents"}', "2026-01-01T01:00:00Z"}
    await invoker.until(bool)
    assert invoker.events == [{"n": 1}]


async def test_a_moved_clock_fires_all_it_passes_in_order_once(
    aws: Aws, load_app: LoadApp, started: Started
) -> None:
    app, invoker = await running(started, load_app)
    await create(aws, app, "nightly", "cron(0 2 * * ? *)")
    await create(aws, app, "noon", "cron(0 12 * * ? *)")
    await create(aws, app, "once", "at(2026-01-02T12:00:00)")
    await create(aws, app, "minutely", "rate(1 minute)", Target=target(app, Input='"rate"'))
    for name in ("nightly", "noon", "once", "minutely"):
        await seen(started, name)
    await invoker.until(lambda events: events == ["rate"])  # a rate begins at once
    assert started.schedules is not None
    assert started.schedules.check_step(started.clock.now() + timedelta(days=2)) == 6
    started.advance(timedelta(days=2))
    await invoker.until(lambda events: len(events) == 7)
    days = ["01T02", "01T12", "02T02", "02T12", "02T12"]
    assert invoker.events == ["rate", *[f"2026-01-{day}:00:00Z" for day in days], "rate"]
    started.advance(timedelta(seconds=1))
    await asyncio.sleep(0)
    assert len(invoker.events) == 7


async def test_a_step_that_would_fire_thousands_of_times_is_refused(
    aws: Aws, load_app: LoadApp, started: Started
) -> None:
    app, _ = await running(started, load_app)
    await create(aws, app, "minutely", "cron(* * * * ? *)")
    await seen(started, "minutely")
    assert started.schedules is not None
    now = started.clock.now()
    assert started.schedules.check_step(now + timedelta(days=1)) == 1440
    with pytest.raises(TooMany, match=r"minutely .* more than 2000 times"):
        started.schedules.check_step(now + timedelta(days=2))


async def test_running_by_hand_fires_once_and_now(
    aws: Aws, load_app: LoadApp, started: Started
) -> None:
    app, invoker = await running(started, load_app)
    await create(aws, app, "nightly", "cron(0 2 * * ? *)", State="DISABLED")
    await seen(started, "nightly")
    assert started.schedules is not None
    (fired,) = await started.schedules.run("nightly", "default")
    assert (fired["error"], fired["time"]) == (None, "2026-01-01T00:00:30Z")
    assert invoker.events == ["2026-01-01T00:00:30Z"]
    await aws.events.put_rule(Name="nightly", ScheduleExpression="rate(1 day)", State="DISABLED")
    arn = next(iter(app.functions.values())).arn
    await aws.events.put_targets(
        Rule="nightly", Targets=[{"Id": n, "Arn": arn, "Input": f'"{n}"'} for n in ("a", "b")]
    )
    await seen(started, "nightly", key="rule/nightly#b")
    assert len(await started.schedules.run("nightly", "")) == 2
    assert invoker.events[1:] == ["a", "b"]
