"""What was accepted survives the process: a file of changes, one JSON line each.

Written to the system before the answer goes out, so that a killed process loses nothing; not
forced to the disk, so that a power cut may. When most of the file is history it is written anew
with what is left. A line without an end, from a process killed as it wrote, is dropped; one that
cannot be read is skipped and told of.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

_LOG = logging.getLogger(__name__)

Change = list[Any]
"""A kind, a queue's key, and what that kind needs; see `Store`."""

_REWRITE_BYTES = 32 * 1024 * 1024
_REWRITE_FACTOR = 3


class Journal(Protocol):
    """Where changes go."""

    def append(self, change: Change) -> None:
        """Keep a change; raise OSError, keeping nothing of it, if that is impossible."""
        ...

    def read(self) -> Iterator[Change]:
        """Yield what was kept before this process."""
        ...

    def begin(self, snapshot: Callable[[], Iterable[Change]]) -> None:
        """Start anew with these changes, now and whenever `tidy` finds too long a history."""
        ...

    def tidy(self) -> None:
        """Start anew if the history has grown too long; all that was appended must be applied."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class NoJournal:
    """Keeps nothing."""

    def append(self, change: Change) -> None:
        """Forget it."""

    def read(self) -> Iterator[Change]:
        """Yield nothing."""
        yield from ()

    def begin(self, snapshot: Callable[[], Iterable[Change]]) -> None:
        """Do nothing."""

    def tidy(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class FileJournal:
    """Keeps changes in a file, which no other process may use; raises OSError if one does."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = path.with_suffix(".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise OSError(error.errno, f"another process keeps its queues in {path}") from error
        self._file = -1
        self._size = 0
        self._rewrite_at = 0
        self._snapshot: Callable[[], Iterable[Change]] = tuple

    def read(self) -> Iterator[Change]:
        """Yield what the file holds."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    return
                try:
                    change = json.loads(line)
                except ValueError:
                    change = None
                if isinstance(change, list):
                    yield change
                else:
                    _LOG.warning("line %d of %s is skipped: it is no change", number, self._path)

    def begin(self, snapshot: Callable[[], Iterable[Change]]) -> None:
        """Write what the snapshot gives to a new file, which takes the old one's place."""
        self._snapshot = snapshot
        new = self._path.with_suffix(".new")
        file = os.open(new, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_APPEND, 0o600)
        try:
            size = 0
            for change in snapshot():
                size += _write(file, _line(change))
            new.replace(self._path)
        except BaseException:
            os.close(file)
            raise
        if self._file >= 0:
            os.close(self._file)
        self._file, self._size = file, size
        self._rewrite_at = max(_REWRITE_BYTES, _REWRITE_FACTOR * size)

    def append(self, change: Change) -> None:
        """Add a line, whole or not at all."""
        try:
            self._size += _write(self._file, _line(change))
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise

    def tidy(self) -> None:
        """Drop the history once most of the file is history.

        Never within `append`: the snapshot lacks a change that its caller has yet to make.
        """
        if self._size > self._rewrite_at:
            self._rewrite_at = 2 * self._size
            try:
                self.begin(self._snapshot)
            except OSError as error:
                _LOG.warning("%s grows on: %s", self._path, error)

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self._lock.close()


def open_journal(folder: Path | None) -> Journal:
    """Return the journal of a folder, which is made; without one, nothing is kept."""
    if folder is None:
        return NoJournal()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return FileJournal(folder / "sqs.journal")


def _line(change: Change) -> bytes:
    return json.dumps(change, separators=(",", ":")).encode() + b"\n"


def _write(file: int, data: bytes) -> int:
    written = 0
    while written < len(data):
        written += os.write(file, memoryview(data)[written:])
    return written
