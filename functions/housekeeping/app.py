"""Keeps the house: partitions ahead of time, unknown outcomes found out, old keys forgotten."""

from __future__ import annotations

from typing import Any

from paywright.housekeeping import keep_house
from paywright.wiring import platform

_MARGIN_MS = 8_000  # of the function's time, for the round that is running when it is over


def handler(_event: dict[str, Any], context: Any) -> dict[str, int]:
    """Work until the time is nearly over; the next invocation goes on."""
    wired = platform()
    budget_s = (context.get_remaining_time_in_millis() - _MARGIN_MS) / 1000
    return keep_house(wired.payments, wired.database, for_s=min(75.0, budget_s))
