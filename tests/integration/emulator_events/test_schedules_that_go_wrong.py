"""Schedules of an operator that nobody can read, reach or wait for: others fire all the same."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator.aws import Aws
from emulator.invocations import InvokeResult
from emulator.schedules import watch
from emulator.schedules.timetable import Timetable
from tests.integration.emulator_events.conftest import (
    ScriptedInvoker,
    Started,
    depth,
    nothing,
    receive,
)
from tests.integration.emulator_events.schedule_calls import (
    QUEUE,
    WORK,
    LoadApp,
    create,
    gone,
    running,
    seen,
    target,
)
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("own_account")


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
    await eventually(lambda: gone(started, "often"))


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
