"""Rules with event patterns that feed functions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from emulator.aws import Aws
from emulator.invocations import Throttled, UnknownFunction
from emulator.mappings import start
from emulator.provision import provision
from emulator.rule_queues import rule_queues
from emulator.template.model import Application
from tests.integration.emulator_events.conftest import ScriptedInvoker, depth, nothing, receive

LoadApp = Callable[[str], Application]

BUS = """
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: !Sub "${P}-bus"}}
  Copy: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${P}-copy"}}
  Dead: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${P}-dlq"}}
"""
FUNCTION = """
  Work:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        Placed:
          Type: EventBridgeRule
          Properties:
            EventBusName: !Ref Bus
            Pattern: {source: [shop]}
            RetryPolicy: {MaximumRetryAttempts: 1}
            DeadLetterConfig: {Arn: !GetAtt Dead.Arn}
"""
RULE = """
  Work: {Type: AWS::Serverless::Function}
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !Ref Bus
      Name: !Sub "${P}.rule"
      EventPattern: {source: [shop]}
      Targets:
        - {Id: copy, Arn: !GetAtt Copy.Arn}
        - {Id: whole, Arn: !GetAtt Work.Arn}
  Other:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !Ref Bus
      Name: !Sub "${P}.other"
      EventPattern: {source: [shop]}
      Targets:
        - {Id: fixed, Arn: !GetAtt Work.Arn, Input: '{"fixed": true}'}
        - {Id: part, Arn: !GetAtt Work.Arn, InputPath: $.detail}
        - Id: made
          Arn: !GetAtt Work.Arn
          InputTransformer: {InputPathsMap: {n: $.detail.n}, InputTemplate: '{"number": <n>}'}
        - Id: text
          Arn: !GetAtt Work.Arn
          InputTransformer: {InputPathsMap: {who: $.detail.who}, InputTemplate: '"hello <who>"'}
"""


async def put(aws: Aws, app: Application, **detail: Any) -> None:
    entry = {
        "EventBusName": app.buses[0].name,
        "Source": "shop",
        "DetailType": "order.placed",
        "Detail": json.dumps(detail),
    }
    assert (await aws.events.put_events(Entries=[entry]))["FailedEntryCount"] == 0


async def test_a_function_gets_what_eventbridge_sends(aws: Aws, load_app: LoadApp) -> None:
    app = load_app(BUS + RULE)
    assert app.warnings == ()
    await provision(app, aws)
    invoker = ScriptedInvoker(nothing)
    mappings = start(app, invoker, aws)
    await put(aws, app, n=7, who="Ann")
    await invoker.until(lambda events: len(events) == 5)
    (copy,) = await receive(aws, app.queues[0].name)
    await mappings.stop()
    whole = json.loads(copy["Body"])
    detail = {"n": 7, "who": "Ann"}
    assert whole["detail"] == detail
    for expected in (whole, {"fixed": True}, detail, {"number": 7}, "hello Ann"):
        assert invoker.events.count(expected) == 1
    assert [await depth(aws, found.queue.name) for found in rule_queues(app)] == [0] * 5


class Reluctant(ScriptedInvoker):
    """An invoker that refuses events at first."""

    refusals: list[Exception]

    async def invoke_async(
        self, function: str, payload: bytes, *, trace_id: str | None = None
    ) -> str:
        if self.refusals:
            raise self.refusals.pop(0)
        return await super().invoke_async(function, payload, trace_id=trace_id)


async def test_an_event_that_lambda_does_not_take_comes_again(aws: Aws, load_app: LoadApp) -> None:
    app = load_app(BUS + FUNCTION)
    await provision(app, aws)
    invoker = Reluctant(nothing)
    invoker.refusals = [Throttled("busy")]
    mappings = start(app, invoker, aws)
    await put(aws, app, n=1)
    await invoker.until(lambda events: len(events) == 1)
    await mappings.stop()
    assert await depth(aws, app.queues[1].name) == 0


@pytest.mark.parametrize(
    ("refusals", "code", "condition"),
    [
        ([UnknownFunction("gone")], "NO_RESOURCE", None),
        ([Throttled("busy"), Throttled("busy")], "THROTTLING", "MaximumRetryAttempts"),
    ],
)
async def test_an_event_that_cannot_be_delivered_is_a_dead_letter(
    aws: Aws,
    load_app: LoadApp,
    refusals: list[Exception],
    code: str,
    condition: str | None,
) -> None:
    app = load_app(BUS + FUNCTION)
    await provision(app, aws)
    invoker = Reluctant(nothing)
    invoker.refusals = list(refusals)
    mappings = start(app, invoker, aws)
    await put(aws, app, n=1)
    url = (await aws.sqs.get_queue_url(QueueName=app.queues[1].name))["QueueUrl"]
    answer = await aws.sqs.receive_message(
        QueueUrl=url, WaitTimeSeconds=15, MessageAttributeNames=["All"]
    )
    await mappings.stop()
    (letter,) = answer["Messages"]
    told = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert json.loads(letter["Body"])["detail"] == {"n": 1}
    assert told["ERROR_CODE"] == code
    assert told.get("EXHAUSTED_RETRY_CONDITION") == condition
    assert told["RETRY_ATTEMPTS"] == str(len(refusals) - 1)
    assert told["RULE_ARN"].endswith(f":rule/{app.buses[0].name}/{app.rules[0].name}")
    assert told["TARGET_ARN"] == next(iter(app.functions.values())).arn
    assert invoker.events == []


def test_a_rules_queue_has_a_valid_name_of_its_own(load_app: LoadApp) -> None:
    long = BUS + RULE.replace("${P}.other", f"${{P}}.{'other' * 10}")
    names = [found.queue.name for found in rule_queues(load_app(long))]
    assert len(set(names)) == len(names) == 5
    assert all(len(name) <= 80 and name.replace("-", "").isalnum() for name in names)
