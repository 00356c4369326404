"""Ends what functions left outside their process group: daemons in sessions of their own.

A process is recognised by the TMPDIR that it inherited, which no two environments share. One that
was started with an environment of its own choosing is not.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

_VARIABLE = b"TMPDIR="
_ROUNDS = 5


class Leftovers:
    """One look through /proc serves all environments that end at about the same time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended: set[Path] = set()
        self._next: asyncio.Future[None] | None = None

    async def end(self, tmp_dir: Path) -> None:
        """Kill every process whose temporary folder this is; return when none is left."""
        self._ended.add(tmp_dir)
        if self._next is None:
            self._next = self._loop.create_task(self._sweep())
        await asyncio.shield(self._next)

    async def _sweep(self) -> None:
        await asyncio.sleep(0)  # those that end in the same moment join
        ended, self._ended, self._next = self._ended, set(), None
        await self._loop.run_in_executor(None, kill_by_tmp_dir, frozenset(ended))


def kill_by_tmp_dir(folders: frozenset[Path]) -> None:
    """Kill the processes that have one of the folders, or one inside, as their TMPDIR."""
    for _ in range(_ROUNDS):  # what was forked while looking is found in the next round
        found = [pid for pid in _processes() if _is_in(pid, folders)]
        for pid in found:
            _kill(pid, folders)
        if not found:
            return


def _processes() -> list[int]:
    try:
        return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    except OSError:
        return []  # no Linux


def _is_in(pid: int, folders: frozenset[Path]) -> bool:
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            if entry.startswith(_VARIABLE):
                folder = Path(os.fsdecode(entry[len(_VARIABLE) :]))
                return folder in folders or folder.parent in folders
    return False


def _kill(pid: int, folders: frozenset[Path]) -> None:
    """Kill a process unless its number has gone to another one meanwhile."""
    with contextlib.suppress(OSError):
        pidfd = os.pidfd_open(pid)
        try:
            if _is_in(pid, folders):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        finally:
            os.close(pidfd)
