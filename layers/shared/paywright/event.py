"""An event as merchants receive it: which there are, and the form that all of them have.

docs/events.md shows each; `paywright.events.catalogue` has them as typed models.
"""

from __future__ import annotations

import json
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from paywright.clock import rfc3339
from paywright.ids import typeid

API_VERSION: Final = "2026-11-01"
"""The form of events and of the objects in them; each event says which it has."""


class EventType(StrEnum):
    """What can happen to an object: its kind, and what happened."""

    PAYMENT_AUTHORIZED = "payment.authorized"
    PAYMENT_CAPTURED = "payment.captured"
    PAYMENT_CAPTURE_FAILED = "payment.capture_failed"
    PAYMENT_EXPIRED = "payment.expired"
    PAYMENT_FAILED = "payment.failed"
    PAYMENT_REVIEW = "payment.review"
    PAYMENT_VOIDED = "payment.voided"
    PAYMENT_VOID_FAILED = "payment.void_failed"
    REFUND_CREATED = "refund.created"
    REFUND_FAILED = "refund.failed"
    REFUND_SUCCEEDED = "refund.succeeded"
    API_KEY_CREATED = "merchant.api_key_created"
    EMAIL_CHANGED = "merchant.notification_email_changed"
    ENDPOINT_DISABLED = "merchant.webhook_endpoint_disabled"
    ENDPOINT_TEST = "webhook_endpoint.test"


def event_text(
    event_id: UUID,
    event_type: str,
    *,
    created_at: datetime,
    livemode: bool,
    sequence: int,
    about: str,
) -> str:
    """An event as JSON text; `about` is the text of the object that it is about.

    `sequence` counts the events about that object, from 1 and without gaps.
    """
    head = _encode(
        {
            "id": typeid("evt", event_id),
            "object": "event",
            "type": event_type,
            "api_version": API_VERSION,
            "created_at": rfc3339(created_at),
            "livemode": livemode,
            "sequence": sequence,
        }
    )
    return f'{head[:-1]},"data":{{"object":{about}}}}}'


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
