"""A message, and what may be in one."""

from __future__ import annotations

import base64
import hashlib
import re
import struct
import time
import uuid
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from emulator.aws_server.sqs.errors import SqsError, invalid, invalid_value, missing

Attributes = Mapping[str, Mapping[str, str]]
"""Message attributes as the JSON protocol has them; binary values are base64."""

MAX_ATTRIBUTES = 10
_NAME_LIMIT = 256
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NAME = re.compile(r"[\w.-]+")
_RESERVED = re.compile(r"(aws\.|amazon\.|\.)|.*\.$", re.IGNORECASE)
_TYPE = re.compile(r"(String|Number|Binary)(\..*)?")
_FIFO_ID = re.compile(r"[0-9a-zA-Z!-/:-@\[-`{-~]{1,128}")
_CONTENT_ERROR = (
    "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF |"
    " #xE000 to #xFFFD | #x10000 to #x10FFFF"
)


class _Numbers:
    """Numbers that grow, over restarts too."""

    def __init__(self) -> None:
        self.last = time.time_ns()

    def take(self) -> int:
        """Return the next number."""
        self.last += 1
        return self.last


_numbers = _Numbers()


def continue_after(number: int) -> None:
    """Let all new messages have higher numbers than this, whatever the clock says."""
    _numbers.last = max(_numbers.last, number)


class State(IntEnum):
    """Where a message of a queue is."""

    VISIBLE = 0
    DELAYED = 1
    IN_FLIGHT = 2
    GONE = 3


class Message:
    """One message; times are seconds since 1970.

    `number` is its place in line and, in FIFO queues, its sequence number. `receives` counts what
    this queue has given out, `carried` what those did that it was in before.
    """

    __slots__ = (
        "attributes",
        "body",
        "carried",
        "deduplication_id",
        "enqueued_at",
        "first_received_at",
        "group",
        "id",
        "md5",
        "number",
        "received_at",
        "receives",
        "sent_at",
        "size",
        "state",
        "system",
        "visible_at",
    )

    def __init__(
        self,
        body: str,
        *,
        attributes: Attributes | None = None,
        system: Mapping[str, str] | None = None,
        group: str | None = None,
        deduplication_id: str | None = None,
        sent_at: float,
        message_id: str | None = None,
    ) -> None:
        encoded = body.encode()
        self.id = message_id or str(uuid.uuid4())
        self.body = body
        self.md5 = hashlib.md5(encoded, usedforsecurity=False).hexdigest()
        self.attributes: Attributes = attributes or {}
        self.system: Mapping[str, str] = system or {}
        self.group = group
        self.deduplication_id = deduplication_id
        self.size = len(encoded) + (attributes_size(attributes) if attributes else 0)
        self.sent_at = self.enqueued_at = self.visible_at = sent_at
        self.received_at = self.first_received_at = 0.0
        self.receives = self.carried = 0
        self.state = State.GONE
        self.number = _numbers.take()

    @property
    def sequence_number(self) -> str:
        """The 20 digits that FIFO queues tell."""
        return f"{self.number:020d}"

    @property
    def receive_count(self) -> int:
        """How often the message was received since it was sent."""
        return self.carried + self.receives

    def buried(self, now: float, source_arn: str, *, is_fifo: bool) -> Message:
        """Return the message as it comes to a dead-letter queue: the same id, in line anew.

        A FIFO queue's starts a new age, and has its id as its deduplication id. Source: SQS
        Developer Guide, "Using dead-letter queues in Amazon SQS".
        """
        copy = Message(
            self.body,
            attributes=self.attributes,
            system={**self.system, "DeadLetterQueueSourceArn": source_arn},
            group=self.group,
            deduplication_id=self.id if is_fifo else None,
            sent_at=self.sent_at,
            message_id=self.id,
        )
        copy.enqueued_at = now if is_fifo else self.enqueued_at
        copy.visible_at = now
        copy.first_received_at = self.first_received_at
        copy.carried = self.receive_count
        return copy

    def told(self, names: frozenset[str]) -> dict[str, str]:
        """Return those of SQS's own attributes that `names` asks for; `All` asks for all."""
        every = {
            "SenderId": self.system.get("SenderId", ""),
            "SentTimestamp": str(int(self.sent_at * 1000)),
            "ApproximateReceiveCount": str(self.receive_count),
            "ApproximateFirstReceiveTimestamp": str(int(self.first_received_at * 1000)),
        }
        every.update(self.system)
        if self.group is not None:
            every["MessageGroupId"] = self.group
        if self.deduplication_id is not None:
            every["MessageDeduplicationId"] = self.deduplication_id
            every["SequenceNumber"] = self.sequence_number
        if "All" in names:
            return every
        return {name: value for name, value in every.items() if name in names}


