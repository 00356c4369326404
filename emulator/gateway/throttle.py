"""Token buckets, as API Gateway throttles the routes of a stage."""

from __future__ import annotations

from collections.abc import Callable

from emulator.template.model import Throttle

# Quotas page: what an account has when the template does not say.
ACCOUNT_RATE = 10_000.0
ACCOUNT_BURST = 5_000


class TokenBucket:
    """`rate` tokens a second, at most `burst` of them; a request takes one."""

    def __init__(self, throttle: Throttle, clock: Callable[[], float]) -> None:
        """`clock` gives monotonic seconds; what the throttle leaves open is the account's."""
        self._rate = ACCOUNT_RATE if throttle.rate is None else throttle.rate
        self._burst = float(ACCOUNT_BURST if throttle.burst is None else throttle.burst)
        self._tokens = self._burst
        self._clock = clock
        self._at = clock()

    def take(self) -> bool:
        """Whether the request may pass."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


def bucket(own: Throttle, default: Throttle, clock: Callable[[], float]) -> TokenBucket | None:
    """The bucket of one route with settings of its own and of its stage; None without any."""
    throttle = Throttle(
        default.rate if own.rate is None else own.rate,
        default.burst if own.burst is None else own.burst,
    )
    return None if throttle == Throttle() else TokenBucket(throttle, clock)
