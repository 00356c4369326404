"""A line of the emulator's log: what is in it, and how people are shown it."""

from __future__ import annotations

import json
import os
import re
import sys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

GATEWAY, EMULATOR = "gateway", "emulator"
"""Who speaks in access lines, and in lines that no function is meant by."""
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_COLOURS = {"dim": "2", "red": "31", "green": "32", "yellow": "33"}
_WHO_COLOURS = ("36", "35", "34", "96", "95", "94", "92", "32")
_LEVEL_COLOURS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red", "DEBUG": "dim"}
_FRAME = ("START ", "END ", "INIT_START ")
_PLAIN_LEVEL = re.compile(r"\[(DEBUG|INFO|WARNING|ERROR|CRITICAL)\]\s+")
_REPORT = re.compile(
    r"REPORT RequestId: \S+\tDuration: (?P<ms>[\d.]+) ms\t.*?"
    r"Max Memory Used: (?P<mb>\d+) MB\t(?:Init Duration: (?P<init>[\d.]+) ms\t)?(?P<more>.*)",
    re.DOTALL,
)
# What Powertools puts into each line, and ids that help machines only.
_STANDARD = frozenset(
    {
        *("level", "location", "message", "timestamp", "service", "cold_start", "function_name"),
        *("function_memory_size", "function_arn", "function_request_id", "request_id"),
        *("trace_id", "trace_ids", "xray_trace_id", "exception", "exception_name", "stack_trace"),
    }
)


@dataclass(frozen=True)
class Entry:
    """One line: the emulator's own fields and, where a function wrote JSON, what it `said`."""

    fields: Mapping[str, Any]
    said: Mapping[str, Any] | None

    @classmethod
    def of(cls, raw: bytes) -> Entry:
        """Read a line; one that is not the emulator's JSON is only a message."""
        text = raw.decode(errors="replace")
        fields = _object(text) or {"message": text}
        message = fields.get("message")
        said = _object(message) if isinstance(message, str) and message[:1] == "{" else None
        return cls(fields, said if fields.get("kind") == "function" else None)

    @property
    def when(self) -> str:
        """The moment, as RFC 3339; empty if the line has none."""
        return str(self.fields.get("ts") or self.fields.get("received_at") or "")

    @property
    def function(self) -> str | None:
        """The function that it is about."""
        name = self.fields.get("function")
        return name if isinstance(name, str) else None

    @property
    def request_id(self) -> str | None:
        """The gateway's or Lambda's id of the request."""
        found = self.fields.get("request_id")
        return found if isinstance(found, str) else None

    @property
    def message(self) -> str:
        """What was printed."""
        return str(self.fields.get("message", ""))

    @property
    def ends(self) -> bool:
        """Whether it tells of an invocation that is over."""
        return self.fields.get("kind") == "platform" and self.message.startswith("REPORT ")

    @property
    def is_access(self) -> bool:
        """Whether the gateway tells of a request."""
        return self.fields.get("kind") == "access" and isinstance(self.fields.get("status"), int)

    @property
    def level(self) -> str:
        """Its level: a function's own word for it, and errors that the gateway answered."""
        if self.is_access:
            status = self.fields["status"]
            return "ERROR" if status >= 500 else "WARNING" if status >= 400 else "INFO"
        level = self.fields.get("level", "INFO")
        if self.said is not None:
            level = self.said.get("level", level)
        elif match := _PLAIN_LEVEL.match(self.message):
            level = match[1]
        return level if level in LEVELS else "INFO"


@dataclass(frozen=True)
class Shown:
    """What people are told of a line; `more` is what goes below it, such as a traceback."""

    who: str
    text: str
    colour: str
    more: str = ""


def tell(entry: Entry, part: str = EMULATOR) -> Shown | None:
    """Who says what in which colour; None for what is for machines only.

    `part` is who speaks where no function does.
    """
    colour = _LEVEL_COLOURS.get(entry.level, "")
    who = entry.function or part
    if entry.is_access:
        fields, status = entry.fields, entry.fields["status"]
        text = f"{fields.get('method')} {fields.get('path')} {status}"
        colour = "green" if status < 400 else colour
        return Shown(GATEWAY, f"{text}  {fields.get('duration_ms', 0):.0f} ms", colour)
    if "verified" in entry.fields:
        return _webhook(who, entry.fields)
    if entry.said is not None:
        return _said(who, entry.said, colour)
    if entry.fields.get("kind") == "platform":
        if entry.message.startswith(_FRAME):
            return None
        if match := _REPORT.match(entry.message):
            return Shown(who, _report(match), colour or "dim")
    text, _, more = _PLAIN_LEVEL.sub("", entry.message, count=1).partition("\n")
    return Shown(who, text, colour, more) if text or more else None


def _webhook(who: str, fields: Mapping[str, Any]) -> Shown:
    outcome = "signature verified" if fields["verified"] else "WRONG SIGNATURE"
    text = f"webhook {fields.get('type')} {fields.get('id')}: {outcome}"
    return Shown(who, text, "green" if fields["verified"] else "red")


def _said(who: str, said: Mapping[str, Any], colour: str) -> Shown | None:
    if "_aws" in said:
        return None  # metrics
    found = [
        f"{name}={value}"
        for name, value in said.items()
        if name not in _STANDARD and value not in (None, "")
    ]
    text = "  ".join([str(said.get("message", "")), *found])
    return Shown(who, text, colour, str(said.get("exception") or ""))


def _report(match: re.Match[str]) -> str:
    init = f", INIT {float(match['init']):.0f} ms" if match["init"] else ""
    more = "".join(f", {part}" for part in match["more"].split("\t") if part.strip())
    return f"ran {float(match['ms']):.1f} ms, {match['mb']} MB{init}{more}"


class Painter:
    """Puts lines together, with colours where somebody sees them."""

    def __init__(self, colour: bool | None = None) -> None:
        self.on_terminal = sys.stdout.isatty()
        self._colour = (
            self.on_terminal and "NO_COLOR" not in os.environ if colour is None else colour
        )

    def line(self, when: str, shown: Shown) -> str:
        """One line, for `when` of any form."""
        who = self._paint(f"{shown.who:>14}", _WHO_COLOURS[_index(shown.who)])
        text = self._paint(shown.text, _COLOURS.get(shown.colour, ""))
        return f"{self._paint(when, _COLOURS['dim'])} {who}  {text}"

    def below(self, shown: Shown, indent: int) -> str:
        """What goes below a line, each of its lines moved in."""
        margin = " " * indent
        return "\n".join(
            self._paint(margin + line, _COLOURS["dim"]) for line in shown.more.rstrip().split("\n")
        )

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour and code and text else text


def _index(name: str) -> int:
    """The same colour for a name, always."""
    return zlib.crc32(name.encode()) % len(_WHO_COLOURS)


def _object(text: str) -> Mapping[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
