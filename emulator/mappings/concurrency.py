"""How many batches of one queue may be at work at once."""

from __future__ import annotations

import asyncio


class Concurrency:
    """Places for batches: up to a ceiling, fewer while the function fails or is throttled.

    Lambda "gradually backs off" in that case; how fast it does is not documented: here each
    failure halves the places, down to one, and each success gives one back. Source: AWS Lambda
    Developer Guide, "Handling errors for an SQS event source in Lambda" (backoff strategy).
    """

    def __init__(self, ceiling: int) -> None:
        assert ceiling >= 1, "a queue without a place for a batch never moves"
        self._ceiling = ceiling
        self._allowed = ceiling
        self._taken = 0
        self._changed = asyncio.Event()

    @property
    def is_free(self) -> bool:
        """Whether a place can be had at once."""
        return self._taken < self._allowed

    async def acquire(self, at_most: int = 1) -> int:
        """Take a place as soon as there is one, and others that are free; how many it is."""
        while not self.is_free:
            self._changed.clear()
            await self._changed.wait()
        taken = min(at_most, self._allowed - self._taken)
        self._taken += taken
        return taken

    def release(self, count: int = 1) -> None:
        """Give places back."""
        self._taken -= count
        self._changed.set()

    def succeeded(self) -> None:
        """Allow one more batch, up to the ceiling."""
        self._allowed = min(self._ceiling, self._allowed + 1)
        self._changed.set()

    def failed(self) -> None:
        """Allow half as many, and at least one."""
        self._allowed = max(1, self._allowed // 2)
