"""A log file that another process writes: read from its end, then followed.

The supervisor keeps logs small: what was written becomes `<name>.1`, and the file starts anew
(`emulator.services.process.bound_log`). Nothing is read into memory whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK_BYTES = 256 * 1024
_KEPT_BYTES = 4096
"""Of the last line, to know the place again."""
_OVERLAP_BYTES = 4 * 1024 * 1024
"""How much of `<name>.1` is searched for where a follower was when the file started anew."""


@dataclass(frozen=True)
class Position:
    """A place between two lines."""

    file: Path
    offset: int


def rotated(log: Path) -> Path:
    """Where the older part of a log is."""
    return log.with_name(log.name + ".1")


def size_of(file: Path) -> int:
    """Its size in bytes, 0 if there is no such file."""
    try:
        return file.stat().st_size
    except OSError:
        return 0


def backward(log: Path) -> Iterator[tuple[Position, bytes]]:
    """The lines of a log from the last to the first, each with where it begins."""
    for file in (log, rotated(log)):
        for offset, line in _backward(file):
            yield Position(file, offset), line


def _backward(file: Path) -> Iterator[tuple[int, bytes]]:
    try:
        opened = file.open("rb")
    except OSError:
        return
    with opened:
        at = opened.seek(0, os.SEEK_END)
        rest = b""
        while at > 0:
            length = min(_BLOCK_BYTES, at)
            at = opened.seek(at - length)
            first, *lines = (opened.read(length) + rest).split(b"\n")
            offset = at + len(first) + 1 + sum(len(line) + 1 for line in lines)
            for line in reversed(lines):
                offset -= len(line) + 1
                if line:
                    yield offset, line
            rest = first
        if rest:
            yield 0, rest


def begin(log: Path, reached: Callable[[bytes], bool]) -> Position:
    """Where the last line begins for which `reached` holds; the start if there is none."""
    for position, line in backward(log):
        if reached(line):
            return position
    return start(log)


def start(log: Path) -> Position:
    """Where the first whole line begins: the older part was cut anywhere."""
    older = rotated(log)
    return _next_line(Position(older, 0)) if older.exists() else Position(log, 0)


def _next_line(position: Position) -> Position:
    """Where the first line after a position in the middle of one begins."""
    with position.file.open("rb") as opened:
        opened.seek(position.offset)
        return Position(position.file, position.offset + len(opened.readline()))


class Follower:
    """The lines of a log from a position on, and what comes later, through its new starts."""

    def __init__(self, log: Path, position: Position | None = None) -> None:
        """Without a position: from where the log ends now."""
        self._log = log
        self._position = position or Position(log, size_of(log))
        self._last = b""

    def lines(self, most_bytes: int | None = None) -> Iterator[bytes]:
        """The whole lines that are there by now and were not given yet.

        With `most_bytes`, what lies further back than that from the end is passed over.
        """
        if self._position.file != self._log:
            yield from self._read()
            self._position = Position(self._log, 0)
        elif self._is_anew():
            self._position = self._in_older()
            yield from self._read()
            self._position = Position(self._log, 0)
        if most_bytes is not None and size_of(self._log) - self._position.offset > most_bytes:
            self._position = _next_line(Position(self._log, size_of(self._log) - most_bytes))
        yield from self._read()

    def _is_anew(self) -> bool:
        """Whether the log was begun anew: something else stands before our position."""
        offset = self._position.offset
        if size_of(self._log) < offset:
            return True
        try:
            with self._log.open("rb") as opened:
                opened.seek(offset - len(self._last))
                return opened.read(len(self._last)) != self._last
        except OSError:
            return False

    def _in_older(self) -> Position:
        """Where the older part goes on after the last line given; its end if that is not there."""
        older = rotated(self._log)
        end = size_of(older)
        if self._last and end:
            looked_from = max(0, end - _OVERLAP_BYTES)
            with older.open("rb") as opened:
                opened.seek(looked_from)
                found = opened.read().rfind(self._last)
            if found >= 0:
                return Position(older, looked_from + found + len(self._last))
        return Position(older, end)

    def _read(self) -> Iterator[bytes]:
        """Read on in the present file to its last whole line."""
        file, offset = self._position.file, self._position.offset
        if size_of(file) <= offset:
            return
        try:
            opened = file.open("rb")
        except OSError:
            return
        last = b""
        with opened:
            opened.seek(offset)
            try:
                for line in opened:
                    if not line.endswith(b"\n"):
                        return  # the rest of it is still to come
                    offset += len(line)
                    last = line
                    if len(line) > 1:
                        yield line[:-1]
            finally:
                self._position = Position(file, offset)
                self._last = last[-_KEPT_BYTES:] or self._last
