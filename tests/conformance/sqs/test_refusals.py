"""What SQS refuses, and in which words.

Sources: Amazon SQS API Reference and Developer Guide (quotas); wordings as recorded on AWS by the
authors of LocalStack (tests/aws/services/sqs/test_sqs.snapshot.json, test_sqs_move_task) and moto.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ClientError

LEGACY = "AWS.SimpleQueueService."
ENTRY = {"Id": "1", "MessageBody": "x"}
TEXT = {"DataType": "String", "StringValue": "x"}


class Case(NamedTuple):
    action: str
    request: dict[str, Any]
    code: str
    message: str
    fifo: bool = False


def entries(*ids: str) -> list[dict[str, str]]:
    return [{"Id": name, "MessageBody": "x"} for name in ids]


CASES = {
    "no-body": Case(
        "send_message", {"MessageBody": ""}, "MissingParameter", "parameter MessageBody."
    ),
    "characters": Case(
        "send_message", {"MessageBody": "\x01"}, "InvalidMessageContents", "Invalid characters"
    ),
    "delay": Case(
        "send_message",
        {"MessageBody": "x", "DelaySeconds": 901},
        "InvalidParameterValue",
        "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and",
    ),
    "fifo-delay": Case(
        "send_message",
        {
            "MessageBody": "x",
            "DelaySeconds": 2,
            "MessageGroupId": "g",
            "MessageDeduplicationId": "d",
        },
        "InvalidParameterValue",
        "Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that"
        " is not valid for this queue type.",
        fifo=True,
    ),
    "fifo-group": Case(
        "send_message",
        {"MessageBody": "x", "MessageDeduplicationId": "d"},
        "MissingParameter",
        "The request must contain the parameter MessageGroupId.",
        fifo=True,
    ),
    "fifo-group-in-batch": Case(
        "send_message_batch",
        {"Entries": [{**ENTRY, "MessageDeduplicationId": "d"}]},
        "InvalidParameterValue",
        "The request must contain the parameter MessageGroupId.",
        fifo=True,
    ),
    "fifo-id-in-batch": Case(
        "send_message_batch",
        {"Entries": [{**ENTRY, "MessageGroupId": "g"}]},
        "InvalidParameterValue",
        "The queue should either have ContentBasedDeduplication enabled or",
        fifo=True,
    ),
    "id-in-standard-queue": Case(
        "send_message",
        {"MessageBody": "x", "MessageDeduplicationId": "d"},
        "InvalidParameterValue",
        "parameter MessageDeduplicationId is invalid.",
    ),
    "group-characters": Case(
        "send_message",
        {"MessageBody": "x", "MessageGroupId": "a b"},
        "InvalidParameterValue",
        "MessageGroupId can only include alphanumeric and punctuation characters.",
    ),
    "eleven-attributes": Case(
        "send_message",
        {"MessageBody": "x", "MessageAttributes": {f"a{n}": TEXT for n in range(11)}},
        "InvalidParameterValue",
        "Number of message attributes [11] exceeds the allowed maximum [10].",
    ),
    "attribute-type": Case(
        "send_message",
        {"MessageBody": "x", "MessageAttributes": {"a": {**TEXT, "DataType": "Text"}}},
        "InvalidParameterValue",
        "invalid message attribute type",
    ),
    "attribute-number": Case(
        "send_message",
        {"MessageBody": "x", "MessageAttributes": {"a": {**TEXT, "DataType": "Number"}}},
        "InvalidParameterValue",
        "Can't cast the value of message (user) attribute 'a' to a number.",
    ),
    "attribute-name": Case(
        "send_message",
        {"MessageBody": "x", "MessageAttributes": {"AWS.a": TEXT}},
        "InvalidParameterValue",
        "You can't use message attribute names beginning with 'AWS.'",
    ),
    "empty-attribute": Case(
        "send_message",
        {"MessageBody": "x", "MessageAttributes": {"a": {"DataType": "String"}}},
        "InvalidParameterValue",
        "must contain a non-empty value",
    ),
    "attributes-count-for-size": Case(
        "send_message",
        {
            "MessageBody": "x" * (1024 * 1024 - 8),
            "MessageAttributes": {"abc": TEXT},
        },
        "InvalidParameterValue",
        "Message must be shorter than 1048576 bytes.",
    ),
    "no-entries": Case(
        "send_message_batch", {"Entries": []}, f"{LEGACY}EmptyBatchRequest", "at least one entry"
    ),
    "eleven-entries": Case(
        "send_message_batch",
        {"Entries": entries(*map(str, range(11)))},
        f"{LEGACY}TooManyEntriesInBatchRequest",
        "Maximum number of entries per request are 10. You have sent 11.",
    ),
    "entry-twice": Case(
        "send_message_batch",
        {"Entries": entries("a", "a")},
        f"{LEGACY}BatchEntryIdsNotDistinct",
        "Id a repeated.",
    ),
    "entry-name": Case(
        "send_message_batch",
        {"Entries": entries("a:b")},
        f"{LEGACY}InvalidBatchEntryId",
        "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can"
        " be at most 80 letters long.",
    ),
    "batch-size": Case(
        "send_message_batch",
        {"Entries": [{**ENTRY, "Id": name, "MessageBody": "x" * 524_289} for name in "ab"]},
        f"{LEGACY}BatchRequestTooLong",
        "Batch requests cannot be longer than 1048576 bytes. You have sent 1048578 bytes.",
    ),
    "receive-eleven": Case(
        "receive_message",
        {"MaxNumberOfMessages": 11},
        "InvalidParameterValue",
        "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10,"
        " if provided.",
    ),
    "wait-21": Case(
        "receive_message",
        {"WaitTimeSeconds": 21},
        "InvalidParameterValue",
        "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if"
        " provided.",
    ),
    "receive-attribute": Case(
        "receive_message",
        {"MessageSystemAttributeNames": ["Nope"]},
        "InvalidAttributeName",
        "Unknown Attribute Nope.",
    ),
    "handle": Case(
        "delete_message",
        {"ReceiptHandle": "garbage"},
        "ReceiptHandleIsInvalid",
        'The input receipt handle "garbage" is not a valid receipt handle.',
    ),
    "no-handle": Case("delete_message", {}, "MissingParameter", "parameter ReceiptHandle."),
    "visibility-handle": Case(
        "change_message_visibility",
        {"ReceiptHandle": "garbage", "VisibilityTimeout": 1},
        "ReceiptHandleIsInvalid",
        "is not a valid receipt handle.",
    ),
    "queue-attribute": Case(
        "set_queue_attributes",
        {"Attributes": {"Nope": "1"}},
        "InvalidAttributeName",
        "Unknown Attribute Nope.",
    ),
    "computed-attribute": Case(
        "set_queue_attributes",
        {"Attributes": {"QueueArn": "x"}},
        "InvalidAttributeName",
        "Unknown Attribute QueueArn.",
    ),
    "visibility-range": Case(
        "set_queue_attributes",
        {"Attributes": {"VisibilityTimeout": "43201"}},
        "InvalidAttributeValue",
        "Invalid value for the parameter VisibilityTimeout.",
    ),
    "fifo-attribute": Case(
        "set_queue_attributes",
        {"Attributes": {"DeduplicationScope": "queue"}},
        "InvalidAttributeName",
        "You can specify the DeduplicationScope only when FifoQueue is set to true.",
    ),
    "two-encryptions": Case(
        "set_queue_attributes",
        {"Attributes": {"KmsMasterKeyId": "k", "SqsManagedSseEnabled": "true"}},
        "InvalidAttributeName",
        "You can use one type of server-side encryption (SSE) at one time.",
    ),
    "dead-letter-arn": Case(
        "set_queue_attributes",
        {
            "Attributes": {
                "RedrivePolicy": '{"deadLetterTargetArn": "dummy", "maxReceiveCount": 42}'
            }
        },
        "InvalidParameterValue",
        'Value {"deadLetterTargetArn": "dummy", "maxReceiveCount": 42} for parameter RedrivePolicy'
        " is invalid. Reason: Invalid value for deadLetterTargetArn.",
    ),
    "max-receives": Case(
        "set_queue_attributes",
        {
            "Attributes": {
                "RedrivePolicy": json.dumps({"deadLetterTargetArn": "x", "maxReceiveCount": 1001})
            }
        },
        "InvalidParameterValue",
        "valid values are from 1 to 1000 both inclusive.",
    ),
    "no-max-receives": Case(
        "set_queue_attributes",
        {"Attributes": {"RedrivePolicy": '{"deadLetterTargetArn": "x"}'}},
        "InvalidParameterValue",
        "Redrive policy does not contain mandatory attribute: maxReceiveCount.",
    ),
    "task-handle": Case(
        "cancel_message_move_task",
        {"QueueUrl": None, "TaskHandle": "garbage"},
        "InvalidParameterValue",
        "Value for parameter TaskHandle is invalid.",
    ),
    "task-source": Case(
        "start_message_move_task",
        {"QueueUrl": None, "SourceArn": "arn:aws:sqs:us-east-1:000000000009:none"},
        "ResourceNotFoundException",
        "The resource that you specified for the SourceArn parameter doesn't exist.",
    ),
    "permission": Case(
        "remove_permission",
        {"Label": "nope"},
        "InvalidParameterValue",
        "Value nope for parameter Label is invalid. Reason: can't find label.",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_refusal(name: str, sqs: Any, queue: Any) -> None:
    case = CASES[name]
    request = {"QueueUrl": queue(fifo=case.fifo), **case.request}
    request = {key: value for key, value in request.items() if value is not None}
    with pytest.raises(ClientError) as caught:
        getattr(sqs, case.action)(**request)
    error = caught.value.response["Error"]
    assert error["Code"] == case.code
    assert case.message in error["Message"]


@pytest.mark.parametrize(
    ("name", "attributes", "message"),
    [
        ("a b", {}, "Can only include alphanumeric characters"),
        ("x" * 81, {}, "1 to 80 in length"),
        ("q.fifo", {}, "Can only include alphanumeric characters"),
        ("q", {"FifoQueue": "true"}, "must end with .fifo suffix"),
    ],
)
def test_queue_names(sqs: Any, name: str, attributes: dict[str, str], message: str) -> None:
    with pytest.raises(ClientError) as caught:
        sqs.create_queue(QueueName=name, Attributes=attributes)
    error = caught.value.response["Error"]
    assert error["Code"] == "InvalidParameterValue"
    assert message in error["Message"]


def test_a_queue_that_is_not_there(sqs: Any, queue: Any) -> None:
    url = queue()
    sqs.delete_queue(QueueUrl=url)
    calls: list[Callable[[], Any]] = [
        lambda: sqs.send_message(QueueUrl=url, MessageBody="x"),
        lambda: sqs.get_queue_url(QueueName=url.rpartition("/")[2]),
    ]
    for call in calls:
        with pytest.raises(sqs.exceptions.QueueDoesNotExist) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == f"{LEGACY}NonExistentQueue"


def test_a_queue_that_is_there_with_other_attributes(sqs: Any, queue: Any) -> None:
    url = queue(DelaySeconds=1)
    name = url.rpartition("/")[2]
    assert sqs.create_queue(QueueName=name)["QueueUrl"] == url
    assert sqs.create_queue(QueueName=name, Attributes={"DelaySeconds": "1"})["QueueUrl"] == url
    with pytest.raises(sqs.exceptions.QueueNameExists) as caught:
        sqs.create_queue(QueueName=name, Attributes={"DelaySeconds": "2"})
    error = caught.value.response["Error"]
    assert error["Code"] == "QueueAlreadyExists"
    assert error["Message"] == (
        "A queue already exists with the same name and a different value for attribute DelaySeconds"
    )


def test_purging_twice_within_a_minute(sqs: Any, queue: Any) -> None:
    url = queue()
    sqs.send_message(QueueUrl=url, MessageBody="x")
    sqs.purge_queue(QueueUrl=url)
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    with pytest.raises(ClientError) as caught:
        sqs.purge_queue(QueueUrl=url)
    answer = caught.value.response
    assert answer["Error"]["Code"] == f"{LEGACY}PurgeQueueInProgress"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert answer["Error"]["Message"] == (
        f"Only one PurgeQueue operation on {url.rpartition('/')[2]} is allowed every 60 seconds."
    )
