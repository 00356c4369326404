"""Shows people what `paywright up` does while it does it."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from typing import Protocol


class Progress(Protocol):
    """Told of each step; shows it somewhere."""

    def waiting(self, text: str) -> None:
        """What is being waited for now."""

    def done(self, text: str) -> None:
        """A step that is done."""

    def note(self, text: str) -> None:
        """Something the reader should know."""

    def finish(self) -> None:
        """No more steps."""


class PlainProgress:
    """One line for each step."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def waiting(self, text: str) -> None:
        """Lines are for what is done."""

    def done(self, text: str) -> None:
        """The step, with the time since the start."""
        print(f"{time.monotonic() - self._start:5.1f} s  {text}", flush=True)

    def note(self, text: str) -> None:
        """The note."""
        print(f"         {text}", flush=True)

    def finish(self) -> None:
        """Nothing is left to do."""


class RichProgress:
    """A spinner with what is being waited for, and a line for each step done."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - only a terminal pays for loading it

        self._start = time.monotonic()
        self._console = Console(highlight=False)
        self._status = self._console.status("starting", spinner="dots")
        self._status.start()

    def waiting(self, text: str) -> None:
        """The spinner's text."""
        self._status.update(f"{text} …")

    def done(self, text: str) -> None:
        """A check mark, the step and the time since the start."""
        elapsed = time.monotonic() - self._start
        self._console.print(f"[green]✓[/green] {text} [dim]{elapsed:.1f} s[/dim]")

    def note(self, text: str) -> None:
        """The note, in yellow."""
        self._console.print(f"  [yellow]{text}[/yellow]")

    def finish(self) -> None:
        """Take the spinner away."""
        self._status.stop()


class PipeProgress:
    """Hands each step to the process that started this one; `play` is the other end."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def waiting(self, text: str) -> None:
        """Pass it on."""
        self.send("waiting", text)

    def done(self, text: str) -> None:
        """Pass it on."""
        self.send("done", text)

    def note(self, text: str) -> None:
        """Pass it on."""
        self.send("note", text)

    def finish(self) -> None:
        """The other end sees it in the last message."""

    def send(self, kind: str, text: str) -> None:
        """Write one message; nobody has to be there any more to read it."""
        with contextlib.suppress(OSError):
            os.write(self._descriptor, json.dumps([kind, text]).encode() + b"\n")

    def close(self, kind: str, text: str = "") -> None:
        """Write the last message and close the pipe."""
        self.send(kind, text)
        os.close(self._descriptor)


def on_terminal(*, quiet: bool = False) -> Progress:
    """The progress that fits where standard output goes; nothing is shown when quiet."""
    if quiet:
        return Silence()
    return RichProgress() if sys.stdout.isatty() else PlainProgress()


class Silence:
    """Shows nothing, for output that a program reads."""

    def waiting(self, text: str) -> None:
        """Nothing."""

    def done(self, text: str) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def finish(self) -> None:
        """Nothing."""


def play(line: str, progress: Progress) -> tuple[str, str] | None:
    """Show one message of a PipeProgress; the last message, which has no step, is returned."""
    kind, text = json.loads(line)
    if kind in ("waiting", "done", "note"):
        getattr(progress, kind)(text)
        return None
    return kind, text
