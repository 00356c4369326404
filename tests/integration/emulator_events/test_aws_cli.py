"""The real AWS command line drives Lambda's API, queues, the bus and schedules, as people do."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from emulator.app import Addresses, Emulator
from emulator.template.model import Application
from emulator.template.parse import load
from tests.awscli import AwsCli
from tests.emulator_harness import LogKeeper

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters: {P: {Type: String}}
Resources:
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: !Sub "${P}-bus"}}
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !Ref Bus
      EventPattern: {source: [shop]}
      Targets: [{Id: q, Arn: !GetAtt In.Arn}]
  In: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${P}-in", VisibilityTimeout: 30}}
  Plain:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub "${P}-plain"
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3}
  Dead: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${P}-dead"}}
  One:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub "${P}-one"
      CodeUri: code
      Handler: app.handler
      Runtime: python3.13
      MemorySize: 256
      Timeout: 10
      Events:
        Queue: {Type: SQS, Properties: {Queue: !GetAtt In.Arn, BatchSize: 5}}
  Two:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub "${P}-two"
      CodeUri: code
      Handler: app.handler
      Runtime: python3.13
"""
CODE = """
import json
def handler(event, context):
    print("got", json.dumps(event))
    if event.get("fail"):
        raise ValueError("no luck")
    return {"echo": event}
"""


@dataclass(frozen=True)
class Running:
    """A running application and the command line for its two endpoints."""

    prefix: str
    logs: LogKeeper
    functions: AwsCli
    services: AwsCli

    async def until_got(self, text: str) -> None:
        """Wait until a function has got an event with that text."""
        await self.logs.until(lambda line: line.message.startswith("got") and text in line.message)

    def arn(self, service: str, name: str) -> str:
        return f"arn:aws:{service}:us-east-1:{os.environ['AWS_ACCESS_KEY_ID']}:{name}"


def _load(folder: Path, prefix: str, endpoint: str) -> Application:
    (folder / "code").mkdir()
    (folder / "code" / "app.py").write_text(CODE)
    (folder / "template.yaml").write_text(TEMPLATE)
    account = os.environ["AWS_ACCESS_KEY_ID"]
    template = folder / "template.yaml"
    return load(template, {"P": prefix}, account_id=account, aws_endpoint=endpoint)


@pytest.fixture
async def running(tmp_path: Path, aws_endpoint_url: str) -> AsyncIterator[Running]:
    prefix, logs = f"t{uuid.uuid4().hex[:8]}", LogKeeper()
    emulator = Emulator(
        _load(tmp_path, prefix, aws_endpoint_url),
        logs,
        addresses=Addresses("127.0.0.1", 0, 0),
        aws_endpoint=aws_endpoint_url,
    )
    await emulator.start()
    yield Running(prefix, logs, AwsCli(emulator.lambda_url), AwsCli(aws_endpoint_url))
    await emulator.stop()


async def test_lambda(running: Running, tmp_path: Path) -> None:
    aws, one, out = running.functions, f"{running.prefix}-one", tmp_path / "out.json"
    invoke = ("lambda", "invoke", "--function-name")
    said = await aws.json_async(
        *invoke, one, "--payload", '{"name": "ü"}', "--log-type", "Tail", str(out)
    )
    assert json.loads(out.read_text()) == {"echo": {"name": "ü"}}
    assert (said["StatusCode"], said["ExecutedVersion"]) == (200, "$LATEST")
    assert 'got {"name": "\\u00fc"}' in base64.b64decode(said["LogResult"]).decode()

    failed = await aws.json_async(*invoke, one, "--payload", '{"fail": true}', str(out))
    assert failed["FunctionError"] == "Unhandled"
    assert json.loads(out.read_text())["errorMessage"] == "no luck"

    queued = await aws.json_async(
        *invoke, f"{one}:$LATEST", "--payload", '{"kind": "queued"}', "--invocation-type", "Event",
        str(out),
    )  # fmt: skip
    assert queued == {"StatusCode": 202}
    await running.until_got('"queued"')

    nobody = await aws.run_async(*invoke, "nobody", "--payload", "{}", str(out))
    assert nobody.returncode > 0
    assert (
        "An error occurred (ResourceNotFoundException) when calling the Invoke operation: "
        f"Function not found: {running.arn('lambda', 'function:nobody')}"
    ) in nobody.stderr


