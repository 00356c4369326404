"""What the queue hands to the function: an event, as the bus wrapped it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from paywright.events.entry import SOURCE
from paywright.ids import parse_typeid, typeid
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
    sequence: int
    endpoint_id: UUID | None = None
    """The only endpoint that it goes to; without one it goes to all that want its type."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the queue."""

    id: str
    body: str


def from_record(record: Mapping[str, Any]) -> Message:
    """The message of one record of an SQS event."""
    return Message(id=record["messageId"], body=record["body"])


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
            sequence=detail["sequence"],
            endpoint_id=_only_endpoint(envelope["detail-type"], detail),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Poison(f"{type(error).__name__}: {error}") from error
    kinds = {"livemode": bool, "type": str, "sequence": int, "trace_id": str | None}
    for name, kind in kinds.items():
        if not isinstance(getattr(event, name), kind):
            raise Poison(f"{name} is of another kind")
    return event


def body_for(event: Event, endpoint_id: UUID) -> str:
    """A message that brings an event to one endpoint alone, in the form in which the bus has it."""
    detail = {
        "event_id": event.public_id,
        "merchant_id": typeid("mer", event.merchant_id),
        "livemode": event.livemode,
        "sequence": event.sequence,
        "trace_id": event.trace_id,
        "payload": event.payload.decode(),
        "endpoint_id": typeid("whe", endpoint_id),
    }
    envelope = {"source": SOURCE, "detail-type": event.type, "detail": detail}
    return json.dumps(envelope, separators=(",", ":"), ensure_ascii=False)


def _only_endpoint(event_type: str, detail: Mapping[str, Any]) -> UUID | None:
    if "endpoint_id" in detail:  # it is back from the dead-letter queue
        return _uuid("whe", detail["endpoint_id"])
    if event_type != TEST_EVENT:
        return None
    return _uuid("whe", json.loads(detail["payload"])["data"]["object"]["id"])


def _uuid(prefix: str, text: str) -> UUID:
    found = parse_typeid(prefix, text)
    if found is None:
        raise Poison(f"not an id of kind {prefix}")
    return found
