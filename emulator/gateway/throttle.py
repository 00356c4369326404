"""Token buckets, as API Gateway throttles stages and routes."""

from __future__ import annotations

from collections.abc import Callable

from emulator.template.model import Throttle


class TokenBucket:
    """`rate` tokens a second, at most `burst` of them; a request takes one."""

    def __init__(self, throttle: Throttle, clock: Callable[[], float]) -> None:
        """`clock` gives monotonic seconds."""
        self._rate = throttle.rate
        burst = throttle.burst
        if burst is None:
            burst = 1 if throttle.rate is None else max(1, int(throttle.rate))
        self._burst = float(burst)
        self._tokens = self._burst
        self._clock = clock
        self._at = clock()

    def take(self) -> bool:
        """Whether the request may pass."""
        if self._rate is None:
            return True
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


def bucket(throttle: Throttle, clock: Callable[[], float]) -> TokenBucket | None:
    """A bucket, or None where nothing is limited."""
    return None if throttle.rate is None else TokenBucket(throttle, clock)
