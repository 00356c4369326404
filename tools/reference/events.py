"""Events as the documents show them: an example of each, their JSON Schema, the list of them."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field
from typing_extensions import TypedDict

from paywright.event import API_VERSION, EventType
from paywright.events.catalogue import Event
from paywright.events.objects import (
    ApiKey,
    DisabledEndpoint,
    EventId,
    Payment,
    ReaddressedMerchant,
    Refund,
)
from paywright.payments.models import RefundStatus
from paywright.payments.states import CaptureMethod, Status
from tools.reference.examples import PAYMENT, REFUND
from tools.reference.objects import CURSOR, HasMore, Url
from tools.reference.schemas import Schemas
from tools.reference.webhook_objects import ENDPOINT

Schema = dict[str, Any]


class EventList(TypedDict):
    """A page of events, the newest first."""

    object: Literal["list"]
    url: Url
    has_more: HasMore
    next_cursor: Annotated[EventId | None, CURSOR]
    data: Annotated[list[Event], Field(description="Of the last 30 days, at most.")]


_HELD: Final[Payment] = {
    **PAYMENT,
    "status": Status.AUTHORIZED,
    "capture_method": CaptureMethod.MANUAL,
    "captured_amount": 0,
    "settlement_amount": None,
    "expires_at": "2026-11-29T20:15:04.118Z",
}
_VOIDED: Final[Payment] = {
    **_HELD,
    "status": Status.VOIDED,
    "void_reason": "requested",
    "expires_at": None,
}
_PENDING: Final[Refund] = {**REFUND, "status": RefundStatus.PENDING}
_ENDPOINT: Final[DisabledEndpoint] = {
    "id": "whe_01kaqcs7q2f8s0v4m6d9x3h5tb",
    "object": "webhook_endpoint",
    "url": "https://shop.example.com/webhooks",
    "enabled": False,
    "disabled_reason": "it answered 410 Gone",
    "disabled_at": "2026-11-22T20:15:05.233Z",
    "failing_since": "2026-11-22T20:15:05.233Z",
    "last_status_code": 410,
    "last_error": None,
}
_API_KEY: Final[ApiKey] = {
    "id": "key_01kaqcs7q2f8s0v4m6d9x3h5tb",
    "object": "api_key",
    "last_four": "x7Qe",
    "created_at": "2026-11-22T20:15:05.233Z",
    "livemode": False,
}
_READDRESSED: Final[ReaddressedMerchant] = {
    "id": "mer_01kaqcs7p9f1zr3k6v8d2h5t4w",
    "object": "merchant",
    "changed_by": _API_KEY["id"],
}
_ABOUT: Final[dict[EventType, Any]] = {
    EventType.PAYMENT_AUTHORIZED: _HELD,
    EventType.PAYMENT_CAPTURED: PAYMENT,
    EventType.PAYMENT_CAPTURE_FAILED: {
        **_HELD,
        "failure_code": "card_declined",
        "failure_message": "generic_decline",
    },
    EventType.PAYMENT_EXPIRED: {**_VOIDED, "void_reason": "expired"},
    EventType.PAYMENT_FAILED: {
        **PAYMENT,
        "status": Status.FAILED,
        "captured_amount": 0,
        "settlement_amount": None,
        "failure_code": "card_declined",
        "failure_message": "insufficient_funds",
    },
    EventType.PAYMENT_REVIEW: {
        **PAYMENT,
        "fraud_score": 50,
        "fraud_flags": ["scoring_unavailable"],
    },
    EventType.PAYMENT_VOIDED: _VOIDED,
    EventType.PAYMENT_VOID_FAILED: {
        **_HELD,
        "failure_code": "card_declined",
        "failure_message": "charge_not_found",
    },
    EventType.REFUND_CREATED: _PENDING,
    EventType.REFUND_FAILED: {
        **REFUND,
        "status": RefundStatus.FAILED,
        "failure_code": "refund_failed",
        "failure_message": "expired_or_canceled_card",
    },
    EventType.REFUND_SUCCEEDED: REFUND,
    EventType.API_KEY_CREATED: _API_KEY,
    EventType.EMAIL_CHANGED: _READDRESSED,
    EventType.ENDPOINT_DISABLED: _ENDPOINT,
    EventType.ENDPOINT_TEST: ENDPOINT,
}
_SECOND: Final = (EventType.PAYMENT_REVIEW, EventType.REFUND_SUCCEEDED, EventType.REFUND_FAILED)


def example(event_type: EventType) -> Schema:
    """An event of a type."""
    return {
        "id": "evt_01kaqd1edye008000000000003",
        "object": "event",
        "type": str(event_type),
        "api_version": API_VERSION,
        "created_at": "2026-11-22T20:15:05.233Z",
        "livemode": False,
        "sequence": 2 if event_type in _SECOND else 1,
        "data": {"object": _ABOUT[event_type]},
    }


EVENT: Final = example(EventType.PAYMENT_CAPTURED)
EVENTS: Final[Schema] = {
    "object": "list",
    "url": "/v1/events",
    "has_more": True,
    "next_cursor": EVENT["id"],
    "data": [EVENT],
}


def schema() -> Schema:
    """The JSON Schema of every event."""
    made = Event.model_json_schema(schema_generator=Schemas)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Paywright events",
        "x-api-version": API_VERSION,
        **made,
    }
