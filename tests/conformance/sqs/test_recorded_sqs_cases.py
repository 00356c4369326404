"""SQS against behaviour recorded on AWS: every row of the table has a test."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

FILE = Path(__file__).parent / "cases" / "recorded.json"
CASES = {case["id"]: case for case in json.loads(FILE.read_text())["cases"]}
KIB = 1024


def receive(sqs: Any, url: str, **more: Any) -> list[Any]:
    request = {"QueueUrl": url, "MaxNumberOfMessages": 10, "MessageSystemAttributeNames": ["All"]}
    messages: list[Any] = sqs.receive_message(**request, **more).get("Messages", [])
    return messages


def refused(call: Any, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def row_01(sqs: Any, queue: Any) -> None:
    url = queue(VisibilityTimeout=1)
    sqs.send_message(QueueUrl=url, MessageBody="x")
    (first,) = receive(sqs, url)
    assert not receive(sqs, url)
    (second,) = receive(sqs, url, WaitTimeSeconds=5)
    assert second["MessageId"] == first["MessageId"]
    assert second["ReceiptHandle"] != first["ReceiptHandle"]
    counts = [item["Attributes"]["ApproximateReceiveCount"] for item in (first, second)]
    assert counts == ["1", "2"]


def row_03(sqs: Any, queue: Any) -> None:
    url = queue(fifo=True, ContentBasedDeduplication="true", VisibilityTimeout=1)
    sqs.send_message(QueueUrl=url, MessageBody="x", MessageGroupId="g")
    (message,) = receive(sqs, url)
    receive(sqs, url, WaitTimeSeconds=5)
    handle = message["ReceiptHandle"]
    assert refused(sqs.delete_message, QueueUrl=url, ReceiptHandle=handle) == (
        "InvalidParameterValue",
        f"Value {handle} for parameter ReceiptHandle is invalid."
        " Reason: The receipt handle has expired.",
    )


def row_05(sqs: Any, queue: Any) -> None:
    url = queue()
    sqs.send_message(QueueUrl=url, MessageBody="x")
    (message,) = receive(sqs, url, VisibilityTimeout=0)
    for _ in range(3):
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert not receive(sqs, url)


def row_07(sqs: Any, queue: Any) -> None:
    url = queue()
    sqs.send_message(QueueUrl=url, MessageBody="x")
    (message,) = receive(sqs, url)
    handle = message["ReceiptHandle"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)
    request = {"QueueUrl": url, "ReceiptHandle": handle, "VisibilityTimeout": 1}
    assert refused(sqs.change_message_visibility, **request) == (
        "InvalidParameterValue",
        f"Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or"
        " is not available for visibility timeout change.",
    )


def row_09(sqs: Any, queue: Any) -> None:
    url = queue(fifo=True, ContentBasedDeduplication="true")
    first = sqs.send_message(QueueUrl=url, MessageBody="x", MessageGroupId="g")
    (message,) = receive(sqs, url)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    for group in ("g", "another"):
        again = sqs.send_message(QueueUrl=url, MessageBody="x", MessageGroupId=group)
        assert again["MessageId"] == first["MessageId"]
        assert again["SequenceNumber"] == first["SequenceNumber"]
    assert not receive(sqs, url)


def row_11(sqs: Any, queue: Any) -> None:
    url = queue(fifo=True, ContentBasedDeduplication="true")
    send = {"QueueUrl": url}
    sqs.send_message(**send, MessageBody="a1", MessageGroupId="a")
    (first,) = receive(sqs, url)
    sqs.send_message(**send, MessageBody="a2", MessageGroupId="a")
    sqs.send_message(**send, MessageBody="b1", MessageGroupId="b")
    assert [message["Body"] for message in receive(sqs, url)] == ["b1"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    assert [message["Body"] for message in receive(sqs, url)] == ["a2"]


def row_13(sqs: Any, queue: Any) -> None:
    request = {"QueueUrl": queue(fifo=True), "MessageBody": "x", "MessageGroupId": "g"}
    assert refused(sqs.send_message, **request) == (
        "InvalidParameterValue",
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId"
        " provided explicitly",
    )


def row_15(sqs: Any, queue: Any) -> None:
    url, most = queue(), KIB * KIB
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="x" * (most + 1)) == (
        "InvalidParameterValue",
        "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.",
    )
    sqs.send_message(QueueUrl=url, MessageBody="x" * most)


def row_17(sqs: Any, queue: Any) -> None:
    url = queue(MaximumMessageSize=KIB)
    entries = [
        {"Id": "large", "MessageBody": "x" * (KIB + 1)},
        {"Id": "small", "MessageBody": "x" * KIB},
    ]
    answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert [item["Id"] for item in answer["Successful"]] == ["small"]
    (failed,) = answer["Failed"]
    assert (failed["Id"], failed["Code"], failed["SenderFault"]) == (
        "large",
        "InvalidParameterValue",
        True,
    )
    assert failed["Message"].endswith("Message must be shorter than 1024 bytes.")


def row_19(sqs: Any, queue: Any) -> None:
    url = queue()
    names = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    assert refused(sqs.start_message_move_task, SourceArn=names["QueueArn"]) == (
        "InvalidParameterValue",
        "Source queue must be configured as a Dead Letter Queue.",
    )


@pytest.mark.parametrize("name", CASES)
def test_row(name: str, sqs: Any, queue: Any) -> None:
    getattr(sys.modules[__name__], f"row_{name.removeprefix('sqs-')}")(sqs, queue)
