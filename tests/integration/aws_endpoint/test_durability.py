"""What the endpoint accepted survives however its process ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

FIFO = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}


def receive(sqs: Any, url: str, **more: Any) -> list[Any]:
    request = {
        "QueueUrl": url,
        "MaxNumberOfMessages": 10,
        "MessageSystemAttributeNames": ["All"],
        "MessageAttributeNames": ["All"],
        **more,
    }
    answer = sqs.receive_message(**request)
    messages: list[Any] = answer.get("Messages", [])
    return messages


def end(endpoint: Any, how: str) -> None:
    if how == "kill":
        endpoint.kill()
    else:
        endpoint.server.stop()


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_queues_and_messages(start: Callable[[], Any], how: str) -> None:
    first = start()
    sqs = first.client("sqs")
    url = sqs.create_queue(
        QueueName="kept", Attributes={"VisibilityTimeout": "40"}, tags={"team": "ä"}
    )["QueueUrl"]
    attribute = {"DataType": "Binary", "BinaryValue": b"\x00\xff"}
    for body in ("deleted", "held", "waiting €"):
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes={"b": attribute})
    sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=900)
    deleted, held, _ = receive(sqs, url)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=deleted["ReceiptHandle"])
    sqs.change_message_visibility_batch(
        QueueUrl=url,
        Entries=[{"Id": "1", "ReceiptHandle": held["ReceiptHandle"], "VisibilityTimeout": 1}],
    )
    end(first, how)

    second = start()
    sqs = second.client("sqs")
    url = sqs.get_queue_url(QueueName="kept")["QueueUrl"]
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "ä"}
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert counts["VisibilityTimeout"] == "40"
    assert counts["ApproximateNumberOfMessagesDelayed"] == "1"
    (again,) = receive(sqs, url, WaitTimeSeconds=5)
    assert again["Body"] == "held"
    assert again["MessageId"] == held["MessageId"]
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"
    assert again["MessageAttributes"]["b"]["BinaryValue"] == b"\x00\xff"


def test_a_handle_from_before_is_good_after(start: Callable[[], Any]) -> None:
    first = start()
    sqs = first.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    (message,) = receive(sqs, url)
    first.kill()

    sqs = start().client("sqs")
    url = sqs.get_queue_url(QueueName="q")["QueueUrl"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_fifo_order_and_duplicates(start: Callable[[], Any]) -> None:
    first = start()
    sqs = first.client("sqs")
    url = sqs.create_queue(QueueName="q.fifo", Attributes=FIFO)["QueueUrl"]
    sent = [
        sqs.send_message(QueueUrl=url, MessageBody=str(number), MessageGroupId="g")
        for number in range(3)
    ]
    (head,) = receive(sqs, url, MaxNumberOfMessages=1)
    first.kill()

    second = start()
    sqs = second.client("sqs")
    url = sqs.get_queue_url(QueueName="q.fifo")["QueueUrl"]
    again = sqs.send_message(QueueUrl=url, MessageBody="0", MessageGroupId="g")
    assert again["MessageId"] == sent[0]["MessageId"], "still a duplicate"
    last = sqs.send_message(QueueUrl=url, MessageBody="3", MessageGroupId="g")
    assert last["SequenceNumber"] > sent[-1]["SequenceNumber"]
    assert not receive(sqs, url), "the group waits for what was in flight"
    handle = {"QueueUrl": url, "ReceiptHandle": head["ReceiptHandle"]}
    sqs.change_message_visibility(**handle, VisibilityTimeout=0)
    assert [message["Body"] for message in receive(sqs, url)] == ["0", "1", "2", "3"]


def test_a_line_without_an_end_is_dropped(start: Callable[[], Any]) -> None:
    first = start()
    sqs = first.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="whole")
    first.kill()
    with first.journal.open("ab") as file:
        file.write(b'["sent",["000000000000","us-ea')

    sqs = start().client("sqs")
    url = sqs.get_queue_url(QueueName="q")["QueueUrl"]
    assert [message["Body"] for message in receive(sqs, url)] == ["whole"]


def test_rules_and_schedules_that_an_operator_made(start: Callable[[], Any]) -> None:
    first = start()
    first.client("events").put_rule(Name="mine", EventPattern='{"source": ["x"]}')
    first.client("scheduler").create_schedule(
        Name="mine",
        ScheduleExpression="rate(5 minutes)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": "arn:aws:sqs:us-east-1:000000000000:q",
            "RoleArn": "arn:aws:iam::000000000000:role/x",
        },
    )
    first.kill()

    second = start()
    assert [rule["Name"] for rule in second.client("events").list_rules()["Rules"]] == ["mine"]
    schedules = second.client("scheduler").list_schedules()["Schedules"]
    assert [schedule["Name"] for schedule in schedules] == ["mine"]
