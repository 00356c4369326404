"""When a failed delivery is tried again."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

DELAYS_S = (1, 5, 30, 120, 600)
MAX_ATTEMPTS = len(DELAYS_S) + 1
"""After that many a delivery has failed, and goes to the dead-letter queue."""

MAX_RETRY_AFTER_S = 900
JITTER = 0.1


def delay_s(attempt: int, retry_after_s: float | None, jitter: float) -> float | None:
    """Seconds from failed attempt number `attempt` to the next; None when it was the last.

    `jitter` is between -1 and 1, of which a tenth moves the delay. What the receiver asked for
    with Retry-After makes it longer, never shorter, up to 15 minutes.
    """
    if attempt >= MAX_ATTEMPTS:
        return None
    own_s = DELAYS_S[max(attempt, 1) - 1] * (1 + JITTER * jitter)
    asked_s = min(retry_after_s or 0, MAX_RETRY_AFTER_S)
    return max(own_s, asked_s)


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds from now that a Retry-After header names (RFC 9110, section 10.2.3).

    Fractions are not in the RFC but are sent; anything that is neither a number nor a date, and
    what is past, counts as absent.
    """
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except (ValueError, OverflowError):  # the latter where a number is longer than any year
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - now).total_seconds()
    return seconds if 0 < seconds < math.inf else None
