"""Scheduled rules: LocalStack fires them by itself, but has no functions to send to."""

from __future__ import annotations

import uuid

import pytest

from emulator.aws import Aws
from tests.integration.emulator_events.conftest import Started
from tests.integration.emulator_events.schedule_calls import LoadApp, running, seen
from tests.integration.emulator_events.test_schedules import (  # noqa: F401
    test_a_scheduled_rule_fires_as_eventbridge_does,
)
from tests.integration.emulator_events.test_schedules_by_api import (  # noqa: F401
    test_a_rule_is_picked_up_and_disabled,
)

pytestmark = pytest.mark.usefixtures("own_account")


async def test_what_localstack_sends_itself_is_left_to_it(
    aws: Aws, load_app: LoadApp, started: Started
) -> None:
    app, _ = await running(started, load_app)
    name = f"own-{uuid.uuid4().hex[:8]}"
    await aws.events.put_rule(Name=name, ScheduleExpression="rate(1 day)")
    function = next(iter(app.functions.values())).arn
    targets = [{"Id": "queue", "Arn": app.queues[0].arn}, {"Id": "function", "Arn": function}]
    await aws.events.put_targets(Rule=name, Targets=targets)
    await seen(started, name)
    assert started.schedules is not None
    assert [row["key"] for row in started.schedules.rows()] == [f"rule/{name}#function"]
