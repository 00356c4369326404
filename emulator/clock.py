"""The business clock: the machine's time and how far it was moved on, kept in a file.

The file is eight bytes, a signed little-endian number of microseconds. Functions map the same file,
so that a move is theirs at the same moment.
"""

from __future__ import annotations

import mmap
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

_SIZE = 8
LONGEST_STEP = timedelta(days=3_653)
"""Ten years: further than anything is due."""
_LATEST = datetime(2199, 1, 1, tzinfo=UTC)  # the last year that cron expressions know
_MICROSECOND = timedelta(microseconds=1)


class ClockRefused(ValueError):
    """The clock cannot be moved like that; the message says why."""


class Clock:
    """Business time; without a file it begins at the machine's, and is forgotten at the end."""

    def __init__(self, file: Path | None = None) -> None:
        if file is None:
            mapped = mmap.mmap(-1, _SIZE)
        else:
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                if os.fstat(descriptor).st_size < _SIZE:
                    os.ftruncate(descriptor, _SIZE)
                mapped = mmap.mmap(descriptor, _SIZE)
            finally:
                os.close(descriptor)
        self._mapped = mapped
        # "q" is read and written at once, never half.
        self._offset_us = memoryview(mapped).cast("q")

    @property
    def offset(self) -> timedelta:
        """How far it is ahead of the machine's clock."""
        return timedelta(microseconds=self._offset_us[0])

    def now(self) -> datetime:
        """Return the present moment of the business in UTC."""
        return datetime.now(UTC) + self.offset

    def check(self, by: timedelta) -> datetime:
        """Return the moment that such a step leads to; raise ClockRefused if it may not be taken.

        Time goes forward only: what happened would lie in the future otherwise.
        """
        if by <= timedelta(0):
            raise ClockRefused("The clock only moves forward: give a time longer than 0.")
        if by > LONGEST_STEP:
            raise ClockRefused("The clock moves at most ten years (3653d) at a time.")
        target = self.now() + by
        if target > _LATEST:
            raise ClockRefused(f"The clock ends with the year {_LATEST.year - 1}.")
        return target

    def advance(self, by: timedelta) -> datetime:
        """Move on, for everybody who maps the file; the new time. Raises ClockRefused."""
        self.check(by)
        self._offset_us[0] += by // _MICROSECOND
        self._mapped.flush()
        return self.now()