async def test_lambda_descriptions(running: Running) -> None:
    aws, prefix = running.functions, running.prefix
    listed = await aws.json_async("lambda", "list-functions", "--page-size", "1")
    names = [function["FunctionName"] for function in listed["Functions"]]
    assert names == [f"{prefix}-one", f"{prefix}-two"]
    mappings = await aws.json_async(
        "lambda", "list-event-source-mappings", "--function-name", f"{prefix}-one"
    )
    (mapping,) = mappings["EventSourceMappings"]
    assert mapping["EventSourceArn"] == running.arn("sqs", f"{prefix}-in")
    assert (mapping["BatchSize"], mapping["State"]) == (5, "Enabled")
    client = boto3.client("lambda", endpoint_url=aws.endpoint_url)
    try:
        # The same twice: tools keep it.
        one = await asyncio.to_thread(client.get_event_source_mapping, UUID=mapping["UUID"])
        assert one["FunctionArn"] == mapping["FunctionArn"]
        with pytest.raises(ClientError, match="The resource you requested does not exist"):
            await asyncio.to_thread(client.get_event_source_mapping, UUID=str(uuid.uuid4()))
    finally:
        client.close()
    assert listed["Functions"][0]["MemorySize"] == 256


async def test_queues_and_the_bus(running: Running) -> None:
    aws, prefix = running.services, running.prefix
    account = os.environ["AWS_ACCESS_KEY_ID"]
    urls = {
        name: f"{aws.endpoint_url}/{account}/{prefix}-{name}" for name in ("in", "plain", "dead")
    }
    await aws.json_async(
        "sqs", "send-message", "--queue-url", urls["in"], "--message-body", "from the queue"
    )
    await running.until_got("from the queue")

    event = {
        "EventBusName": f"{prefix}-bus",
        "Source": "shop",
        "DetailType": "order.placed",
        "Detail": '{"from": "the bus"}',
    }
    put = await aws.json_async("events", "put-events", "--entries", json.dumps([event]))
    assert put["FailedEntryCount"] == 0
    await running.until_got("the bus")

    await aws.json_async("sqs", "send-message", "--queue-url", urls["dead"], "--message-body", "x")
    moved = await aws.json_async(
        "sqs",
        "start-message-move-task",
        "--source-arn",
        running.arn("sqs", f"{prefix}-dead"),
        "--destination-arn",
        running.arn("sqs", f"{prefix}-plain"),
    )
    assert moved["TaskHandle"]
    received = await aws.json_async(
        "sqs", "receive-message", "--queue-url", urls["plain"], "--wait-time-seconds", "20"
    )
    assert [message["Body"] for message in received["Messages"]] == ["x"]


async def test_schedules_made_by_an_operator_reach_functions_and_queues(running: Running) -> None:
    aws, prefix = running.services, running.prefix
    targets: dict[str, Any] = {
        "to-function": {"Arn": running.arn("lambda", f"function:{prefix}-two")},
        "to-queue": {"Arn": running.arn("sqs", f"{prefix}-in")},
    }
    for name, target in targets.items():
        made = await aws.json_async(
            "scheduler",
            "create-schedule",
            "--name",
            f"{prefix}-{name}",
            "--schedule-expression",
            "rate(1 hour)",
            "--flexible-time-window",
            "Mode=OFF",
            "--target",
            json.dumps(
                {
                    **target,
                    "RoleArn": "arn:aws:iam::000000000000:role/scheduler",
                    "Input": json.dumps({"sent by": name}),
                }
            ),
        )
        assert made["ScheduleArn"].endswith(f"schedule/default/{prefix}-{name}")
        await running.until_got(name)
