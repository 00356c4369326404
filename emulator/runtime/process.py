"""One child process in a group of its own, its output and its end observed by the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_READ_BYTES = 65_536
_DRAIN_READS = 32
_PAUSE_S = 0.01
# Lambda's quotas page: file descriptors of an environment.
_MAX_DESCRIPTORS = 1_024


class ChildProcess:
    """A running child: output goes to `on_output` as it comes, its exit code to `on_exit`.

    When `on_output` says that it wants no more, reading goes on slowly.

    Spawning takes about a millisecond (vfork). stdout and stderr share one pipe, so their order
    is kept. When the child ends, whatever is left of its process group is killed.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        on_output: Callable[[bytes], bool],
        on_exit: Callable[[int], None],
    ) -> None:
        """Start it; raises OSError when that is impossible."""
        self._loop = asyncio.get_running_loop()
        self._on_output = on_output
        self._on_exit = on_exit
        self._output, write_end = os.pipe()
        os.set_blocking(self._output, False)
        try:
            self._popen = subprocess.Popen(  # noqa: S603 - the argv is the emulator's own
                argv,
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                process_group=0,
            )
        except OSError:
            os.close(self._output)
            raise
        finally:
            os.close(write_end)
        self.pid = self._popen.pid
        _limit_descriptors(self.pid)
        self._listen()
        self._watch_exit()

    @property
    def running(self) -> bool:
        """Whether the child has not been seen to end."""
        return self._popen.returncode is None

    def kill(self) -> None:
        """Kill the whole process group; `on_exit` follows."""
        # Only a child that was not yet waited for still owns its group's number.
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def drain(self) -> None:
        """Take the output that is there now: all that the child wrote before it last spoke."""
        for _ in range(_DRAIN_READS):
            if not self._read():
                return

    def _read(self) -> bool:
        if self._output < 0:
            return False
        try:
            data = os.read(self._output, _READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._close_output()
            return False
        if not self._on_output(data):
            self._loop.remove_reader(self._output)
            self._loop.call_later(_PAUSE_S, self._listen)
        return True

    def _listen(self) -> None:
        if self._output >= 0:
            self._loop.add_reader(self._output, self._read)

    def _close_output(self) -> None:
        if self._output >= 0:
            self._loop.remove_reader(self._output)
            os.close(self._output)
            self._output = -1

    def _watch_exit(self) -> None:
        if hasattr(os, "pidfd_open"):
            pidfd = os.pidfd_open(self.pid)

            def ended() -> None:
                self._loop.remove_reader(pidfd)
                os.close(pidfd)
                self._ended()

            self._loop.add_reader(pidfd, ended)
        else:

            def wait() -> None:
                os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
                with contextlib.suppress(RuntimeError):  # the loop is closed
                    self._loop.call_soon_threadsafe(self._ended)

            threading.Thread(target=wait, daemon=True).start()

    def _ended(self) -> None:
        self.kill()  # what the child left behind in its group; the child is a zombie until waited
        code = self._popen.wait()
        self.drain()
        self._close_output()
        self._on_exit(code)


def _limit_descriptors(pid: int) -> None:
    """Set the child's limit from outside: a function run between fork and exec would cost vfork."""
    if hasattr(resource, "prlimit"):
        with contextlib.suppress(OSError):
            _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            unlimited = hard == resource.RLIM_INFINITY
            limit = _MAX_DESCRIPTORS if unlimited else min(hard, _MAX_DESCRIPTORS)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, limit))
