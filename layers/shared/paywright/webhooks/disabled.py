"""The event that tells of an endpoint that Paywright itself has disabled."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from paywright.clock import rfc3339
from paywright.event import EventType, event_text
from paywright.ids import typeid
from paywright.payments.models import to_json
from paywright.webhooks.deliveries import Outcome


def disabled_event(event_id: UUID, reason: str, last: Outcome, now: datetime) -> str:
    """The event as merchants get it, with what somebody needs who has to put it right."""
    endpoint = last.delivery.endpoint
    failing_since = endpoint.health.failing_since
    answer = last.answer
    about = {
        "id": typeid("whe", endpoint.id),
        "object": "webhook_endpoint",
        "url": endpoint.url,
        "enabled": False,
        "disabled_reason": reason,
        "disabled_at": rfc3339(now),
        "failing_since": rfc3339(failing_since) if failing_since else None,
        "last_status_code": answer.status if answer else None,
        "last_error": answer.error if answer else None,
    }
    return event_text(
        event_id,
        EventType.ENDPOINT_DISABLED,
        created_at=now,
        livemode=last.delivery.event.livemode,
        sequence=endpoint.sequence + 1,
        about=to_json(about),
    )
