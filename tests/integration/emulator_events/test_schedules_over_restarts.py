"""Schedules of a template and of an operator when the emulator, or its endpoint, starts anew."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from pathlib import Path

import pytest

from emulator.aws import Aws
from emulator.endpoint import EndpointError
from emulator.schedules import Memory
from tests.integration.emulator_events.conftest import (
    REGION,
    Endpoint,
    ScriptedInvoker,
    Started,
    nothing,
)
from tests.integration.emulator_events.schedule_calls import (
    NIGHTLY,
    WORK,
    LoadApp,
    create,
    seen,
    target,
    update,
)
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("own_account")


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
