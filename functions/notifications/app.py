"""Function `notifications`: mails merchants what they must know."""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from paywright.clock import business_clock
from paywright.db.opening import open_database
from paywright.notifications.mailer import Mailer
from paywright.notifications.notify import notify_batch
from paywright.notifications.queue import NotificationQueue, received
from paywright.notifications.store import PostgresNotifications
from paywright.observability import get_logger
from paywright.secrets import resolve
from paywright.settings import Settings

_RECORDING_S = 3.0
"""Kept for what comes after the last mail."""


@cache
def _parts() -> tuple[PostgresNotifications, Mailer, NotificationQueue]:
    settings = Settings()
    if settings.notifications_from is None:
        raise ValueError(
            "set NOTIFICATIONS_FROM, the template's parameter NotificationsFrom, to the address "
            "that notifications are sent from: one that SES has verified"
        )
    if settings.notifications_queue_url is None:
        raise ValueError("set NOTIFICATIONS_QUEUE_URL")
    pii_key = resolve(settings.pii_key, settings.pii_key_secret_arn)
    clock = business_clock(settings.clock_file)
    store = PostgresNotifications(open_database(settings), clock, pii_key)
    return (
        store,
        Mailer(settings.notifications_from),
        NotificationQueue(settings.notifications_queue_url),
    )


@get_logger().inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Notify of a batch; what is not done goes back to the queue until it is due."""
    store, mailer, queue = _parts()
    undone = notify_batch(
        [received(record) for record in event["Records"]],
        store=store,
        mail=mailer,
        time_left_s=lambda: context.get_remaining_time_in_millis() / 1000 - _RECORDING_S,
    )
    if undone:
        queue.show_again(undone)
    return {"batchItemFailures": [{"itemIdentifier": message.id} for message in undone]}
