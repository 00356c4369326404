"""Function `webhook`: delivers the events of a queue's batch to merchants' endpoints."""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from paywright.clock import Clock, SystemClock, business_clock
from paywright.db.opening import open_database
from paywright.ids import UuidSource
from paywright.observability import get_logger
from paywright.secrets import resolve
from paywright.settings import Settings
from paywright.webhooks.deliver import deliver_batch
from paywright.webhooks.message import from_record
from paywright.webhooks.queue import DeliveryQueue
from paywright.webhooks.sender import Sender
from paywright.webhooks.store import PostgresDeliveryStore

_RECORDING_S = 3.0
"""Kept for what comes after the last answer."""


@cache
def _settings() -> Settings:
    return Settings()


@cache
def _clock() -> Clock:
    return business_clock(_settings().clock_file)


@cache
def _parts() -> tuple[PostgresDeliveryStore, Sender]:
    settings, clock = _settings(), _clock()
    pii_key = resolve(settings.pii_key, settings.pii_key_secret_arn)
    store = PostgresDeliveryStore(open_database(settings), UuidSource(clock), clock, pii_key)
    sender = Sender(
        timeout_s=settings.webhook_timeout_s,
        allow_private=settings.webhook_allow_private_addresses,
    )
    return store, sender


@cache
def _queue() -> DeliveryQueue:
    url = _settings().webhook_delivery_queue_url
    if url is None:
        raise ValueError("set WEBHOOK_DELIVERY_QUEUE_URL")
    return DeliveryQueue(url)


@get_logger().inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Deliver a batch; what is not done goes back to the queue until its next attempt is due."""
    store, sender = _parts()
    undone = deliver_batch(
        [from_record(record) for record in event["Records"]],
        store=store,
        sender=sender,
        clock=_clock(),
        wall=SystemClock(),
        time_left_s=context.get_remaining_time_in_millis() / 1000 - _RECORDING_S,
    )
    if undone:
        _queue().show_again(undone)
    return {"batchItemFailures": [{"itemIdentifier": message.id} for message in undone]}
