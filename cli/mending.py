"""Starts again what has died of a run: at once, then later and later, and not for ever."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from cli.errors import Failure
from emulator.backoff import Backoff
from emulator.services import Server, ServiceError

MOST, WITHIN_S = 5, 60.0
"""Restarts of one part after which all is stopped: within that time, or in vain one by one."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 4.0


@dataclass
class _Record:
    """What became of one part's restarts."""

    starts: deque[float] = field(default_factory=lambda: deque(maxlen=MOST))
    in_vain: int = 0
    not_before: float = 0.0
    backoff: Backoff = field(default_factory=lambda: Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S))


class Mending:
    """Restarts parts, and knows how often it did."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._records: dict[str, _Record] = {}

    def restart(self, part: Server, done: str) -> str | None:
        """Start a part again, if it is time; what came of it, in words: `done` if it runs.

        A start that fails, whatever ended it, is followed by another after a pause, in which
        nobody waits for it. Raise Failure where restarts do not help.
        """
        record = self._records.setdefault(part.title, _Record())
        now = self._monotonic()
        if now < record.not_before:
            return None
        if len(record.starts) == MOST and now - record.starts[0] < WITHIN_S:
            raise Failure(
                f"{part.title} died again after {MOST} restarts within {WITHIN_S:.0f} s, so all "
                f"is stopped; its log is {part.log}."
            )
        record.starts.append(now)
        try:
            part.restart()
        except ServiceError as error:
            return self._put_off(record, error)
        record.in_vain = 0
        record.backoff.reset()
        return done

    def _put_off(self, record: _Record, error: ServiceError) -> str:
        record.in_vain += 1
        if record.in_vain == MOST:
            raise Failure(f"{error} That was start {MOST} in vain, so all is stopped.") from error
        pause_s = record.backoff.next_s()
        record.not_before = self._monotonic() + pause_s
        return f"{error} Trying again in {pause_s:.1f} s."
