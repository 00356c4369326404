"""Schedules that an operator makes over the AWS API while the emulator runs, and restarts."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator.aws import Aws
from emulator.endpoint import EndpointError
from emulator.invocations import InvokeResult
from emulator.schedules import Memory, TooMany, watch
from emulator.schedules.timetable import Timetable
from emulator.template.model import Application
from tests.integration.emulator_events.conftest import (
    REGION,
    Endpoint,
    ScriptedInvoker,
    Started,
    depth,
    nothing,
    receive,
)
from tests.waiting import eventually

LoadApp = Callable[[str], Application]
pytestmark = pytest.mark.usefixtures("own_account")

WORK = """
  Work: {Type: AWS::Serverless::Function, Properties: {FunctionName: !Sub "${P}-work"}}
"""
QUEUE = """
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${P}-q"}}
"""
NIGHTLY = """
  Nightly:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub "${P}-nightly"
      Events:
        Night:
          Type: ScheduleV2
          Properties: {Name: !Sub "${P}-night", ScheduleExpression: "cron(0 2 * * ? *)"}
"""


def target(app: Application, **fields: Any) -> dict[str, Any]:
    """A schedule's target: the template's function, unless fields say otherwise."""
    role = f"arn:aws:iam::{app.account_id}:role/scheduler"
    arn = next(iter(app.functions.values())).arn if app.functions else ""
    return {"Arn": arn, "RoleArn": role, "Input": '"<aws.scheduler.scheduled-time>"', **fields}


async def create(aws: Aws, app: Application, name: str, expression: str, **fields: Any) -> None:
    await aws.scheduler.create_schedule(
        **{
            "Name": name,
            "ScheduleExpression": expression,
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": target(app),
            **fields,
        }
    )


async def update(aws: Aws, name: str, **fields: Any) -> None:
    present = await aws.scheduler.get_schedule(Name=name)
    names = ("ScheduleExpression", "FlexibleTimeWindow", "Target", "State")
    await aws.scheduler.update_schedule(
        **{"Name": name, **{key: present[key] for key in names}, **fields}
    )


def row(started: Started, name: str) -> dict[str, Any] | None:
    assert started.schedules is not None
    return next((row for row in started.schedules.rows() if row["name"] == name), None)


async def seen(started: Started, name: str, **fields: Any) -> None:
    """Wait until a schedule is picked up, like this."""

    wanted = {"name": name, **fields}.items()
    assert started.schedules is not None
    schedules = started.schedules

    async def holds() -> bool:
        return any(wanted <= row.items() for row in schedules.rows())

    await eventually(holds)


async def running(started: Started, load_app: LoadApp, resources: str = WORK + QUEUE) -> Any:
    """Start without any schedule; the application and its invoker."""
    app, invoker = load_app(resources), ScriptedInvoker(nothing)
    started.schedules = await started.start(app, invoker)
    return app, invoker


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
    await eventually(lambda: _gone(started, "often"))
    started.advance(timedelta(days=1))
    assert invoker.events == ["2026-01-01T00:30:00Z"]


async def _gone(started: Started, name: str) -> bool:
    return row(started, name) is None


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
    await eventually(lambda: _gone(started, "s1"))


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
    await eventually(lambda: _gone(started, "once"))
    while started.clock.now() < begins:
        started.advance(min(begins - started.clock.now(), timedelta(days=3_650)))
    assert row(started, "ends") is not None
    started.advance(timedelta(hours=5))
    await eventually(lambda: _gone(started, "ends"))
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


async def test_a_restart_makes_good_what_it_missed_once(
    aws: Aws, load_app: LoadApp, started: Started, tmp_path: Path
) -> None:
    file = tmp_path / "schedules.json"
    app, invoker = load_app(WORK), ScriptedInvoker(nothing)
    await started.start(app, invoker, Memory(file))
    short = {"MaximumEventAgeInSeconds": 3_600}
    hourly = {"Target": target(app, Input='"hour <aws.scheduler.scheduled-time>"')}
    await create(aws, app, "hourly", "cron(0 * * * ? *)", **hourly)
    await create(aws, app, "once", "at(2026-01-01T02:00:00)")
    await create(aws, app, "late", "at(2026-01-01T02:00:00)", Target=target(app, RetryPolicy=short))
    await create(aws, app, "days", "rate(2 hours)", Target=target(app, Input='"rate"'))
    for name in ("hourly", "once", "late", "days"):
        await seen(started, name)
    started.advance(timedelta(hours=1))
    await invoker.until(lambda events: len(events) == 2)
    assert invoker.events == ["rate", "hour 2026-01-01T01:00:00Z"]
    await started.stop()
    started.clock.advance(timedelta(hours=5))  # nobody is told: the emulator is away

    again = ScriptedInvoker(nothing)
    await started.start(app, again, Memory(file))
    await again.until(lambda events: len(events) == 3)
    assert again.events == ["2026-01-01T02:00:00Z", "hour 2026-01-01T06:00:00Z", "rate"]
    await started.stop()
    third = ScriptedInvoker(nothing)
    await started.start(app, third, Memory(file))
    started.advance(timedelta(hours=1))
    await third.until(bool)
    assert third.events == ["hour 2026-01-01T07:00:00Z"]


async def test_what_was_not_delivered_at_the_stop_is_fired_again(
    aws: Aws, load_app: LoadApp, started: Started, tmp_path: Path
) -> None:
    class Deaf(ScriptedInvoker):
        async def invoke_async(
            self, function: str, payload: bytes, *, trace_id: str | None = None
        ) -> str:
            self.events.append("refused")
            raise TimeoutError

    file = tmp_path / "schedules.json"
    app, deaf = load_app(NIGHTLY), Deaf(nothing)
    await started.start(app, deaf, Memory(file))
    started.advance(timedelta(hours=3))

    async def refused() -> bool:
        return bool(deaf.events)

    await eventually(refused)
    await started.stop()
    invoker = ScriptedInvoker(nothing)
    await started.start(app, invoker, Memory(file))
    await invoker.until(bool)
    assert invoker.events[0]["time"] == "2026-01-01T02:00:00Z"


async def test_of_several_only_what_was_not_delivered_is_fired_again(
    aws: Aws, load_app: LoadApp, started: Started, tmp_path: Path
) -> None:
    refused: list[bytes] = []

    class DeafAtFirst(ScriptedInvoker):
        async def invoke_async(
            self, function: str, payload: bytes, *, trace_id: str | None = None
        ) -> str:
            if b"2026-01-01T02" in payload:
                refused.append(payload)
                raise TimeoutError
            return await super().invoke_async(function, payload, trace_id=trace_id)

    async def is_refused() -> bool:
        return bool(refused)

    file = tmp_path / "schedules.json"
    app = load_app(NIGHTLY.replace("0 2 *", "0 2,14 *"))
    invoker = DeafAtFirst(nothing)
    await started.start(app, invoker, Memory(file))
    started.advance(timedelta(hours=3))
    await eventually(is_refused)
    started.advance(timedelta(hours=12))
    await invoker.until(bool)
    assert [event["time"] for event in invoker.events] == ["2026-01-01T14:00:00Z"]
    await started.stop()

    again = ScriptedInvoker(nothing)
    await started.start(app, again, Memory(file))
    await again.until(bool)
    started.advance(timedelta(hours=12))
    await again.until(lambda events: len(events) == 2)
    await started.stop()
    times = [event["time"] for event in again.events]
    assert times == ["2026-01-01T02:00:00Z", "2026-01-02T02:00:00Z"]
    last = ScriptedInvoker(nothing)
    await started.start(app, last, Memory(file))
    started.advance(timedelta(hours=12))
    await last.until(bool)
    assert [event["time"] for event in last.events] == ["2026-01-02T14:00:00Z"]


async def test_disabled_stays_disabled_over_a_restart_until_the_template_says_otherwise(
    aws: Aws, load_app: LoadApp, started: Started, tmp_path: Path
) -> None:
    file = tmp_path / "schedules.json"
    app = load_app(NIGHTLY)
    name = app.schedules[0].name
    await started.start(app, ScriptedInvoker(nothing), Memory(file))
    await update(aws, name, State="DISABLED")
    await seen(started, name, enabled=False)
    await started.stop()
    await started.start(app, ScriptedInvoker(nothing), Memory(file))
    assert (await aws.scheduler.get_schedule(Name=name))["State"] == "DISABLED"
    await started.stop()
    off = load_app(NIGHTLY.replace("Properties: {Name", "Properties: {State: DISABLED, Name"))
    for declared in (off, app):  # the template's word changes, and that is the last word
        await started.start(declared, ScriptedInvoker(nothing), Memory(file))
        await started.stop()
    assert (await aws.scheduler.get_schedule(Name=name))["State"] == "ENABLED"


async def test_an_endpoint_that_lost_its_schedules_gets_them_back(
    own_endpoint: Endpoint, load_app: LoadApp
) -> None:
    app, invoker = load_app(NIGHTLY), ScriptedInvoker(nothing)
    async with Aws(own_endpoint.url, REGION) as aws:
        started = Started(aws)
        await started.start(app, invoker)
        try:
            own_endpoint.kill()
            own_endpoint.start()

            async def is_back() -> bool:
                with contextlib.suppress(*EndpointError):
                    return bool((await aws.scheduler.list_schedules())["Schedules"])
                return False

            await eventually(is_back)
            started.advance(timedelta(hours=3))
            await invoker.until(bool)
        finally:
            await started.stop()
    assert [event["time"] for event in invoker.events] == ["2026-01-01T02:00:00Z"]


async def test_what_goes_wrong_once_ends_nothing(
    aws: Aws,
    load_app: LoadApp,
    started: Started,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    app, _ = await running(started, load_app)
    replace = Timetable.replace

    def fail_once(*arguments: Any) -> None:
        monkeypatch.setattr(Timetable, "replace", replace)
        raise KeyError("surprise")

    monkeypatch.setattr(Timetable, "replace", fail_once)
    await create(aws, app, "first", "cron(0 2 * * ? *)")
    await eventually(lambda: "surprise" in caplog.text)
    await create(aws, app, "second", "cron(0 2 * * ? *)")
    await seen(started, "second")
    await seen(started, "first")


async def test_an_endpoint_that_does_not_tell_of_changes_is_asked(
    aws: Aws, load_app: LoadApp, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_PATH", "/_nothing/here")
    monkeypatch.setattr(watch, "_POLL_S", 0.05)
    app, _ = await running(started, load_app)
    await create(aws, app, "often", "cron(0 * * * ? *)")
    await seen(started, "often")
    await aws.scheduler.delete_schedule(Name="often")
    await eventually(lambda: _gone(started, "often"))


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


async def test_a_target_that_does_not_exist_is_told_at_once(
    aws: Aws, load_app: LoadApp, started: Started, caplog: pytest.LogCaptureFixture
) -> None:
    app, _ = await running(started, load_app)
    account = f"us-east-1:{app.account_id}"
    gone = {"typo": f"arn:aws:lambda:{account}:function:wrok", "late": f"arn:aws:sqs:{account}:no"}
    for name, arn in gone.items():
        await create(aws, app, name, "cron(0 2 * * ? *)", Target=target(app, Arn=arn))
    await create(aws, app, "right", "cron(0 2 * * ? *)")
    await seen(started, "right")
    assert started.schedules is not None
    schedules = started.schedules

    async def problems(*wanted: str | None) -> bool:
        return tuple(row["problem"] for row in schedules.rows()) == wanted

    sentence = "its target does not exist: there is no {} here"
    function, queue = sentence.format("function wrok"), sentence.format("queue no")
    await eventually(lambda: problems(queue, None, function))
    assert f"schedule/default/typo: {function}" in caplog.text
    assert caplog.text.count(queue) == 1
    await aws.sqs.create_queue(QueueName="no")
    (fired,) = await schedules.run("late", "default")
    assert fired["error"] is None
    assert await problems(None, None, function)


_STUCK = 9


async def test_a_target_that_keeps_others_waiting_holds_them_up_once(
    aws: Aws, load_app: LoadApp, started: Started
) -> None:
    class Stuck(ScriptedInvoker):
        async def invoke(
            self, function: str, payload: bytes, *, trace_id: str | None = None
        ) -> InvokeResult:
            await asyncio.sleep(3_600)
            raise AssertionError

    app, stuck = load_app(WORK + QUEUE), Stuck(nothing)
    await started.start(app, stuck)
    name = next(iter(app.functions))
    waits = {
        "Arn": "arn:aws:scheduler:::aws-sdk:lambda:invoke",
        "Input": json.dumps({"FunctionName": name}),
    }
    for number in range(_STUCK):
        due = f"at(2026-01-01T01:{number:02}:00)"
        await create(aws, app, f"stuck{number}", due, Target=target(app, **waits))
    queue = app.queues[0]
    free = target(app, Arn=queue.arn, Input="free")
    await create(aws, app, "free", "at(2026-01-01T02:00:00)", Target=free)
    for label in (*(f"stuck{number}" for number in range(_STUCK)), "free"):
        await seen(started, label)
    began = asyncio.get_running_loop().time()
    started.advance(timedelta(hours=3))
    (message,) = await receive(aws, queue.name)
    assert message["Body"] == "free"
    assert asyncio.get_running_loop().time() - began < _STUCK  # not a second for each that is stuck
    assert await depth(aws, queue.name) == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ScheduleExpression": "cron(INVALID)"}, "Invalid Schedule Expression cron(INVALID)."),
        ({"ScheduleExpressionTimezone": "Mars/Base"}, "Timezone Mars/Base"),
        ({"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}}, "MaximumWindowInMinutes"),
        (
            {"StartDate": datetime(2026, 1, 2), "EndDate": datetime(2026, 1, 1)},  # noqa: DTZ001
            "must come before",
        ),
    ],
)
async def test_the_endpoint_refuses_what_aws_refuses(
    aws: Aws, load_app: LoadApp, fields: dict[str, Any], message: str
) -> None:
    app = load_app(WORK)
    with pytest.raises(ClientError, match="ValidationException") as refused:
        await create(aws, app, "bad", **{"expression": "rate(1 day)", **fields})
    assert message in str(refused.value)
    with pytest.raises(ClientError, match="default event bus"):
        await aws.events.put_rule(Name="r", ScheduleExpression="rate(1 day)", EventBusName="other")
