"""Cuts a function's output into log lines of bounded length."""

from __future__ import annotations

from collections.abc import Callable

# CloudWatch Logs takes events of at most 256 KB (its quotas page); longer lines are cut there too.
MAX_LINE_BYTES = 256 * 1024


class LineSplitter:
    """Feeds whole lines to a callback; keeps the unfinished one until it ends or is flushed."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take output as it comes."""
        *lines, rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._emit(line)
        while len(rest) > MAX_LINE_BYTES:
            self._emit(rest[:MAX_LINE_BYTES])
            rest = rest[MAX_LINE_BYTES:]
        self._rest = rest

    def flush(self) -> None:
        """Emit what has no line end yet."""
        if self._rest:
            rest, self._rest = self._rest, b""
            self._emit(rest)

    def _emit(self, line: bytes) -> None:
        # awslambdaric joins the lines of one traceback with carriage returns.
        text = line.decode(errors="replace").rstrip("\r").replace("\r", "\n")
        for start in range(0, max(1, len(text)), MAX_LINE_BYTES):
            self._on_line(text[start : start + MAX_LINE_BYTES])
