"""What becomes of asynchronous events, on queues and buses of a real endpoint."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator.aws import Aws
from emulator.provision import provision
from emulator.runtime import RuntimeSettings
from emulator.senders import AwsSender
from emulator.template.model import Application
from tests.emulator_harness import LogKeeper, runtime_of

RESOURCES = """
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: !Sub "${P}-bus"}}
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !Ref Bus
      EventPattern:
        source: [lambda]
        detail-type: ["Lambda Function Invocation Result - Success"]
      Targets: [{Id: q, Arn: !GetAtt Outcomes.Arn}]
  Outcomes: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${P}-outcomes"}}
  Dead: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${P}-dead"}}
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub "${P}-worker"
      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt Dead.Arn}
      EventInvokeConfig:
        MaximumRetryAttempts: 0
        DestinationConfig:
          OnSuccess: {Type: EventBridge, Destination: !GetAtt Bus.Arn}
          OnFailure: {Type: SQS, Destination: !GetAtt Outcomes.Arn}
"""
CODE = "def handler(event, context):\n    return 1 / event['divisor']\n"


async def _received(aws: Aws, queue: str) -> Any:
    url = (await aws.sqs.get_queue_url(QueueName=queue))["QueueUrl"]
    answer = await aws.sqs.receive_message(
        QueueUrl=url, WaitTimeSeconds=20, MessageAttributeNames=["All"]
    )
    (message,) = answer["Messages"]
    await aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return message


async def test_success_goes_to_the_bus_and_failure_to_the_queues(
    aws: Aws, load_app: Callable[[str], Application], tmp_path: Path
) -> None:
    (tmp_path / "code" / "app.py").write_text(CODE)
    app = load_app(RESOURCES)
    assert not app.warnings
    await provision(app, aws)
    (function,) = app.functions.values()
    outcomes, dead = (queue.name for queue in app.queues)
    settings = RuntimeSettings(reload=False)
    async with runtime_of(
        function, logs=LogKeeper(), settings=settings, send=AwsSender(aws)
    ) as runtime:
        request_id = await runtime.invoke_async(function.name, b'{"divisor": 2}')
        event = json.loads((await _received(aws, outcomes))["Body"])
        assert event["source"] == "lambda"
        assert event["resources"] == [app.buses[0].arn, f"{function.arn}:$LATEST"]
        assert event["detail"]["requestContext"]["requestId"] == request_id
        assert event["detail"]["responsePayload"] == 0.5
        await runtime.invoke_async(function.name, b'{"divisor": 0}')
        record = json.loads((await _received(aws, outcomes))["Body"])
        assert record["requestContext"]["condition"] == "RetriesExhausted"
        assert record["responsePayload"]["errorType"] == "ZeroDivisionError"
        letter = await _received(aws, dead)
    assert json.loads(letter["Body"]) == {"divisor": 0}
    attributes = letter["MessageAttributes"]
    assert {name: value["DataType"] for name, value in attributes.items()} == {
        "RequestID": "String",
        "ErrorCode": "Number",
        "ErrorMessage": "String",
    }
    assert attributes["ErrorCode"]["StringValue"] == "200"
    assert attributes["ErrorMessage"]["StringValue"] == "division by zero"


@pytest.mark.parametrize("section", ["OnSuccess", "OnFailure"])
async def test_what_is_not_sent_is_told(
    load_app: Callable[[str], Application], section: str
) -> None:
    topic = "arn:aws:sns:us-east-1:000000000000:topic"
    given = {"OnSuccess": "!GetAtt Bus.Arn", "OnFailure": "!GetAtt Outcomes.Arn"}[section]
    app = load_app(RESOURCES.replace(f"Destination: {given}", f"Destination: {topic}"))
    (warning,) = app.warnings
    assert topic in warning
    assert section in warning
