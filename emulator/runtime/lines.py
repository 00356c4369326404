"""Cuts a function's output into log lines of bounded length, and ends it where it has no end."""

from __future__ import annotations

from collections.abc import Callable

# CloudWatch Logs takes events of at most 256 KB (its quotas page); longer lines are cut there too.
MAX_LINE_BYTES = 256 * 1024
MAX_OUTPUT_BYTES = 8 * 1024 * 1024
"""What is kept of one invocation's output. Lambda has no such limit; a laptop's disk has."""


class LineSplitter:
    """Feeds whole lines to a callback; keeps the unfinished one until it ends or is flushed."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest = b""
        self._left = MAX_OUTPUT_BYTES

    def feed(self, data: bytes) -> bool:
        """Take output as it comes; False once it is too much and dropped."""
        self._left -= len(data)
        if self._left < 0:
            return False
        *lines, rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._emit(line)
        while len(rest) > MAX_LINE_BYTES:
            self._emit(rest[:MAX_LINE_BYTES])
            rest = rest[MAX_LINE_BYTES:]
        self._rest = rest
        return True

    def flush(self) -> int:
        """Emit what has no line end yet and begin anew; how many bytes were dropped."""
        if self._rest:
            rest, self._rest = self._rest, b""
            self._emit(rest)
        dropped, self._left = max(0, -self._left), MAX_OUTPUT_BYTES
        return dropped

    def _emit(self, line: bytes) -> None:
        # awslambdaric joins the lines of one traceback with carriage returns.
        text = line.decode(errors="replace").rstrip("\r").replace("\r", "\n")
        for start in range(0, max(1, len(text)), MAX_LINE_BYTES):
            self._on_line(text[start : start + MAX_LINE_BYTES])
