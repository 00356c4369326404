"""What an operator does to schedules over the AWS API, and what is seen of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulator.aws import Aws
from emulator.template.model import Application
from tests.integration.emulator_events.conftest import (
    ScriptedInvoker,
    Started,
    nothing,
)
from tests.waiting import eventually

LoadApp = Callable[[str], Application]


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


async def gone(started: Started, name: str) -> bool:
    return row(started, name) is None
