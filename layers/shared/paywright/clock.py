"""Time as an argument: services are given a clock and never ask the machine."""

from __future__ import annotations

import mmap
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """Tells business time."""

    def now(self) -> datetime:
        """The present moment in UTC, with time zone."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The present moment in UTC."""
        return datetime.now(UTC)


class MovedClock:
    """The machine's clock and an offset to it, which `paywright clock advance` moves.

    The offset is the clock file's first eight bytes: a signed little-endian number of
    microseconds. The file is mapped, so that a move is seen at once and asking the time costs no
    system call.
    """

    def __init__(self, file: Path) -> None:
        with file.open("rb") as opened:
            mapped = mmap.mmap(opened.fileno(), 8, access=mmap.ACCESS_READ)
        # "q" is read at once, never half; it is little-endian wherever Lambda runs.
        self._offset_us = memoryview(mapped).cast("q")

    def now(self) -> datetime:
        """The present moment of the business in UTC."""
        return datetime.now(UTC) + timedelta(microseconds=self._offset_us[0])


def business_clock(file: str | None) -> Clock:
    """The clock of a clock file, or without one the machine's; raise OSError if it is missing."""
    return SystemClock() if file is None else MovedClock(Path(file))


def rfc3339(moment: datetime) -> str:
    """A moment as the API shows it: UTC, milliseconds, `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
