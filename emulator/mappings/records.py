"""The event that Lambda makes of SQS messages, and what a function's answer means for them.

Source: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS" and "Handling errors for an SQS
event source in Lambda".
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from emulator.invocations import InvokeResult

Message = Mapping[str, Any]
"""A message as SQS's ReceiveMessage gives it."""

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
_ENVELOPE_BYTES = 20


def payloads(
    messages: Sequence[Message], queue_arn: str, region: str
) -> Iterator[tuple[list[Message], bytes]]:
    """Yield the messages with their event; more than one only to stay within Lambda's 6 MB."""
    batch: list[Message] = []
    records: list[str] = []
    size = _ENVELOPE_BYTES
    for message in messages:
        record = json.dumps(_record(message, queue_arn, region), separators=(",", ":"))
        if batch and size + len(record) > MAX_PAYLOAD_BYTES:
            yield batch, _event(records)
            batch, records, size = [], [], _ENVELOPE_BYTES
        batch.append(message)
        records.append(record)
        size += len(record) + 1
    if batch:
        yield batch, _event(records)


def failures(result: InvokeResult, messages: Sequence[Message], is_partial: bool) -> set[str]:
    """Return the ids of the messages that stay in the queue.

    `is_partial` says that the mapping has ReportBatchItemFailures. An answer that Lambda cannot
    read, or that names a message not in the batch, fails the whole batch.
    """
    every = {message["MessageId"] for message in messages}
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
    except ValueError:
        return None
    if not answer:
        return set()
    items = answer.get("batchItemFailures") or [] if isinstance(answer, dict) else None
    if not isinstance(items, list):
        return None
    named = [item.get("itemIdentifier") if isinstance(item, dict) else None for item in items]
    return {str(name) for name in named} if all(named) else None


def _event(records: Sequence[str]) -> bytes:
    return f'{{"Records":[{",".join(records)}]}}'.encode()


def _record(message: Message, queue_arn: str, region: str) -> dict[str, Any]:
    attributes = message.get("MessageAttributes", {})
    record = {
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
        record["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return record


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": value["DataType"],
    }
    if "StringValue" in value:
        result["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        result["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    return result
