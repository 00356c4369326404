"""Where every log line goes: functions' output, the platform's own lines, the access log.

Lines are gathered and written together by one thread at a time, so that a reader who stalls
holds up neither requests nor functions; what does not fit the buffer meanwhile is counted out.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from json.encoder import encode_basestring
from typing import Any, Protocol

_FLUSH_DELAY_S = 0.02
_BUFFER_LIMIT_BYTES = 16 * 1024 * 1024


class Kind(StrEnum):
    """Who speaks in a log line."""

    ACCESS = "access"  # the gateway: one line for each request
    FUNCTION = "function"  # what a function printed
    PLATFORM = "platform"  # Lambda and the emulator: START, END, REPORT, what went wrong


class LogSink(Protocol):
    """Takes one line; must not block."""

    def __call__(
        self,
        kind: Kind,
        message: str,
        *,
        function: str | None = None,
        request_id: str | None = None,
        level: str = "INFO",
        **fields: Any,
    ) -> None:
        """Write one line; `fields` join it in JSON only."""
        ...


_second: tuple[int, str] = (-1, "")
_millisecond: tuple[int, str] = (-1, "")


def timestamp(epoch_s: float) -> str:
    """RFC 3339 in UTC with milliseconds."""
    global _second, _millisecond  # noqa: PLW0603 - lines come many to a millisecond
    millis = int(epoch_s * 1000)
    if _millisecond[0] != millis:
        whole, rest = divmod(millis, 1000)
        if _second[0] != whole:
            _second = (whole, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)))
        _millisecond = (millis, f"{_second[1]}.{rest:03d}Z")
    return _millisecond[1]


_Format = Callable[[Kind, str, str, Mapping[str, Any]], str]


def _as_json(kind: Kind, message: str, level: str, fields: Mapping[str, Any]) -> str:
    # Joined by hand: four lines are written for every request.
    more = "".join(
        [
            f'"{name}":{encode_basestring(value) if type(value) is str else _value(value)},'
            for name, value in fields.items()
        ]
    )
    return (
        f'{{"ts":"{timestamp(time.time())}","kind":"{kind!s}","level":"{level}",{more}'
        f'"message":{encode_basestring(message)}}}'
    )


def _value(value: Any) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None:
        return "null"
    return repr(value) if type(value) in (int, float) else json.dumps(value)


def _as_text(kind: Kind, message: str, level: str, fields: Mapping[str, Any]) -> str:
    who = fields["function"] or ("gateway" if kind is Kind.ACCESS else "emulator")
    loud = f"{level}: " if level in {"WARNING", "ERROR"} else ""
    return "\n".join(f"[{who}] {loud}{text}" for text in message.split("\n"))


class LogWriter:
    """The sink of a running emulator: text or JSON lines to a file descriptor."""

    def __init__(self, *, as_json: bool = False, fd: int = 1) -> None:
        self._format: _Format = _as_json if as_json else _as_text
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        self._lines: list[str] = []
        self._bytes = 0
        self._dropped = 0
        self.dropped = 0
        self._timer: asyncio.TimerHandle | None = None
        self._writing = False
        self._written = asyncio.Event()
        self._work: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        # A thread of its own, and a daemon: whoever does not read the log may block it for ever.
        threading.Thread(target=self._write, name="log", daemon=True).start()

    def __call__(
        self,
        kind: Kind,
        message: str,
        *,
        function: str | None = None,
        request_id: str | None = None,
        level: str = "INFO",
        **fields: Any,
    ) -> None:
        """Take one line; it is written within milliseconds."""
        if self._bytes > _BUFFER_LIMIT_BYTES:
            self._dropped += 1
            self.dropped += 1
            return
        fields = {"function": function, "request_id": request_id, **fields}
        line = self._format(kind, message, level, fields)
        self._lines.append(line)
        self._bytes += len(line)
        if self._timer is None and not self._writing:
            self._timer = self._loop.call_later(_FLUSH_DELAY_S, self._flush)

    def _flush(self) -> None:
        self._timer = None
        if self._dropped:
            text = f"{self._dropped} log lines were dropped: nobody read them in time"
            fields = {"function": None, "request_id": None}
            self._lines.append(self._format(Kind.PLATFORM, text, "WARNING", fields))
            self._dropped = 0
        data = ("\n".join(self._lines) + "\n").encode(errors="replace")
        self._lines.clear()
        self._bytes = 0
        self._writing = True
        self._work.put(data)

    def _done(self) -> None:
        self._writing = False
        if self._lines:
            self._timer = self._loop.call_later(_FLUSH_DELAY_S, self._flush)
        self._written.set()

    def _write(self) -> None:
        """The thread: writes one batch after the other."""
        while True:
            view = memoryview(self._work.get())
            while view:
                try:
                    view = view[os.write(self._fd, view) :]
                except OSError:
                    break  # a closed pipe, a full disk: no reason to stop serving
            try:
                self._loop.call_soon_threadsafe(self._done)
            except RuntimeError:
                return  # the loop is closed

    async def close(self, timeout_s: float = 1.0) -> None:
        """Write what is left, unless nobody reads it within `timeout_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._lines or self._writing:
                    if not self._writing and self._timer is not None:
                        self._timer.cancel()
                        self._flush()
                    self._written.clear()
                    await self._written.wait()


class Tee:
    """A sink that hands each line to several."""

    def __init__(self, sinks: Sequence[LogSink]) -> None:
        self._sinks = sinks

    def __call__(
        self,
        kind: Kind,
        message: str,
        *,
        function: str | None = None,
        request_id: str | None = None,
        level: str = "INFO",
        **fields: Any,
    ) -> None:
        """Write one line to each."""
        for sink in self._sinks:
            sink(kind, message, function=function, request_id=request_id, level=level, **fields)