def attributes_size(attributes: Attributes) -> int:
    """Return how many bytes they count for: names, types and values."""
    size = 0
    for name, value in attributes.items():
        size += len(name.encode()) + len(value.get("DataType", "").encode())
        size += len(_value(value))
    return size


def attributes_md5(attributes: Attributes) -> str:
    """Return the digest that SDKs verify.

    Source: SQS Developer Guide, "Calculating the MD5 message digest for message attributes".
    """
    digest = hashlib.md5(usedforsecurity=False)
    for name in sorted(attributes):
        value = attributes[name]
        is_binary = value["DataType"].startswith("Binary")
        for part in (name.encode(), value["DataType"].encode()):
            digest.update(struct.pack("!I", len(part)) + part)
        content = _value(value)
        digest.update((b"\x02" if is_binary else b"\x01") + struct.pack("!I", len(content)))
        digest.update(content)
    return digest.hexdigest()


def _value(attribute: Mapping[str, str]) -> bytes:
    if "BinaryValue" in attribute:
        return base64.b64decode(attribute["BinaryValue"])
    return attribute.get("StringValue", "").encode()


def check_body(body: Any) -> str:
    """Return the text of a message; raise SqsError unless SQS would take it."""
    if not isinstance(body, str) or not body:
        raise missing("MessageBody")
    if _FORBIDDEN.search(body):
        raise SqsError("InvalidMessageContents", _CONTENT_ERROR)
    return body


def check_fifo_id(value: Any, parameter: str) -> str:
    """Return a group or deduplication id; raise SqsError for a bad one."""
    if not isinstance(value, str) or not _FIFO_ID.fullmatch(value):
        raise invalid_value(
            value,
            parameter,
            f"{parameter} can only include alphanumeric and punctuation characters."
            " 1 to 128 in length.",
        )
    return value


def check_attributes(attributes: Attributes) -> None:
    """Raise SqsError for message attributes that SQS refuses."""
    if len(attributes) > MAX_ATTRIBUTES:
        raise invalid(
            f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum"
            f" [{MAX_ATTRIBUTES}]."
        )
    for name, value in attributes.items():
        _check_name(name)
        _check_value(name, value)


def _check_name(name: str) -> None:
    if len(name) > _NAME_LIMIT:
        raise invalid(f"Message (user) attribute names must be shorter than {_NAME_LIMIT} Bytes")
    if not _NAME.fullmatch(name):
        raise invalid(
            "Message (user) attributes name can only contain upper and lower score characters,"
            " digits, periods, hyphens and underscores. "
        )
    if _RESERVED.match(name):
        raise invalid(
            "You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These"
            " strings are reserved for internal use. Additionally, they cannot start or end"
            " with '.'."
        )


def _check_value(name: str, value: Mapping[str, str]) -> None:
    kind = value.get("DataType")
    if not kind:
        raise invalid("Missing required parameter DataType")
    match = _TYPE.fullmatch(kind)
    if match is None or len(kind) > _NAME_LIMIT:
        raise invalid(
            f"The message attribute '{name}' has an invalid message attribute type, the set of"
            " supported type prefixes is Binary, Number, and String."
        )
    content = value.get("BinaryValue" if match[1] == "Binary" else "StringValue")
    if not content:
        raise invalid(
            f"Message (user) attribute '{name}' must contain a non-empty value of type"
            f" '{'Binary' if match[1] == 'Binary' else 'String'}'."
        )
    if match[1] == "Binary":
        _check_base64(name, content)
    elif _FORBIDDEN.search(content):
        raise invalid(_CONTENT_ERROR)
    elif match[1] == "Number":
        _check_number(name, content)


def _check_base64(name: str, content: str) -> None:
    try:
        base64.b64decode(content, validate=True)
    except ValueError:
        raise invalid(f"Message (user) attribute '{name}' is no base64.") from None


def _check_number(name: str, content: str) -> None:
    try:
        float(content)
    except ValueError:
        raise invalid(
            f"Can't cast the value of message (user) attribute '{name}' to a number."
        ) from None
