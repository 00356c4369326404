"""Waiting in tests: it ends at once when the thing is there, and gives a busy machine its time."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

PATIENCE_S = 120.0
"""Longer than a background function stays away at worst: it is woken each minute, and starts."""

_PAUSE_S = 0.03

T = TypeVar("T")


def until(
    holds: Callable[[], T], what: str = "what was waited for", within_s: float = PATIENCE_S
) -> T:
    """Wait until it returns something true, and return that."""
    deadline = time.monotonic() + within_s
    while not (found := holds()):
        assert time.monotonic() < deadline, f"{what} did not happen within {within_s:.0f} s"
        time.sleep(_PAUSE_S)
    return found


async def eventually(
    holds: Callable[[], bool | Awaitable[bool]], within_s: float = PATIENCE_S
) -> None:
    """Wait for what gives no sign of its own."""
    async with asyncio.timeout(within_s):
        while True:
            found = holds()
            if (await found) if inspect.isawaitable(found) else found:
                return
            await asyncio.sleep(_PAUSE_S)
