"""Why a message is where it is: what it tells itself, and what its consumer makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

# What Lambda, EventBridge and its Scheduler write onto a message that they give up.
_REASONS = ("ErrorMessage", "ERROR_MESSAGE")
_CODES = ("ErrorCode", "ERROR_CODE")
_DEAD_LETTERS = "-dlq"

Parser = Callable[[str], str | None]
"""What keeps a consumer from reading a body; None if nothing does."""


def why(
    attributes: Mapping[str, str], given: Mapping[str, Any], body: str, parser: Parser | None
) -> str | None:
    """Why nobody is done with a message, as far as it can be told; None for one that only waits.

    `given` are the message's own attributes.
    """
    parts = []
    unreadable = parser(body) if parser is not None else None
    if unreadable is not None:
        parts.append(f"it cannot be read: {unreadable}")
    told = [_text(given, names) for names in (_CODES, _REASONS)]
    if any(told):
        parts.append(": ".join(part for part in told if part))
    source = attributes.get("DeadLetterQueueSourceArn", "").rpartition(":")[2]
    if source:
        parts.append(f"{source} gave it up: it was received too often without being deleted")
    return "; ".join(parts) or None


def parser_of(queue: str) -> Parser | None:
    """How the consumer of a queue of Paywright's reads it, by the queue's name; None of others.

    What is in a dead-letter queue is read as in the queue that it came from.
    """
    name = queue.removesuffix(_DEAD_LETTERS)
    for known, parser in _PARSERS.items():
        if name == known or name.endswith(f"-{known}"):  # a stack may have a prefix
            return parser
    return None


def _of_deliveries(body: str) -> str | None:
    from paywright.webhooks.message import Poison, event_of, from_record  # noqa: PLC0415

    try:
        event_of(from_record(_record(body)))
    except Poison as error:
        return str(error)
    return None


def _of_notifications(body: str) -> str | None:
    from paywright.notifications.notify import read  # noqa: PLC0415 - only for its queue
    from paywright.notifications.queue import received  # noqa: PLC0415
    from paywright.webhooks.message import Poison  # noqa: PLC0415

    event = received(_record(body)).event
    if isinstance(event, Poison):
        return str(event)
    try:
        read(event)
    except Poison as error:
        return str(error)
    return None


_PARSERS: Mapping[str, Parser] = {
    "webhook-delivery": _of_deliveries,
    "notifications": _of_notifications,
}


def _record(body: str) -> dict[str, Any]:
    """A body as Lambda hands it to a function."""
    attributes = {"ApproximateReceiveCount": "1"}
    return {"messageId": "", "receiptHandle": "", "attributes": attributes, "body": body}


def _text(given: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((str(given[name].get("StringValue")) for name in names if name in given), "")
