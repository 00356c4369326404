"""Sees to it that no function outlives the emulator, even one that is killed with SIGKILL.

A tiny process in a session of its own holds the other end of a pipe. The kernel closes that pipe
when the emulator ends, however it ends; the guard then kills the process groups it was told of and
what left them (see `leftovers`), and removes their temporary files. Unlike PR_SET_PDEATHSIG this
reaches what functions themselves forked, and it costs a cold start nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_PROGRAM = """
import os, shutil, signal, sys
root = sys.argv[1]
for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(ignored, signal.SIG_IGN)
groups = set()
for line in sys.stdin:
    sign, pid = line[0], int(line[1:])
    groups.add(pid) if sign == "+" else groups.discard(pid)
for pid in groups:
    try:
        os.killpg(pid, signal.SIGKILL)
    except OSError:
        pass
for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
    try:
        with open("/proc/" + name + "/environ", "rb") as file:
            if b"TMPDIR=" + os.fsencode(root) + b"/" in file.read():
                os.kill(int(name), signal.SIGKILL)
    except (OSError, ValueError):
        pass
shutil.rmtree(root, ignore_errors=True)
"""


class Guard:
    """The emulator's hand on its guard process."""

    def __init__(self, tmp_root: Path) -> None:
        """Start the guard; `tmp_root` is removed when the emulator is gone."""
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-S", "-c", _PROGRAM, str(tmp_root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
        assert self._process.stdin is not None
        self._pipe = self._process.stdin.fileno()

    def add(self, pid: int) -> None:
        """Guard the process group of this process."""
        self._tell(b"+%d\n" % pid)

    def remove(self, pid: int) -> None:
        """Forget a process that has ended."""
        self._tell(b"-%d\n" % pid)

    def _tell(self, line: bytes) -> None:
        # A guard that someone killed only means that a SIGKILL of the emulator goes unguarded.
        try:
            os.write(self._pipe, line)
        except BrokenPipeError:
            return

    def close(self, timeout_s: float = 5.0) -> None:
        """Let it finish: it kills what is still running and removes the temporary files."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
