"""The live log of a system in the foreground: the parts' log files, followed and made readable."""

from __future__ import annotations

import sys
from pathlib import Path

from cli.logfile import Follower
from cli.logview import Entry, Painter, Shown, tell

_READ_BYTES = 262_144
_LINES_PER_TURN = 200
_LINE_CHARS = 400
_ALARMING = ("WARN", "ERROR", "FATAL", "PANIC")


class LiveLog:
    """Shows what the followed files gain, from one turn to the next."""

    def __init__(self) -> None:
        self._quiet: frozenset[Path] = frozenset()
        self._followed: dict[Path, Follower] = {}
        self._painter = Painter()

    def follow(self, files: list[Path], quiet: list[Path]) -> None:
        """Follow these from where they end now; of `quiet`, only lines that sound alarming."""
        self._quiet = frozenset(quiet)
        self._followed = {file: Follower(file) for file in (*files, *quiet)}

    def turn(self) -> None:
        """Print what has come since the last turn, in order; of a flood, only the last lines."""
        found: list[tuple[str, str]] = []
        for file, follower in self._followed.items():
            lines = [
                shown
                for line in follower.lines(_READ_BYTES)
                if (shown := self._shown(file, line)) is not None
            ]
            if len(lines) > _LINES_PER_TURN:
                print(f"… {len(lines) - _LINES_PER_TURN} more lines are in {file}")
            found += lines[-_LINES_PER_TURN:]
        for _when, text in sorted(found, key=lambda line: line[0]):
            print(text)
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """A line of the supervisor's own."""
        print(self._line("", Shown("paywright", text, "yellow")), flush=True)

    def _shown(self, file: Path, raw: bytes) -> tuple[str, str] | None:
        """A line's moment and how it is shown; None if it is not."""
        if file in self._quiet:
            line = raw.decode(errors="replace")
            alarming = any(word in line for word in _ALARMING)
            return ("", self._line("", Shown(file.stem, line, "red"))) if alarming else None
        entry = Entry.of(raw)
        shown = None if _is_told_by_the_gateway(entry) else tell(entry, file.stem)
        return None if shown is None else (entry.when, self._line(entry.when[11:19], shown))

    def _line(self, when: str, shown: Shown) -> str:
        """One line on the screen: of a traceback, what it ends with."""
        end = shown.more.rstrip().rpartition("\n")[2]
        text = " ".join(f"{shown.text} {end}".split())[:_LINE_CHARS]
        return self._painter.line(f"{when:8}", Shown(shown.who, text, shown.colour))


def _is_told_by_the_gateway(entry: Entry) -> bool:
    if entry.said is not None:
        return entry.said.get("message") == "request" and entry.level == "INFO"
    return entry.ends
