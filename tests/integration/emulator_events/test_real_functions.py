"""Bus, queue and schedule reach functions that really run."""

from __future__ import annotations

import json
import os
import statistics
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from emulator.app import Addresses, Emulator
from emulator.aws import Aws
from emulator.runtime import RuntimeSettings
from emulator.template.model import Application
from emulator.template.parse import load
from tests.integration.emulator_events.conftest import REGION, receive

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters: {P: {Type: String}}
Resources:
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: !Sub "${P}-bus"}}
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !Ref Bus
      EventPattern: {source: [shop], detail-type: [{prefix: order.}]}
      Targets: [{Id: q, Arn: !GetAtt In.Arn}]
  In: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${P}-in", VisibilityTimeout: 30}}
  Out: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${P}-out"}}
  Echo:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub "${P}-echo"
      CodeUri: code
      Handler: app.handler
      Runtime: python3.13
      Timeout: 10
      Environment: {Variables: {OUT: !Ref Out}}
      Events:
        Queue: {Type: SQS, Properties: {Queue: !GetAtt In.Arn}}
        Tick:
          Type: ScheduleV2
          Properties: {Name: !Sub "${P}-tick", ScheduleExpression: rate(1 hour)}
"""
CODE = """
import json, os, time
import boto3
sqs = boto3.client("sqs")
def handler(event, context):
    body = json.dumps({"event": event, "at": time.time()})
    sqs.send_message(QueueUrl=os.environ["OUT"], MessageBody=body)
"""


@pytest.fixture
async def app(tmp_path: Path, aws_endpoint_url: str) -> AsyncIterator[Application]:
    (tmp_path / "code").mkdir()
    (tmp_path / "code/app.py").write_text(CODE)
    path = tmp_path / "template.yaml"
    path.write_text(TEMPLATE)
    credentials = {
        name: os.environ[name]
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
    }
    app = load(
        path,
        {"P": f"t{uuid.uuid4().hex[:8]}"},
        account_id=os.environ["AWS_ACCESS_KEY_ID"],
        aws_endpoint=aws_endpoint_url,
    )
    emulator = Emulator(
        app,
        lambda *_args, **_more: None,
        addresses=Addresses("127.0.0.1", 0, 0),
        settings=RuntimeSettings(variables={"AWS_ENDPOINT_URL": aws_endpoint_url, **credentials}),
        aws_endpoint=aws_endpoint_url,
    )
    await emulator.start()
    yield app
    await emulator.stop()


async def echoed(aws: Aws, app: Application) -> Any:
    out = next(queue.name for queue in app.queues if queue.logical_id == "Out")
    (message, *more) = await receive(aws, out, wait_s=20)
    assert not more
    url = (await aws.sqs.get_queue_url(QueueName=out))["QueueUrl"]
    await aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return json.loads(message["Body"])


async def test_schedule_bus_and_queue_reach_a_function(aws: Aws, app: Application) -> None:
    tick = (await echoed(aws, app))["event"]
    assert tick["detail-type"] == "Scheduled Event"
    assert tick["resources"][0].endswith(f"schedule/default/{app.schedules[0].name}")
    waits = []
    for number in range(8):
        entry = {
            "EventBusName": app.buses[0].name,
            "Source": "shop",
            "DetailType": "order.placed",
            "Detail": json.dumps({"number": number}),
        }
        began = time.time()
        await aws.events.put_events(Entries=[entry])
        echo = await echoed(aws, app)
        (record,) = echo["event"]["Records"]
        assert json.loads(record["body"])["detail"] == {"number": number}
        assert record["awsRegion"] == REGION
        waits.append(echo["at"] - began)
    assert statistics.median(waits) < 0.5
