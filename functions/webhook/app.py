"""Function `webhook`: delivers the events of a queue's batch to merchants' endpoints."""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from paywright.cache import Cache
from paywright.clock import SystemClock
from paywright.observability import get_logger
from paywright.settings import Settings
from paywright.webhooks.deliver import Means, deliver_batch
from paywright.webhooks.message import from_record
from paywright.webhooks.parts import delivery_parts
from paywright.webhooks.places import Places

_RECORDING_S = 3.0
"""Kept for what comes after the last answer."""

_LEASE_S = 35.0
"""For which a place at an endpoint is kept: longer than the function may run."""


@cache
def _means() -> Means:
    settings = Settings()
    parts = delivery_parts(settings)
    valkey = Cache(settings.valkey_url.get_secret_value(), timeout_ms=settings.valkey_timeout_ms)
    return Means(
        store=parts.store,
        sender=parts.sender,
        places=Places(valkey, lease_s=_LEASE_S),
        dead_letters=parts.dead_letters,
        clock=parts.clock,
        wall=SystemClock(),
    )


@get_logger().inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Deliver a batch; what has failed is tried again by `webhook_due`, not by the queue."""
    undone = deliver_batch(
        [from_record(record) for record in event["Records"]],
        _means(),
        time_left_s=context.get_remaining_time_in_millis() / 1000 - _RECORDING_S,
    )
    return {"batchItemFailures": [{"itemIdentifier": message.id} for message in undone]}
