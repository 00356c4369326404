"""What the queue hands to the function: an event, as the bus wrapped it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from paywright.ids import parse_typeid
from paywright.webhooks.filters import TEST_EVENT


class Poison(ValueError):
    """A message that no attempt will make readable; it belongs in the dead-letter queue."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event on its way to the endpoints of a merchant; `payload` is sent byte for byte."""

    merchant_id: UUID
    livemode: bool
    id: UUID
    public_id: str
    type: str
    payload: bytes
    trace_id: str | None
    endpoint_id: UUID | None = None
    """The only endpoint that it goes to; without one it goes to all that want its type."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the queue; `attempt` counts how often it was received, from 1."""

    id: str
    receipt_handle: str
    attempt: int
    body: str


def from_record(record: Mapping[str, Any]) -> Message:
    """The message of one record of an SQS event."""
    return Message(
        id=record["messageId"],
        receipt_handle=record["receiptHandle"],
        attempt=int(record["attributes"]["ApproximateReceiveCount"]),
        body=record["body"],
    )


def event_of(message: Message) -> Event:
    """The event in a message; raise Poison when there is none."""
    try:
        envelope = json.loads(message.body)
        detail = envelope["detail"]
        event = Event(
            merchant_id=_uuid("mer", detail["merchant_id"]),
            livemode=detail["livemode"],
            id=_uuid("evt", detail["event_id"]),
            public_id=detail["event_id"],
            type=envelope["detail-type"],
            payload=detail["payload"].encode(),
            trace_id=detail.get("trace_id"),
            endpoint_id=_only_endpoint(envelope["detail-type"], detail["payload"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Poison(f"{type(error).__name__}: {error}") from error
    if not isinstance(event.livemode, bool) or not isinstance(event.type, str):
        raise Poison("livemode or type is of another kind")
    return event


def _only_endpoint(event_type: str, payload: str) -> UUID | None:
    if event_type != TEST_EVENT:
        return None
    return _uuid("whe", json.loads(payload)["data"]["object"]["id"])


def _uuid(prefix: str, text: str) -> UUID:
    found = parse_typeid(prefix, text)
    if found is None:
        raise Poison(f"not an id of kind {prefix}")
    return found
