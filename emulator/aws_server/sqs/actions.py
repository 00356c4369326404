"""The API's actions on messages, but for ReceiveMessage, which may wait."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from emulator.aws_server.sqs.attributes import MAX_MESSAGE_BYTES
from emulator.aws_server.sqs.errors import SqsError, invalid, invalid_value, missing
from emulator.aws_server.sqs.messages import (
    Message,
    attributes_md5,
    attributes_size,
    check_attributes,
    check_body,
    check_fifo_id,
)
from emulator.aws_server.sqs.queue import MAX_VISIBILITY_S, Queue
from emulator.aws_server.sqs.store import Store

Parameters = Mapping[str, Any]
Result = dict[str, Any]

_MAX_ENTRIES = 10
_MAX_DELAY_S = 900
_ENTRY_ID = re.compile(r"[\w-]{1,80}", re.ASCII)
_TYPE_ERROR = "The request include parameter that is not valid for this queue type."


def whole(
    parameters: Parameters, name: str, low: int, high: int, reason: str | None = None
) -> int | None:
    """Return a whole number; None if it is not given; raise SqsError out of its range."""
    value = parameters.get(name)
    if value is None:
        return None
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = low - 1
    if not low <= number <= high:
        raise invalid_value(
            value, name, reason or f"Must be between {low} and {high}, if provided."
        )
    return number


def send_message(store: Store, queue: Queue, parameters: Parameters, caller: str) -> Result:
    """SendMessage."""
    message = _message(store, queue, parameters, caller)
    return _send(store, queue, [message])[0] | _system_md5(parameters)


def send_message_batch(store: Store, queue: Queue, parameters: Parameters, caller: str) -> Result:
    """SendMessageBatch."""
    entries = _entries(parameters)
    for entry in entries if queue.is_fifo else ():
        if not entry.get("MessageGroupId"):
            raise invalid(missing("MessageGroupId").message)
        _deduplication_id(queue, entry)
    size = sum(_size(entry) for entry in entries)
    if size > MAX_MESSAGE_BYTES:
        raise SqsError(
            "BatchRequestTooLong",
            f"Batch requests cannot be longer than {MAX_MESSAGE_BYTES} bytes."
            f" You have sent {size} bytes.",
        )
    made: list[tuple[Parameters, Message]] = []

    def make(entry: Parameters) -> None:
        made.append((entry, _message(store, queue, entry, caller)))

    failed = _each(entries, make)["Failed"]
    results = _send(store, queue, [message for _, message in made])
    successful = [
        {"Id": entry["Id"], **result, **_system_md5(entry)}
        for (entry, _), result in zip(made, results, strict=True)
    ]
    return {"Successful": successful, "Failed": failed}


def delete_message(store: Store, queue: Queue, parameters: Parameters, _caller: str) -> Result:
    """DeleteMessage."""
    message = queue.deletable(_handle(parameters))
    if message is not None:
        store.delete(queue, [message])
    return {}


def delete_message_batch(
    store: Store, queue: Queue, parameters: Parameters, _caller: str
) -> Result:
    """DeleteMessageBatch."""
    found: dict[str, Message] = {}

    def find(entry: Parameters) -> None:
        message = queue.deletable(_handle(entry))
        if message is not None:
            found[message.id] = message

    result = _each(_entries(parameters), find)
    store.delete(queue, found.values())
    return result


def change_message_visibility(
    store: Store, queue: Queue, parameters: Parameters, _caller: str
) -> Result:
    """ChangeMessageVisibility."""
    handle = _handle(parameters)
    seconds = whole(parameters, "VisibilityTimeout", 0, MAX_VISIBILITY_S)
    if seconds is None:
        raise missing("VisibilityTimeout")
    store.change_visibility(queue, queue.changeable(handle), seconds)
    return {}


def change_message_visibility_batch(
    store: Store, queue: Queue, parameters: Parameters, caller: str
) -> Result:
    """ChangeMessageVisibilityBatch."""

    def change(entry: Parameters) -> None:
        change_message_visibility(store, queue, entry, caller)

    return _each(_entries(parameters), change)


def purge_queue(store: Store, queue: Queue, _parameters: Parameters, _caller: str) -> Result:
    """PurgeQueue."""
    now = store.now()
    if now < queue.purged_at + 60:
        raise SqsError(
            "PurgeQueueInProgress",
            f"Only one PurgeQueue operation on {queue.key.name} is allowed every 60 seconds.",
            status=403,
        )
    queue.purged_at = now
    store.delete(queue, queue.messages.values())
    return {}


def _message(store: Store, queue: Queue, parameters: Parameters, caller: str) -> Message:
    """Return the message that a request or an entry of a batch describes."""
    body = check_body(parameters.get("MessageBody"))
    limit = queue.number("MaximumMessageSize")
    if _size(parameters) > limit:
        raise invalid(
            "One or more parameters are invalid."
            f" Reason: Message must be shorter than {limit} bytes."
        )
    attributes = parameters.get("MessageAttributes") or {}
    check_attributes(attributes)
    now = store.now()
    message = Message(
        body,
        attributes=attributes,
        system={"SenderId": caller, **_system(parameters)},
        group=_group(queue, parameters),
        deduplication_id=_deduplication_id(queue, parameters),
        sent_at=now,
    )
    message.visible_at = now + _delay_s(queue, parameters)
    return message


def _send(store: Store, queue: Queue, messages: list[Message]) -> list[Result]:
    """Put in what is no duplicate, and tell of each what became of it."""
    now = store.now()
    new: dict[object, Message] = {}
    results: list[Result] = []
    for message in messages:
        result: Result = {"MessageId": message.id, "MD5OfMessageBody": message.md5}
        if message.attributes:
            result["MD5OfMessageAttributes"] = attributes_md5(message.attributes)
        if queue.is_fifo:
            earlier = queue.duplicate(message, now)
            first = new.setdefault(queue.duplicate_key(message), message)
            result["MessageId"] = earlier.message_id if earlier else first.id
            result["SequenceNumber"] = earlier.sequence_number if earlier else first.sequence_number
            if earlier:
                del new[queue.duplicate_key(message)]
        results.append(result)
    if sent := list(new.values()) if queue.is_fifo else messages:
        store.send(queue, sent)
    return results


def _group(queue: Queue, parameters: Parameters) -> str | None:
    group = parameters.get("MessageGroupId")
    if group is not None and group != "":
        return check_fifo_id(group, "MessageGroupId")
    if queue.is_fifo:
        raise missing("MessageGroupId")
    return None


def _deduplication_id(queue: Queue, parameters: Parameters) -> str | None:
    given = parameters.get("MessageDeduplicationId")
    if given:
        if not queue.is_fifo:
            raise invalid_value(given, "MessageDeduplicationId", _TYPE_ERROR)
        return check_fifo_id(given, "MessageDeduplicationId")
    if not queue.is_fifo:
        return None
    if queue.attributes["ContentBasedDeduplication"] != "true":
        raise invalid(
            "The queue should either have ContentBasedDeduplication enabled or"
            " MessageDeduplicationId provided explicitly"
        )
    return hashlib.sha256(str(parameters.get("MessageBody")).encode()).hexdigest()


def _delay_s(queue: Queue, parameters: Parameters) -> int:
    reason = f"DelaySeconds must be >= 0 and <= {_MAX_DELAY_S}."
    delay_s = whole(parameters, "DelaySeconds", 0, _MAX_DELAY_S, reason)
    if delay_s and queue.is_fifo:
        raise invalid_value(delay_s, "DelaySeconds", _TYPE_ERROR)
    return queue.number("DelaySeconds") if delay_s is None or queue.is_fifo else delay_s


def _system(parameters: Parameters) -> dict[str, str]:
    """Return what a sender may say in SQS's own name: where its trace comes from."""
    given = parameters.get("MessageSystemAttributes") or {}
    for name, value in given.items():
        if name != "AWSTraceHeader" or value.get("DataType") != "String":
            raise invalid_value(
                name, "MessageSystemAttributeName", "Only AWSTraceHeader of type String is known."
            )
    return {name: value["StringValue"] for name, value in given.items()}


