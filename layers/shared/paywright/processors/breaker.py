"""A circuit breaker: a processor that keeps failing is left alone for a while.

It opens after 5 failures in a row and lets nothing through for 30 s; then one request at a time
goes to try, and after 2 answers it closes. The figures are the requirements'. All execution
environments share the state, where there is a place for it (`processors.shared_breaker`); without
one, or while that is away, each goes by what it has seen itself.

On a healthy day the shared state is asked for once a second in each environment, and told in the
same breath that answers come. Times are wall time: a business clock says nothing of a processor.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from paywright.processors.base import CardInvalid, ScriptedSilence, Unavailable, Unknown

T = TypeVar("T")
_LOOK_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """When a breaker opens and closes. A probe that tells nothing for `probe_s` is given up."""

    failures: int = 5
    successes: int = 2
    open_s: float = 30.0
    probe_s: float = 30.0


@dataclass(frozen=True, slots=True)
class View:
    """What may be done: all when it is `closed`, else after `wait_s` one request to try."""

    closed: bool
    wait_s: float = 0.0


class StateAway(Exception):
    """The shared state cannot be asked."""


class BreakerState(Protocol):
    """What breakers of one processor know together. Each method raises StateAway.

    `answered_s_ago` is when the caller last had an answer, or None: failures count in a row only
    as long as nobody had an answer after the first of them.
    """

    def look(self, answered_s_ago: float | None) -> View:
        """How it stands."""
        ...

    def failed(self, answered_s_ago: float | None, probe: str) -> View:
        """A request failed; `probe` is its name if it was let through to try, else empty."""
        ...

    def take_probe(self, probe: str) -> View:
        """Ask to be the one that tries; granted where there is nothing to wait for."""
        ...

    def probe_answered(self, probe: str) -> View:
        """The one that was let through to try had an answer."""
        ...


class LocalState:
    """What one execution environment has seen by itself."""

    def __init__(self, limits: Limits, monotonic: Callable[[], float]) -> None:
        self._limits = limits
        self._monotonic = monotonic
        self._failures = 0
        self._began = 0.0
        self._open_until: float | None = None
        self._successes = 0
        self._probe = ""
        self._probe_until = 0.0

    def look(self, answered_s_ago: float | None) -> View:
        """How it stands."""
        now = self._monotonic()
        if answered_s_ago is not None and now - answered_s_ago > self._began:
            self._failures = 0
        return self._view(now)

    def failed(self, answered_s_ago: float | None, probe: str) -> View:
        """Count a failure; while it is open only that of a probe counts."""
        now = self._monotonic()
        self.look(answered_s_ago)
        if self._open_until is None:
            self._began = now if self._failures == 0 else self._began
            self._failures += 1
            if self._failures >= self._limits.failures:
                self._open(now)
        elif probe and probe == self._probe:
            self._open(now)
        return self._view(now)

    def take_probe(self, probe: str) -> View:
        """Let one through to try."""
        now = self._monotonic()
        view = self._view(now)
        if not view.closed and view.wait_s == 0:
            self._probe, self._probe_until = probe, now + self._limits.probe_s
        return view

    def probe_answered(self, probe: str) -> View:
        """Count an answer to a probe; enough of them close it."""
        if probe == self._probe and self._open_until is not None:
            self._probe = ""
            self._successes += 1
            if self._successes >= self._limits.successes:
                self._open_until, self._failures = None, 0
        return self._view(self._monotonic())

    def _open(self, now: float) -> None:
        self._open_until, self._successes, self._probe = now + self._limits.open_s, 0, ""

    def _view(self, now: float) -> View:
        if self._open_until is None:
            return View(closed=True)
        wait_s = self._open_until - now
        if self._probe:
            wait_s = max(wait_s, self._probe_until - now)
        return View(closed=False, wait_s=max(0.0, wait_s))


class CircuitBreaker:
    """The breaker of one processor in one execution environment."""

    def __init__(
        self,
        shared: BreakerState | None = None,
        *,
        limits: Limits | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shared = shared
        self._local = LocalState(limits or Limits(), monotonic)
        self._monotonic = monotonic
        self._view = View(closed=True)
        self._look_at: float | None = None  # when the view is too old to go by
        self._answered_at: float | None = None

    def check(self) -> None:
        """Raise Unavailable while nothing may be asked."""
        if self._current().wait_s > 0:
            raise Unavailable("the circuit breaker is open")

    def call(self, request: Callable[[], T]) -> T:
        """Send a request through; only answers that never came count as failures.

        Where a test card wants silence, that it is kept to is an answer: else anybody's test key
        could open the breaker for all merchants.
        """
        probe = self._enter()
        try:
            answer = request()
        except (CardInvalid, ScriptedSilence):
            self._had_answer(probe)
            raise
        except (Unknown, Unavailable):
            ago = self._answered_s_ago()
            self._see(self._ask(lambda state: state.failed(ago, probe)))
            raise
        self._had_answer(probe)
        return answer

    def _enter(self) -> str:
        self.check()
        if self._view.closed:
            return ""
        probe = secrets.token_hex(8)
        granted = self._ask(lambda state: state.take_probe(probe))
        if granted.wait_s > 0:
            raise Unavailable("the circuit breaker is open, and another request tries")
        return "" if granted.closed else probe

    def _had_answer(self, probe: str) -> None:
        self._answered_at = self._monotonic()
        if probe:
            self._see(self._ask(lambda state: state.probe_answered(probe)))

    def _current(self) -> View:
        if self._look_at is None or self._monotonic() >= self._look_at:
            ago = self._answered_s_ago()
            self._see(self._ask(lambda state: state.look(ago)))
        return self._view

    def _see(self, view: View) -> None:
        # Nobody shortens the time it is open, but once one tries it may soon be over.
        now = self._monotonic()
        self._view = view
        self._look_at = now + (_LOOK_EVERY_S if view.closed else min(view.wait_s, _LOOK_EVERY_S))

    def _ask(self, event: Callable[[BreakerState], View]) -> View:
        # What this environment sees is kept in any case: the shared state may be away next time.
        own = event(self._local)
        if self._shared is None:
            return own
        try:
            return event(self._shared)
        except StateAway:
            return own

    def _answered_s_ago(self) -> float | None:
        return None if self._answered_at is None else self._monotonic() - self._answered_at
