"""Child processes: started in a group of their own, logged to a file, ended by identity.

A process is known by its pid and its start time, so that a pid which the system has given to
another process since is never signalled.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emulator.services.errors import ServiceError

_LAUNCHER = Path(__file__).with_name("launch.py")
_PROC = Path("/proc/self/stat")
_POLL_S = 0.02
_TAIL_BYTES = 16_384
_LOG_LIMIT_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class Account:
    """A user of the system that a server is given instead of root."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Identity:
    """One process and no other: its pid and when it started, as the system words it."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """The identity of a process that runs now; None if there is none or it is a zombie."""
        started = _started(pid)
        return None if started is None else cls(pid, started)

    def alive(self) -> bool:
        """Whether this very process still runs."""
        return _started(self.pid) == self.started

    def send(self, signum: signal.Signals) -> bool:
        """Signal this very process; False if it is gone. Raises ServiceError if not allowed."""
        try:
            if not hasattr(os, "pidfd_open"):
                if self.alive():
                    os.kill(self.pid, signum)
                    return True
                return False
            # A pidfd cannot come to mean another process between the check and the signal.
            handle = os.pidfd_open(self.pid)
            try:
                if not self.alive():
                    return False
                signal.pidfd_send_signal(handle, signum)
            finally:
                os.close(handle)
        except ProcessLookupError:
            return False
        except PermissionError as error:
            raise ServiceError(
                f"Process {self.pid} belongs to another user and cannot be stopped."
            ) from error
        return True

    def wait_gone(self, timeout_s: float) -> bool:
        """Wait until the process has ended; False if it has not within the time."""
        deadline = time.monotonic() + timeout_s
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def stop(
        self,
        signals: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGKILL),
        grace_s: float = 10,
    ) -> None:
        """Send the signals in turn, each after the grace of the one before, until it has ended."""
        for signum in signals:
            if not self.send(signum) or self.wait_gone(grace_s):
                return
        raise ServiceError(f"Process {self.pid} does not end.")


def _started(pid: int) -> str | None:
    if _PROC.exists():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            return None
        # proc(5): state is field 3 and starttime field 22 (ticks since boot, so the boot counts).
        return None if fields[0] in "ZX" else f"{_boot()}:{fields[19]}"
    answer = run(["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)]).stdout.split(None, 1)
    return None if len(answer) < 2 or answer[0].startswith("Z") else answer[1].strip()


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]


class Child:
    """A child process of ours, its group and its log."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, log_start: int) -> None:
        self.log = log
        self.identity = Identity.of(process.pid) or Identity(process.pid, "ended")
        self._process = process
        self._log_start = log_start

    def running(self) -> bool:
        """Whether it still runs."""
        return self._process.returncode is None and self.identity.alive()

    def stop(
        self,
        signals: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGKILL),
        grace_s: float = 10,
    ) -> None:
        """End it and all that is left of its group, and reap it."""
        if self._process.returncode is not None:
            return
        self.identity.stop(signals, grace_s)
        # Not reaped yet, so its pid still names the group and nobody else's.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=grace_s)

    def log_tail(self, lines: int = 20) -> list[str]:
        """The last non-empty lines that this process wrote to its log."""
        return log_tail(self.log, lines, start=self._log_start)


def log_tail(log: Path, lines: int = 20, *, start: int = 0) -> list[str]:
    """The last non-empty lines of a log, from a byte offset on; none if there is no log."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(min(start, size), size - _TAIL_BYTES))
            text = file.read(_TAIL_BYTES).decode(errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()][-lines:]


def bound_log(log: Path, limit_bytes: int = _LOG_LIMIT_BYTES) -> None:
    """Keep a log, which its process holds open for appending, within twice the limit.

    What was written becomes `<name>.1`, in place of what was there.
    """
    with contextlib.suppress(OSError):
        if log.stat().st_size > limit_bytes:
            with log.open("rb") as source, log.with_name(log.name + ".1").open("wb") as target:
                source.seek(-limit_bytes, os.SEEK_END)
                target.write(source.read())
            os.truncate(log, 0)


def run(
    command: Sequence[str],
    *,
    account: Account | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_s: float = 20,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, optionally as another user; whatever it returns is an answer.

    Raises OSError if it cannot be started and subprocess.TimeoutExpired after the timeout.
    """
    return subprocess.run(  # noqa: S603 - a list of our own making, no shell
        command,
        env=env,
        cwd=cwd,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=timeout_s,
        stdin=subprocess.DEVNULL,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def spawn(
    name: str,
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str],
    cwd: Path | None = None,
    account: Account | None = None,
    death_signal: signal.Signals | None = signal.SIGTERM,
    stdin: bytes | None = None,
) -> Child:
    """Start a program in a session of its own, its output appended to `log`.

    `death_signal` reaches it when this process dies, however it dies (Linux; the thread that
    spawns must live as long as the process, so call this from the main thread). `stdin` is given
    to it, at most 64 KB. Raises ServiceError if the log cannot be written.
    """
    launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid())]
    as_user = f"{account.uid}:{account.gid}" if account else "-"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        bound_log(log)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise ServiceError(f"The log {log} cannot be written: {error.strerror}.") from error
    try:
        start = os.fstat(descriptor).st_size
        process = subprocess.Popen(  # noqa: S603 - a list of our own making, no shell
            [*launcher, str(int(death_signal or 0)), as_user, *command],
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=descriptor,
            stderr=descriptor,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
        )
    except OSError as error:
        raise ServiceError(f"{name} cannot be started: {error.strerror}.") from error
    finally:
        os.close(descriptor)
    if stdin is not None and process.stdin is not None:
        assert len(stdin) <= 65_536, "more than a pipe holds would block"
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(stdin)
            process.stdin.close()
    return Child(process, log, start)
