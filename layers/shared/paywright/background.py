"""The loop of a background function: work until its time is nearly over, rest when there is none.

A schedule invokes such a function every minute with reserved concurrency 1. With the template's
timeout of 90 s it runs until 75 s after the moment it was woken for: the next invocation is then
waiting for its turn, always for as long, so that none piles up until it is too old.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from paywright.observability import get_logger

FINISH_S = 15.0
"""Kept for the last step: whatever it waits for has given up by then."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 10.0


class Unavailable(Exception):
    """Something that a step needs is away; nothing is lost, and it is tried again soon."""


def time_to_run_s(remaining_ms: int, event: Mapping[str, Any], now: datetime) -> float:
    """How long a function may loop that Lambda ends in `remaining_ms`.

    `event` is the schedule's, its `time` the moment it was due on the clock that says `now`. One
    that came late, as after its clock moved, or that no schedule sent counts as due now.
    """
    longest_s = max(remaining_ms / 1000 - FINISH_S, 0.0)
    try:
        due = datetime.fromisoformat(str(event.get("time")))
        left_s = longest_s - (now - due).total_seconds()
    except (TypeError, ValueError):  # no time, or one without its zone
        return longest_s
    return left_s if 0 < left_s <= longest_s else longest_s


def run(
    step: Callable[[], bool],
    rest: Callable[[float], None],
    *,
    seconds: float,
    away: tuple[type[Exception], ...] = (Unavailable,),
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Repeat `step` for that long, at least once, and return how often it was.

    A step says whether there is more to do at once; if not, `rest` waits for the next wake-up, at
    most as long as it is told. While one of the exceptions of `away` comes, steps pause longer and
    longer, with jitter; the log has a line when that begins and a line when it is over.
    """
    until = time.monotonic() + seconds
    logger = get_logger()
    steps = failures = 0
    while steps == 0 or time.monotonic() < until:
        steps += 1
        try:
            more = step()
        except away as error:
            if failures == 0:
                logger.warning("Work is paused", extra={"reason": str(error)})
            pause_s = min(_FIRST_PAUSE_S * 2**failures, _LONGEST_PAUSE_S) * random.uniform(0.5, 1)  # noqa: S311 - jitter, not a secret
            failures = min(failures + 1, 16)
            sleep(max(min(pause_s, until - time.monotonic()), 0))
            continue
        if failures:
            logger.info("Work goes on")
            failures = 0
        if not more:
            rest(max(until - time.monotonic(), 0))
    return steps
