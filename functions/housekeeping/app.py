"""Keeps the house: partitions ahead of time, unknown outcomes found out, old keys forgotten."""

from __future__ import annotations

from typing import Any

from paywright.background import time_to_run_s
from paywright.housekeeping import keep_house
from paywright.wiring import platform


def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Work until the time is nearly over; the next invocation goes on."""
    wired = platform()
    for_s = time_to_run_s(context.get_remaining_time_in_millis(), event, wired.clock.now())
    return keep_house(wired.payments, wired.database, for_s=for_s)
