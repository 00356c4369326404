"""Provisioning, and what the platform relies on the endpoint for."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator.aws import Aws
from emulator.provision import provision
from emulator.template.model import Application
from tests.integration.emulator_events.conftest import depth, receive

LoadApp = Callable[[str], Application]

EVENTS = """
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: !Sub "${P}-bus"}}
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub "${P}-q"
      VisibilityTimeout: 30
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 2}
  Dead: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${P}-dlq"}}
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !Ref Bus
      Name: !Sub "${P}-rule"
      EventPattern:
        source: [shop]
        detail-type: [{prefix: payment.}, {prefix: refund.}]
      Targets: [{Id: q, Arn: !GetAtt Queue.Arn}]
"""


async def put(aws: Aws, app: Application, source: str, detail_type: str, detail: Any) -> None:
    entry = {
        "EventBusName": app.buses[0].name,
        "Source": source,
        "DetailType": detail_type,
        "Detail": json.dumps(detail),
    }
    assert (await aws.events.put_events(Entries=[entry]))["FailedEntryCount"] == 0


async def url_of(aws: Aws, name: str) -> str:
    url: str = (await aws.sqs.get_queue_url(QueueName=name))["QueueUrl"]
    return url


async def test_a_rule_routes_events_to_its_queue(aws: Aws, load_app: LoadApp) -> None:
    app = load_app(EVENTS)
    await provision(app, aws)
    await put(aws, app, "shop", "payment.captured", {"id": 1})
    await put(aws, app, "other", "payment.captured", {"id": 2})
    await put(aws, app, "shop", "merchant.created", {"id": 3})
    await put(aws, app, "shop", "refund.created", {"id": 4})
    messages = await receive(aws, app.queues[0].name)
    events = [json.loads(message["Body"]) for message in messages]
    assert [event["detail"]["id"] for event in events] == [1, 4]
    assert [event["detail-type"] for event in events] == ["payment.captured", "refund.created"]
    assert events[0]["source"] == "shop"
    assert events[0].keys() >= {"version", "id", "account", "time", "region", "resources"}


async def test_repeating_changes_nothing(aws: Aws, load_app: LoadApp) -> None:
    app = load_app(EVENTS)
    for _ in range(3):
        await provision(app, aws)
    await put(aws, app, "shop", "payment.captured", {"id": 1})
    assert len(await receive(aws, app.queues[0].name)) == 1


async def test_what_the_template_changed_is_changed(aws: Aws, load_app: LoadApp) -> None:
    await provision(load_app(EVENTS.replace("maxReceiveCount: 2", "maxReceiveCount: 9")), aws)
    changed = EVENTS.replace("VisibilityTimeout: 30", "DelaySeconds: 0\n      VisibilityTimeout: 7")
    changed = changed.replace("[shop]", "[store]").replace(
        "Targets: [{Id: q, Arn: !GetAtt Queue.Arn}]", "Targets: [{Id: d, Arn: !GetAtt Dead.Arn}]"
    )
    app = load_app(changed)
    await provision(app, aws)
    answer = await aws.sqs.get_queue_attributes(
        QueueUrl=await url_of(aws, app.queues[0].name), AttributeNames=["All"]
    )
    assert answer["Attributes"]["VisibilityTimeout"] == "7"
    assert json.loads(answer["Attributes"]["RedrivePolicy"])["maxReceiveCount"] == 2
    await put(aws, app, "store", "payment.captured", {"id": 1})
    assert len(await receive(aws, app.queues[1].name)) == 1
    assert await depth(aws, app.queues[0].name) == 0


async def test_a_redrive_policy_is_added_to_and_taken_from_a_queue_that_exists(
    aws: Aws, load_app: LoadApp
) -> None:
    policy = "      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 2}\n"
    for template, is_there in (
        (EVENTS.replace(policy, ""), False),
        (EVENTS, True),
        (EVENTS.replace(policy, ""), False),
    ):
        app = load_app(template)
        await provision(app, aws)
        answer = await aws.sqs.get_queue_attributes(
            QueueUrl=await url_of(aws, app.queues[0].name), AttributeNames=["All"]
        )
        assert ("RedrivePolicy" in answer["Attributes"]) is is_there


# What the platform's retries rest on. Recorded on AWS: sqs-01, sqs-05, sqs-07.


async def test_a_delayed_message_comes_when_its_delay_is_over(aws: Aws, load_app: LoadApp) -> None:
    app = load_app(EVENTS)
    await provision(app, aws)
    url = await url_of(aws, app.queues[0].name)
    await aws.sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=3)
    began = time.monotonic()
    assert await receive(aws, app.queues[0].name, wait_s=0) == []
    (message,) = await receive(aws, app.queues[0].name)
    assert message["Body"] == "later"
    assert 2.8 < time.monotonic() - began < 15


async def test_visibility_receive_count_and_redrive(aws: Aws, load_app: LoadApp) -> None:
    app = load_app(EVENTS)
    await provision(app, aws)
    url = await url_of(aws, app.queues[0].name)
    sent = await aws.sqs.send_message(QueueUrl=url, MessageBody="m")
    (first,) = await receive(aws, app.queues[0].name)
    assert await receive(aws, app.queues[0].name, wait_s=0) == []
    await aws.sqs.change_message_visibility(
        QueueUrl=url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0
    )
    (second,) = await receive(aws, app.queues[0].name)
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    assert second["ReceiptHandle"] != first["ReceiptHandle"]
    await aws.sqs.change_message_visibility(
        QueueUrl=url, ReceiptHandle=second["ReceiptHandle"], VisibilityTimeout=0
    )
    assert await receive(aws, app.queues[0].name, wait_s=0) == []
    (dead,) = await receive(aws, app.queues[1].name)
    assert dead["MessageId"] == sent["MessageId"]


async def test_a_deleted_message_has_no_visibility_to_change(aws: Aws, load_app: LoadApp) -> None:
    app = load_app(EVENTS)
    await provision(app, aws)
    url = await url_of(aws, app.queues[0].name)
    await aws.sqs.send_message(QueueUrl=url, MessageBody="m")
    (message,) = await receive(aws, app.queues[0].name)
    handle = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}
    await aws.sqs.delete_message(**handle)
    with pytest.raises(ClientError):
        await aws.sqs.change_message_visibility(**handle, VisibilityTimeout=0)


async def test_an_event_for_a_bus_that_is_not_there_is_refused_and_not_lost(aws: Aws) -> None:
    entry = {"EventBusName": "nowhere", "Source": "shop", "DetailType": "x", "Detail": "{}"}
    answer = await aws.events.put_events(Entries=[entry])
    assert answer["FailedEntryCount"] == 1
    assert answer["Entries"][0]["ErrorCode"] == "ResourceNotFoundException"
    default = await aws.events.put_events(Entries=[{**entry, "EventBusName": "default"}])
    assert default["FailedEntryCount"] == 0


OVER = """
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${P}-q"}}
  Over:
    Type: AWS::Scheduler::Schedule
    Properties:
      Name: !Sub "${P}-over"
      ScheduleExpression: rate(1 hour)
      EndDate: "2020-01-01T00:00:00Z"
      FlexibleTimeWindow: {Mode: "OFF"}
      Target: {Arn: !GetAtt Queue.Arn, RoleArn: "arn:aws:iam::000000000000:role/r"}
"""


async def test_a_schedule_that_the_endpoint_refuses_is_left_out(
    aws: Aws, load_app: LoadApp, caplog: pytest.LogCaptureFixture
) -> None:
    app = load_app(OVER)
    await provision(app, aws)
    assert await depth(aws, app.queues[0].name) == 0, "the rest is made"
    assert f"{app.schedules[0].name} is left out: The EndDate you specify" in caplog.text


async def test_senders_of_mail_are_verified(aws: Aws, load_app: LoadApp) -> None:
    app = load_app("""
  Address:
    Type: AWS::SES::EmailIdentity
    Properties: {EmailIdentity: !Sub "${P}@example.com"}
  Domain:
    Type: AWS::SES::EmailIdentity
    Properties: {EmailIdentity: !Sub "${P}.example.com"}
""")
    assert app.kinds_on_endpoint == ["senders of mail"]
    for _ in range(2):
        await provision(app, aws)
    prefix = app.email_identities[0].partition("@")[0]
    async with aws.ses() as ses:
        for sender in (f"{prefix}@example.com", f"anybody@{prefix}.example.com"):
            await ses.send_email(
                Source=sender,
                Destination={"ToAddresses": ["ada@example.com"]},
                Message={"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "t"}}},
            )
