"""Attributes of queues: which there are, what they may be, how they start."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from emulator.aws_server.sqs.errors import SqsError, invalid, invalid_value
from emulator.aws_server.sqs.queue import Queue, QueueKey
from emulator.aws_server.sqs.store import Store

MAX_MESSAGE_BYTES = 1024 * 1024
_RANGES = {
    "DelaySeconds": (0, 900),
    "KmsDataKeyReusePeriodSeconds": (60, 86_400),
    "MaximumMessageSize": (1_024, MAX_MESSAGE_BYTES),
    "MessageRetentionPeriod": (60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, 43_200),
}
_DEFAULTS = {
    "DelaySeconds": "0",
    "MaximumMessageSize": str(MAX_MESSAGE_BYTES),
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "SqsManagedSseEnabled": "true",
    "VisibilityTimeout": "30",
}
_FIFO_DEFAULTS = {
    "ContentBasedDeduplication": "false",
    "DeduplicationScope": "queue",
    "FifoQueue": "true",
    "FifoThroughputLimit": "perQueue",
}
_CHOICES = {
    "ContentBasedDeduplication": ("true", "false"),
    "DeduplicationScope": ("queue", "messageGroup"),
    "FifoQueue": ("true",),
    "FifoThroughputLimit": ("perQueue", "perMessageGroupId"),
    "SqsManagedSseEnabled": ("true", "false"),
}
_REMOVABLE = frozenset({"KmsMasterKeyId", "Policy", "RedriveAllowPolicy", "RedrivePolicy"})
_SETTABLE = frozenset(_RANGES) | frozenset(_CHOICES) | _REMOVABLE
_COMPUTED = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
)
_JSON_ATTRIBUTES = ("Policy", "RedriveAllowPolicy", "RedrivePolicy")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_NAME_ERROR = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
_FIFO_NAME_ERROR = (
    "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores,"
    " must end with .fifo suffix and be 1 to 80 in length"
)
_MAX_RECEIVES = 1_000
_MAX_SOURCES = 10


def initial(
    key: QueueKey, given: Mapping[str, str], store: Store, created_at: float
) -> dict[str, str]:
    """Return a new queue's attributes; raise SqsError for a name or attributes SQS refuses."""
    is_fifo = str(given.get("FifoQueue", "false")).lower() == "true"
    stem = key.name.removesuffix(".fifo") + "_fifo" if is_fifo else key.name
    if is_fifo is not key.name.endswith(".fifo") or not _NAME.fullmatch(stem):
        raise invalid(_FIFO_NAME_ERROR if is_fifo else _NAME_ERROR)
    result = {**_DEFAULTS, **(_FIFO_DEFAULTS if is_fifo else {})}
    result |= checked(key, given, store)
    result["CreatedTimestamp"] = result["LastModifiedTimestamp"] = str(int(created_at))
    return result


def checked(key: QueueKey, given: Mapping[str, Any], store: Store) -> dict[str, str]:
    """Return attributes as they are kept; raise SqsError for what SQS refuses.

    An empty text removes what can be removed.
    """
    result = {}
    for name, raw in given.items():
        value = str(raw)
        if name not in _SETTABLE:
            raise SqsError("InvalidAttributeName", f"Unknown Attribute {name}.")
        if name in _FIFO_DEFAULTS and not key.name.endswith(".fifo"):
            raise SqsError(
                "InvalidAttributeName",
                f"You can specify the {name} only when FifoQueue is set to true."
                if name in ("DeduplicationScope", "FifoThroughputLimit")
                else f"Unknown Attribute {name}.",
            )
        if not (value == "" and name in _REMOVABLE):
            value = _checked_value(key, name, value, store)
        result[name] = value
    if result.get("KmsMasterKeyId") and result.get("SqsManagedSseEnabled") == "true":
        raise SqsError(
            "InvalidAttributeName",
            "You can use one type of server-side encryption (SSE) at one time. You can either"
            " enable KMS SSE or SQS SSE.",
        )
    return result


def merged(present: Mapping[str, str], changes: Mapping[str, str], now: float) -> dict[str, str]:
    """Return a queue's attributes after a change."""
    result = {**present, **changes, "LastModifiedTimestamp": str(int(now))}
    for name in _REMOVABLE:
        if result.get(name) == "":
            del result[name]
    if changes.get("KmsMasterKeyId"):
        result["SqsManagedSseEnabled"] = "false"
    return result


def different(present: Mapping[str, str], given: Mapping[str, str]) -> str | None:
    """Return the name of an attribute that is not as given; None if all are."""
    for name, value in given.items():
        mine = present.get(name, "")
        if mine != value and not (name in _JSON_ATTRIBUTES and _same_json(mine, value)):
            return name
    return None


