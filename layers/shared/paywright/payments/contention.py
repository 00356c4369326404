"""Trying again while others change the same payment: with jitter, up to a deadline."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

DEADLINE_S = 10.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.001, 0.05


def attempts() -> Iterator[None]:
    """Yield for each attempt, pausing longer and longer between them; end at the deadline."""
    give_up, pause_s = time.monotonic() + DEADLINE_S, _FIRST_PAUSE_S
    while True:
        yield
        if time.monotonic() > give_up:
            return
        time.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
