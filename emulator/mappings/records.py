"""The event that Lambda makes of SQS messages, and what a function's answer means for them.

Source: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS" and "Handling errors for an SQS
event source in Lambda".
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from emulator.invocations import InvokeResult
from emulator.patterns import compile_pattern

Message = Mapping[str, Any]
"""A message as SQS's ReceiveMessage gives it."""

Record = Mapping[str, Any]
"""A message as a function gets it."""

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
_ENVELOPE_BYTES = 20


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


def events(records: Iterable[Record]) -> Iterator[tuple[list[str], bytes]]:
    """Yield the records' ids and their event; several only to stay within Lambda's 6 MB."""
    ids: list[str] = []
    parts: list[str] = []
    size = _ENVELOPE_BYTES
    for item in records:
        text = json.dumps(item, separators=(",", ":"))
        if ids and size + len(text) > MAX_PAYLOAD_BYTES:
            yield ids, _event(parts)
            ids, parts, size = [], [], _ENVELOPE_BYTES
        ids.append(item["messageId"])
        parts.append(text)
        size += len(text) + 1
    if ids:
        yield ids, _event(parts)


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


def _json_object(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
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
        result["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    return result