def told(queue: Queue, names: frozenset[str]) -> dict[str, str]:
    """Return those attributes that `names` asks for; `All` asks for all."""
    every = {
        **queue.attributes,
        "ApproximateNumberOfMessages": str(queue.visible),
        "ApproximateNumberOfMessagesDelayed": str(queue.delayed),
        "ApproximateNumberOfMessagesNotVisible": str(queue.in_flight),
        "QueueArn": queue.key.arn,
    }
    if "All" in names:
        return every
    for name in names:
        if name not in _SETTABLE and name not in _COMPUTED:
            raise SqsError("InvalidAttributeName", f"Unknown Attribute {name}.")
    return {name: value for name, value in every.items() if name in names}


def _checked_value(key: QueueKey, name: str, value: str, store: Store) -> str:
    if name in _RANGES:
        low, high = _RANGES[name]
        if not value.isdecimal() or not low <= int(value) <= high:
            raise SqsError(
                "InvalidAttributeValue",
                f"Invalid value for the parameter {name}. Reason: Must be an integer from {low}"
                f" to {high}.",
            )
        return str(int(value))
    if name in _CHOICES:
        found = {choice.lower(): choice for choice in _CHOICES[name]}.get(value.lower())
        if found is None:
            reason = (
                " Reason: Modifying queue type is not supported." if name == "FifoQueue" else ""
            )
            raise SqsError(
                "InvalidAttributeValue", f"Invalid value for the parameter {name}.{reason}"
            )
        return found
    if name == "RedrivePolicy":
        _check_redrive(key, value, store)
    elif name == "RedriveAllowPolicy":
        _check_redrive_allow(value)
    elif name == "Policy":
        _json_object(value, name)
    return value


def _check_redrive(key: QueueKey, text: str, store: Store) -> None:
    def refuse(reason: str) -> SqsError:
        return invalid_value(text, "RedrivePolicy", reason)

    policy = _json_object(text, "RedrivePolicy")
    for name in ("deadLetterTargetArn", "maxReceiveCount"):
        if name not in policy:
            raise refuse(f"Redrive policy does not contain mandatory attribute: {name}.")
    count = str(policy["maxReceiveCount"])
    if not count.isdecimal() or not 1 <= int(count) <= _MAX_RECEIVES:
        raise refuse(
            f"Invalid value for maxReceiveCount: {count}, valid values are from 1 to"
            f" {_MAX_RECEIVES} both inclusive."
        )
    target = QueueKey.of_arn(str(policy["deadLetterTargetArn"]))
    if target is None or target[:2] != key[:2]:
        raise refuse("Invalid value for deadLetterTargetArn.")
    dead_letters = store.queues.get(target)
    if dead_letters is None:
        raise refuse("Dead letter target does not exist.")
    if target.name.endswith(".fifo") is not key.name.endswith(".fifo"):
        raise refuse("Dead-letter queue must be same type of queue as the source.")
    if not _allows(dead_letters, key):
        raise refuse("Dead-letter queue does not allow the source queue.")


def _allows(dead_letters: Queue, source: QueueKey) -> bool:
    """Whether a queue's RedriveAllowPolicy lets another use it as its dead-letter queue."""
    policy = json.loads(dead_letters.attributes.get("RedriveAllowPolicy", "{}"))
    permission = policy.get("redrivePermission", "allowAll")
    if permission == "byQueue":
        return source.arn in policy["sourceQueueArns"]
    return bool(permission == "allowAll")


def _check_redrive_allow(text: str) -> None:
    def refuse(reason: str) -> SqsError:
        return invalid_value(text, "RedriveAllowPolicy", reason)

    policy = _json_object(text, "RedriveAllowPolicy")
    permission = policy.get("redrivePermission")
    if permission not in ("allowAll", "denyAll", "byQueue"):
        raise refuse("Invalid value for redrivePermission.")
    sources = policy.get("sourceQueueArns")
    if (permission == "byQueue") is not (sources is not None):
        raise refuse("sourceQueueArns belongs to redrivePermission byQueue.")
    if sources is not None and not (
        isinstance(sources, list) and 1 <= len(sources) <= _MAX_SOURCES
    ):
        raise refuse(f"sourceQueueArns must have 1 to {_MAX_SOURCES} ARNs.")


def _json_object(text: str, name: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise invalid_value(text, name, f"{name} is not a JSON object.")
    return value


def _same_json(one: str, other: str) -> bool:
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False
