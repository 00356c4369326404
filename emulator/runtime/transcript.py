"""What one environment says: its function's output, line by line, and the platform's words on it.

Lines that come while an invocation runs are that invocation's: they carry its ids, and its log
tail has them.
"""

from __future__ import annotations

import time

from emulator.logs import Kind, timestamp
from emulator.metrics import EMF_MARK
from emulator.runtime import reports
from emulator.runtime.invocation import Invocation
from emulator.runtime.lines import MAX_OUTPUT_BYTES, LineSplitter
from emulator.runtime.reports import Failure
from emulator.runtime.surroundings import Surroundings


class Transcript:
    """The log lines of one environment; `invocation` is whose they are, None outside of any."""

    def __init__(self, function: str, around: Surroundings) -> None:
        self.invocation: Invocation | None = None
        self._function = function
        self._sink = around.sink
        self._metrics = around.metrics
        self._lines = LineSplitter(self._on_line)
        self.feed = self._lines.feed
        """Takes output as it comes; False once it is too much and dropped."""

    def flush(self) -> None:
        """Write what has no line end yet, and say how much was dropped."""
        dropped = self._lines.flush()
        if dropped:
            text = f"{dropped} bytes of output were dropped: the log keeps {MAX_OUTPUT_BYTES}"
            self.platform(f"{text} of one invocation", level="WARNING")

    def explain(self, invocation: Invocation, failure: Failure) -> None:
        """Say what ended an invocation.

        What a runtime reports of its INIT it has said before, on lines of no invocation: it is
        said again on a line of the one that failed for it.
        """
        if failure.status == reports.TIMED_OUT:
            now = timestamp(time.time())
            line = f"{now} {invocation.request_id} {failure.message}"
        elif failure.reported is not None:
            line = reports.told(failure.reported)
        else:
            line = f"RequestId: {invocation.request_id} Error: {failure.message}"
            line += f"\n{failure.error_type}"
        self.platform(line, level="INFO" if failure is reports.STOPPED else "ERROR")

    def platform(self, line: str, *, level: str = "INFO") -> None:
        """Write a line of the platform's own."""
        self._write(Kind.PLATFORM, line, level)

    def _on_line(self, line: str) -> None:
        if EMF_MARK in line:
            self._metrics.emf(line)
        self._write(Kind.FUNCTION, line, "INFO")

    def _write(self, kind: Kind, line: str, level: str) -> None:
        invocation, name = self.invocation, self._function
        if invocation is None:
            self._sink(kind, line, function=name, level=level)
            return
        invocation.note(line)
        self._sink(
            kind,
            line,
            function=name,
            request_id=invocation.request_id,
            level=level,
            trace_id=invocation.trace_id,
        )