def _system_md5(parameters: Parameters) -> Result:
    given = parameters.get("MessageSystemAttributes")
    return {"MD5OfMessageSystemAttributes": attributes_md5(given)} if given else {}


def _size(parameters: Parameters) -> int:
    body = parameters.get("MessageBody") or ""
    attributes = parameters.get("MessageAttributes")
    return len(body.encode()) + (attributes_size(attributes) if attributes else 0)


def _handle(parameters: Parameters) -> str:
    handle = parameters.get("ReceiptHandle")
    if not handle:
        raise missing("ReceiptHandle")
    return str(handle)


def _entries(parameters: Parameters) -> list[Parameters]:
    """Return a batch's entries; raise SqsError for a batch that fails as a whole."""
    entries: list[Parameters] = parameters.get("Entries") or []
    if not entries:
        raise SqsError("EmptyBatchRequest", "There should be at least one entry in the request.")
    if len(entries) > _MAX_ENTRIES:
        raise SqsError(
            "TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are {_MAX_ENTRIES}."
            f" You have sent {len(entries)}.",
        )
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise SqsError("InvalidParameterValue", "Entries is a list of structures.")
    seen = set()
    for entry in entries:
        name = str(entry.get("Id", ""))
        if not _ENTRY_ID.fullmatch(name):
            raise SqsError(
                "InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and"
                " underscores. It can be at most 80 letters long.",
            )
        if name in seen:
            raise SqsError("BatchEntryIdsNotDistinct", f"Id {name} repeated.")
        seen.add(name)
    return entries


def _each(entries: list[Parameters], act: Callable[[Parameters], None]) -> Result:
    """Do something for every entry; one's error is its own."""
    successful: list[Result] = []
    failed: list[Result] = []
    for entry in entries:
        try:
            act(entry)
            successful.append({"Id": entry["Id"]})
        except SqsError as error:
            failed.append(
                {
                    "Id": entry["Id"],
                    "Code": error.code,
                    "Message": error.message,
                    "SenderFault": error.is_sender_fault,
                }
            )
    return {"Successful": successful, "Failed": failed}
