"""The event that Lambda makes of SQS messages, and what a function's answer means for them.

Source: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS" and "Handling errors for an SQS
event source in Lambda".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emulator.invocations import InvokeResult
from emulator.mappings.source import Message
from emulator.patterns import compile_pattern

Record = Mapping[str, Any]
"""A message as a function gets it."""

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
_ENVELOPE = (b'{"Records":[', b"]}")
_RECORD_BYTES = 700
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Encoded:
    """A record in JSON, with what tells whose it is."""

    message_id: str
    group: str | None
    text: bytes


def record(message: Message, queue_arn: str, region: str) -> dict[str, Any]:
    """Return a message as the function sees it."""
    attributes = message.get("MessageAttributes", {})
    result = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {name: _attribute(value) for name, value in attributes.items()},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": region,
    }
    if "MD5OfMessageAttributes" in message:
        result["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return result


def record_filter(patterns: Sequence[Mapping[str, Any]]) -> Callable[[Record], bool]:
    """Return whether a record passes one of the mapping's filters; without any, all pass.

    A pattern for fields of the body is for bodies that are JSON objects; no other body passes it.
    Source: AWS Lambda Developer Guide, "Using event filtering with an Amazon SQS event source".
    """
    if not patterns:
        return lambda _record: True
    matchers = [
        (compile_pattern(pattern), isinstance(pattern.get("body"), Mapping)) for pattern in patterns
    ]

    def passes(record: Record) -> bool:
        parsed = {**record, "body": _json_object(record["body"])}
        return any(
            matches(parsed if wants_json else record)
            for matches, wants_json in matchers
            if not wants_json or parsed["body"] is not None
        )

    return passes


def encode(item: Record) -> Encoded:
    """Return a record as it stands in the event."""
    group = item["attributes"].get("MessageGroupId")
    return Encoded(item["messageId"], group, _ENCODE(item).encode())


def first_event(records: Sequence[Encoded]) -> tuple[bytes, int]:
    """Return the event of the first records and how many it holds: all that fit into 6 MB."""
    size = len(_ENVELOPE[0]) + len(_ENVELOPE[1])
    count = 0
    for item in records:
        size += len(item.text) + 1
        if count and size > MAX_PAYLOAD_BYTES:
            break
        count += 1
    texts = b",".join(item.text for item in records[:count])
    return _ENVELOPE[0] + texts + _ENVELOPE[1], count


def size_of(message: Message) -> int:
    """Return about how many bytes of an event a message takes."""
    return len(message["Body"]) + _RECORD_BYTES


def failures(result: InvokeResult, ids: Sequence[str], is_partial: bool) -> set[str]:
    """Return which messages of a batch stay in the queue.

    `is_partial` says that the mapping has ReportBatchItemFailures. An answer that Lambda cannot
    read, or that names a message not in the batch, fails the whole batch.
    """
    every = set(ids)
    if result.function_error is not None:
        return every
    if not is_partial:
        return set()
    named = _named_failures(result.payload)
    return every if named is None or not named <= every else named


def _named_failures(payload: bytes) -> set[str] | None:
    """Return the ids that the answer names, none if it is empty; None if it cannot be read."""
    try:
        answer = json.loads(payload) if payload.strip() else None
    except (ValueError, RecursionError):
        return None
    if not answer:
        return set()
    items = answer.get("batchItemFailures") or [] if isinstance(answer, dict) else None
    if not isinstance(items, list):
        return None
    named = [item.get("itemIdentifier") if isinstance(item, dict) else None for item in items]
    return {str(name) for name in named} if all(named) else None


def _json_object(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": value["DataType"],
    }
    if "StringValue" in value:
        result["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        result["binaryValue"] = value["BinaryValue"]
    return result
