"""What a function's answer means for a batch of SQS messages.

Rows named esm-NN are recorded on AWS or taken from its documentation ("Using Lambda with Amazon
SQS": success and failure conditions); the others follow from the same list of conditions.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from emulator.invocations import InvokeResult
from emulator.mappings import records
from emulator.mappings.records import encode, failures, first_event, record, record_filter

ALL = {"id1", "id2", "id3"}


def message(number: int, body: str = "b", **more: Any) -> dict[str, Any]:
    return {
        "MessageId": f"id{number}",
        "ReceiptHandle": f"r{number}",
        "Body": body,
        "MD5OfBody": "5",
        **more,
    }


BATCH = ["id1", "id2", "id3"]


@pytest.mark.parametrize(
    ("payload", "failed"),
    [
        pytest.param('{"batchItemFailures": []}', set(), id="esm-01"),
        pytest.param("{}", set(), id="esm-03"),
        pytest.param('{"batchItemFailures":[{"itemIdentifier":"id2"}]}', {"id2"}, id="esm-05"),
        pytest.param('{"batchItemFailures":[{"itemIdentifier":""}]}', ALL, id="esm-07"),
        pytest.param('{"batchItemFailures":[{"itemIdentifier":"no-such-id"}]}', ALL, id="esm-09"),
        pytest.param("null", set(), id="null answer"),
        pytest.param("", set(), id="no answer"),
        pytest.param('{"batchItemFailures": null}', set(), id="null list"),
        pytest.param('{"batchItemFailures":[{"itemIdentifier":null}]}', ALL, id="null id"),
        pytest.param('{"batchItemFailures":[{"item":"id2"}]}', ALL, id="bad key name"),
        pytest.param('{"batchItemFailures":["id2"]}', ALL, id="not an object"),
        pytest.param('{"batchItemFailures":"id2"}', ALL, id="not a list"),
        pytest.param('["id2"]', ALL, id="answer is a list"),
        pytest.param("{", ALL, id="not JSON"),
        pytest.param(
            '{"batchItemFailures":[{"itemIdentifier":"id2"},{"itemIdentifier":"x"}]}',
            ALL,
            id="one known, one not",
        ),
    ],
)
def test_partial_answers(payload: str, failed: set[str]) -> None:
    assert failures(InvokeResult("r", payload.encode()), BATCH, True) == failed


def test_a_function_that_raises_fails_the_whole_batch() -> None:
    for is_partial in (True, False):  # esm-11
        result = InvokeResult("r", b'{"batchItemFailures": []}', function_error="Unhandled")
        assert failures(result, BATCH, is_partial) == ALL


def test_without_partial_responses_the_answer_is_not_read() -> None:
    answer = InvokeResult("r", b'{"batchItemFailures":[{"itemIdentifier":"id2"}]}')
    assert failures(answer, BATCH, False) == set()


def test_record_shape() -> None:  # esm-23
    attributes = {"ApproximateReceiveCount": "1", "SentTimestamp": "1", "SenderId": "A"}
    given = message(
        1,
        Attributes=attributes,
        MessageAttributes={
            "text": {"DataType": "String", "StringValue": "v"},
            "bytes": {"DataType": "Binary", "BinaryValue": "AP8="},
        },
        MD5OfMessageAttributes="6",
    )
    item = encode(record(given, "arn:aws:sqs:us-east-1:1:q", "us-east-1"))
    assert (item.message_id, item.group) == ("id1", None)
    payload, _count = first_event([item])
    assert json.loads(payload) == {
        "Records": [
            {
                "messageId": "id1",
                "receiptHandle": "r1",
                "body": "b",
                "attributes": attributes,
                "messageAttributes": {
                    "text": {
                        "stringValue": "v",
                        "stringListValues": [],
                        "binaryListValues": [],
                        "dataType": "String",
                    },
                    "bytes": {
                        "binaryValue": "AP8=",
                        "stringListValues": [],
                        "binaryListValues": [],
                        "dataType": "Binary",
                    },
                },
                "md5OfBody": "5",
                "md5OfMessageAttributes": "6",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:1:q",
                "awsRegion": "us-east-1",
            }
        ]
    }


def test_a_batch_over_6_mb_becomes_several_invocations() -> None:
    waiting = [
        encode(record(message(number, "x" * 1_000_000, Attributes={}), "a", "b"))
        for number in range(10)
    ]
    invocations = []
    while waiting:
        payload, count = first_event(waiting)
        assert len(payload) <= records.MAX_PAYLOAD_BYTES
        invocations.append([item["messageId"] for item in json.loads(payload)["Records"]])
        waiting = waiting[count:]
    assert len(invocations) == 2
    assert [name for names in invocations for name in names] == [f"id{n}" for n in range(10)]


def test_a_message_that_alone_is_over_6_mb_is_offered_alone() -> None:
    big = encode(record(message(1, "x" * 7_000_000, Attributes={}), "a", "b"))
    assert first_event([big, big])[1] == 1


@pytest.mark.parametrize(
    ("pattern", "body", "passes"),
    [
        ({"body": {"my-key": ["my-value"]}}, '{"my-key": "my-value"}', True),  # esm-25
        ({"body": {"my-key": ["my-value"]}}, '{"my-key": "other"}', False),
        ({"body": {"my-key": ["my-value"]}}, "my-value", False),
        ({"body": {"my-key": [{"exists": False}]}}, "not JSON", False),
        ({"body": {"my-key": [{"exists": False}]}}, "{}", True),
        ({"body": ["plain"]}, "plain", True),
        ({"body": [{"prefix": "pl"}]}, '{"a": 1}', False),
        ({"messageId": ["id1"]}, "x", True),
    ],
)
def test_filters(pattern: Any, body: str, passes: bool) -> None:
    given = record(message(1, body), "a", "b")
    assert record_filter([pattern])(given) is passes
    assert record_filter([{"messageId": ["no"]}, pattern])(given) is passes
    assert record_filter([])(given)
