"""A number that grows with every change of something, and can be waited on."""

from __future__ import annotations

import asyncio
import time


class Version:
    """Counts changes; starts at the time of day, so that it grows over restarts too."""

    def __init__(self) -> None:
        self.value = time.time_ns() // 1_000
        self._changed = asyncio.Event()

    def grow(self) -> None:
        """Note a change; to be called in the event loop."""
        self.value += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def other_than(self, known: int, wait_s: float) -> int:
        """Return the value once it is not `known`, at the latest after `wait_s`."""
        try:
            async with asyncio.timeout(wait_s):
                while self.value == known:
                    await self._changed.wait()
        except TimeoutError:
            pass
        return self.value
