"""A circuit breaker: a processor that keeps failing is left alone for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from paywright.processors.base import Unavailable, Unknown

T = TypeVar("T")


class CircuitBreaker:
    """Opens after 5 failures in a row, tries again after 30 s, closes after 2 successes.

    The figures are the requirements'. It counts within its own execution environment, in wall
    time: a laptop's business clock says nothing of a processor's health.
    """

    def __init__(
        self,
        *,
        failure_threshold: int = 5,
        success_threshold: int = 2,
        open_s: float = 30.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failure_threshold = failure_threshold
        self._success_threshold = success_threshold
        self._open_s = open_s
        self._monotonic = monotonic
        self._failures = 0
        self._successes = 0
        self._opened_at: float | None = None

    def check(self) -> None:
        """Raise Unavailable while the breaker is open."""
        if self._opened_at is not None and self._monotonic() - self._opened_at < self._open_s:
            raise Unavailable("the circuit breaker is open")

    def call(self, request: Callable[[], T]) -> T:
        """Send a request through; only answers that never came count as failures."""
        self.check()
        try:
            answer = request()
        except (Unknown, Unavailable):
            self._record_failure()
            raise
        self._record_success()
        return answer

    def _record_failure(self) -> None:
        self._failures += 1
        self._successes = 0
        if self._opened_at is not None or self._failures >= self._failure_threshold:
            self._opened_at = self._monotonic()

    def _record_success(self) -> None:
        if self._opened_at is None:
            self._failures = 0
            return
        self._successes += 1
        if self._successes >= self._success_threshold:
            self._opened_at, self._failures, self._successes = None, 0, 0
