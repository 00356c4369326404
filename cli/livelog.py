"""The live log of a system in the foreground: the parts' log files, followed and made readable."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

_READ_BYTES = 262_144
_LINES_PER_TURN = 200
_LINE_CHARS = 400
_ALARMING = ("WARN", "ERROR", "FATAL", "PANIC")
_COLOURS = {"dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}
_TELLING = ("message", "exception", "error", "payment_id", "function", "event_id", "type", "status")


class LiveLog:
    """Shows what the followed files gain, from one turn to the next."""

    def __init__(self) -> None:
        self._quiet: frozenset[Path] = frozenset()
        self._offsets: dict[Path, int] = {}
        self._colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def follow(self, files: list[Path], quiet: list[Path]) -> None:
        """Follow these from where they end now; of `quiet`, only lines that sound alarming."""
        self._quiet = frozenset(quiet)
        self._offsets = {file: _size(file) for file in (*files, *quiet)}

    def turn(self) -> None:
        """Print what has come since the last turn; of a flood, only the last lines."""
        for file in self._offsets:
            lines = [text for line in self._new_lines(file) if (text := self._readable(file, line))]
            if len(lines) > _LINES_PER_TURN:
                print(f"… {len(lines) - _LINES_PER_TURN} more lines are in {file}")
            for text in lines[-_LINES_PER_TURN:]:
                print(text)
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """A line of the supervisor's own."""
        print(self._paint(f"{'paywright':>16}  {text}", "yellow"), flush=True)

    def _new_lines(self, file: Path) -> list[str]:
        size, offset = _size(file), self._offsets[file]
        if size < offset:
            offset = 0  # it was cut: a new file, as far as we know
        start = max(offset, size - _READ_BYTES)
        if size == offset:
            return []
        with file.open("rb") as opened:
            opened.seek(start)
            content = opened.read(size - start)
        whole, _, rest = content.rpartition(b"\n")
        self._offsets[file] = size - len(rest)
        return whole.decode(errors="replace").splitlines()

    def _readable(self, file: Path, line: str) -> str | None:
        if file in self._quiet:
            if not any(word in line for word in _ALARMING):
                return None
            return self._paint(f"{file.stem:>16}  {line[:_LINE_CHARS]}", "red")
        try:
            entry = json.loads(line)
        except ValueError:
            entry = {"message": line}
        if not isinstance(entry, dict):
            entry = {"message": line}
        return self._entry(file, entry)

    def _entry(self, file: Path, entry: dict[str, Any]) -> str | None:
        message = str(entry.get("message", ""))
        kind, level = entry.get("kind"), str(entry.get("level", "INFO"))
        if kind == "platform" and message.startswith(("START ", "END ", "REPORT ", "INIT_START ")):
            return None
        who = str(entry.get("function") or ("gateway" if kind == "access" else file.stem))
        if kind == "function":
            level, message = _inner(level, message)
        if message == "" or message.startswith('{"_aws"'):
            return None
        if file.stem == "receiver" and "verified" in entry:
            message = f"{entry.get('type')} {entry.get('id')} verified: {entry['verified']}"
        when = str(entry.get("ts") or entry.get("received_at") or "")[11:19]
        colour = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}.get(
            level, {"access": "green", "platform": "dim"}.get(str(kind), "")
        )
        text = self._paint(f"{message[:_LINE_CHARS]}", colour)
        return f"{self._paint(f'{when:8}', 'dim')} {self._paint(f'{who:>16}', 'cyan')}  {text}"

    def _paint(self, text: str, colour: str) -> str:
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self._colour and colour else text


def _inner(level: str, message: str) -> tuple[str, str]:
    """The level and the telling fields of a function's own JSON log line."""
    try:
        entry = json.loads(message)
    except ValueError:
        return level, message.rstrip()
    if not isinstance(entry, dict) or "_aws" in entry:
        return level, "" if isinstance(entry, dict) else message
    told = [str(entry[name]) for name in _TELLING if entry.get(name) not in (None, "")]
    return str(entry.get("level", level)), "  ".join(told)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
