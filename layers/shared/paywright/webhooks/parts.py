"""What both functions that deliver webhooks are made of."""

from __future__ import annotations

from dataclasses import dataclass

from paywright.clock import Clock, business_clock
from paywright.db.opening import open_database
from paywright.ids import UuidSource
from paywright.secrets import resolve
from paywright.settings import Settings
from paywright.webhooks.queue import DeadLetters
from paywright.webhooks.sender import Sender
from paywright.webhooks.store import PostgresDeliveryStore


@dataclass(frozen=True, slots=True)
class Parts:
    """Connected lazily."""

    store: PostgresDeliveryStore
    sender: Sender
    dead_letters: DeadLetters
    clock: Clock


def delivery_parts(settings: Settings) -> Parts:
    """Put them together; raise ValueError for settings that are missing."""
    if settings.webhook_dead_letter_queue_url is None:
        raise ValueError("set WEBHOOK_DEAD_LETTER_QUEUE_URL")
    clock = business_clock(settings.clock_file)
    pii_key = resolve(settings.pii_key, settings.pii_key_secret_arn)
    return Parts(
        PostgresDeliveryStore(open_database(settings), UuidSource(clock), clock, pii_key),
        Sender(
            timeout_s=settings.webhook_timeout_s,
            allow_loopback=settings.webhook_allow_loopback,
        ),
        DeadLetters(settings.webhook_dead_letter_queue_url),
        clock,
    )
