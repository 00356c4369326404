"""The file that `paywright clock advance` moves, moved by a test."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

_MICROSECOND = timedelta(microseconds=1)


class ClockFile:
    """Business time ahead of the machine's."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.ahead = timedelta(0)
        file.write_bytes(bytes(8))

    def advance(self, step: timedelta) -> None:
        """Move on; functions that are running see it at once."""
        self.ahead += step
        with self._file.open("r+b") as opened:
            opened.write((self.ahead // _MICROSECOND).to_bytes(8, "little", signed=True))
