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
_COLOURS = {"dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_LEVEL_COLOURS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}
_ROUTINE = ("START ", "END ", "REPORT ", "INIT_START ")
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
        """Print what has come since the last turn, in order; of a flood, only the last lines."""
        found: list[tuple[str, str]] = []
        for file in self._offsets:
            lines = [shown for line in self._new_lines(file) if (shown := self._shown(file, line))]
            if len(lines) > _LINES_PER_TURN:
                print(f"… {len(lines) - _LINES_PER_TURN} more lines are in {file}")
            found += lines[-_LINES_PER_TURN:]
        for _when, text in sorted(found, key=lambda line: line[0]):
            print(text)
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """A line of the supervisor's own."""
        print(self._line("", "paywright", text, "yellow"), flush=True)

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

    def _shown(self, file: Path, line: str) -> tuple[str, str] | None:
        """A line's moment and how it is shown; None if it is not."""
        if file in self._quiet:
            alarming = any(word in line for word in _ALARMING)
            return ("", self._line("", file.stem, line, "red")) if alarming else None
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict):
            return "", self._line("", file.stem, line, "")
        told = _told(file.stem, entry)
        if told is None:
            return None
        who, message, colour = told
        when = str(entry.get("ts") or entry.get("received_at") or "")[:23]
        return when, self._line(when[11:19], who, message, colour)

    def _line(self, when: str, who: str, message: str, colour: str) -> str:
        text = " ".join(message.split())[:_LINE_CHARS]
        start = f"{self._paint(f'{when:8}', 'dim')} {self._paint(f'{who:>14}', 'cyan')}"
        return f"{start}  {self._paint(text, colour)}"

    def _paint(self, text: str, colour: str) -> str:
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self._colour and colour else text


def _told(part: str, entry: dict[str, Any]) -> tuple[str, str, str] | None:
    """Who says what in which colour; None for what would only be noise."""
    message, level = str(entry.get("message", "")), str(entry.get("level", "INFO"))
    who = str(entry.get("function") or part)
    match entry.get("kind"):
        case "access" if "status" in entry:
            status = int(entry["status"])
            request = f"{entry.get('method')} {entry.get('path')} {status}"
            colour = "green" if status < 400 else "yellow" if status < 500 else "red"
            return "gateway", f"{request}  {entry.get('duration_ms', 0):.0f} ms", colour
        case "platform" if message.startswith(_ROUTINE):
            return None
        case "function":
            level, message = _inner(level, message)
            if not message:
                return None
    if "verified" in entry:
        outcome = "signature verified" if entry["verified"] else "WRONG SIGNATURE"
        colour = "green" if entry["verified"] else "red"
        return who, f"webhook {entry.get('type')} {entry.get('id')}: {outcome}", colour
    return who, message, _LEVEL_COLOURS.get(level, "")


def _inner(level: str, message: str) -> tuple[str, str]:
    """The level and the telling fields of a function's own JSON log line; no message for noise."""
    try:
        entry = json.loads(message)
    except ValueError:
        return level, message
    if not isinstance(entry, dict):
        return level, message
    level = str(entry.get("level", level))
    # Metrics are for machines, and of each request the gateway tells already.
    if "_aws" in entry or (level == "INFO" and entry.get("message") == "request"):
        return level, ""
    told = [str(entry[name]) for name in _TELLING if entry.get(name) not in (None, "")]
    return level, "  ".join(told)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
