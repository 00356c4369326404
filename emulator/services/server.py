"""What all servers share: a port, a folder, a log, a start that is waited for, a clean end."""

from __future__ import annotations

import os
import shutil
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from emulator.services import ports
from emulator.services.errors import ServiceError
from emulator.services.process import Child

_POLL_S = 0.02
_ATTEMPTS = 100
# sockaddr_un of unix(7) has 108 bytes on Linux and 104 on macOS, the last of them 0.
_LONGEST_SOCKET_PATH = 103
_RETRY_PAUSE_S = 0.1
_FREE_BYTES_NEEDED = 300 * 1024 * 1024
_PASSED_ON = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH")


class Server(ABC):
    """One server on 127.0.0.1, run as a child of this process.

    `start` returns as soon as the process runs, so that several can come up at the same time;
    `wait_ready` waits until it serves. Both raise ServiceError.
    """

    title: ClassVar[str]
    stop_signals: ClassVar[Sequence[signal.Signals]] = (signal.SIGTERM, signal.SIGKILL)
    passing_failures: ClassVar[Sequence[str]] = ("already in use",)

    def __init__(
        self,
        *,
        data_dir: Path,
        log: Path,
        preferred_port: int,
        taken_ports: Collection[int] = (),
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.log = log.absolute()
        self.preferred_port = preferred_port
        self.taken_ports = taken_ports
        self.port = 0
        self.notes: list[str] = []
        self.child: Child | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients reach it, credentials included."""

    @property
    def near_url(self) -> str:
        """The same for clients on this machine that ask often: over a Unix socket if it can be.

        A round trip over it takes six tenths of the processor time that one over TCP takes.
        """
        return self.url

    @abstractmethod
    def prepare(self) -> None:
        """Do once, before the process starts, whatever its data folder needs."""

    @abstractmethod
    def launch(self) -> Child:
        """Start the process on `self.port`."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether it serves now."""

    def start(self) -> None:
        """Choose a port and start the process, without waiting until it serves."""
        require_space(self.data_dir)
        self.prepare()
        self.port = ports.choose(self.preferred_port, self.taken_ports)
        self.child = self.launch()

    def wait_ready(self, timeout_s: float = 60) -> None:
        """Wait until it serves; on failure nothing of it is left running."""
        assert self.child is not None, "start() comes first"
        deadline = time.monotonic() + timeout_s
        attempts = 0
        while not (self.ready() and self._has_port()):
            attempts += self._revive(attempts)
            if time.monotonic() > deadline:
                self.stop()
                raise ServiceError(
                    f"{self.title} was not ready within {timeout_s:.0f} s; its log is {self.log}."
                )
            time.sleep(_POLL_S)

    def restart(self, timeout_s: float = 60) -> None:
        """Start again after its death, on the same port, where its clients expect it."""
        self.stop()
        self.prepare()
        self.preferred_port = self.port
        self.child = self.launch()
        self.wait_ready(timeout_s)

    def running(self) -> bool:
        """Whether its process runs."""
        return self.child is not None and self.child.running()

    def stop(self) -> None:
        """End the process and all it started; nothing happens if there is none."""
        if self.child is not None:
            self.child.stop(self.stop_signals)
            self.child = None

    def _socket(self, name: str) -> Path | None:
        """Its Unix socket in the data folder, unless the path is longer than the system takes."""
        path = self.data_dir / name
        return path if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH else None

    def _has_port(self) -> bool:
        """Whether it was this one that answered: another may have been faster to take the port."""
        return self.child is not None and ports.belongs_to(self.port, self.child.identity.pid)

    def _revive(self, attempts: int) -> int:
        """Launch again if what ended the process passes by itself; how many launches that took."""
        assert self.child is not None
        if self.child.running():
            return 0
        tail = self.child.log_tail()
        self.child.stop(self.stop_signals)
        if attempts < _ATTEMPTS and any(
            words in line for words in self.passing_failures for line in tail
        ):
            time.sleep(_RETRY_PAUSE_S)
            self.port = ports.choose(self.preferred_port, self.taken_ports)
            self.child = self.launch()
            return 1
        self.child = None
        raise ServiceError(f"{self.title} did not start: {why(tail)} (log: {self.log}).")


def why(tail: Sequence[str]) -> str:
    """The line of a log's end that best says why a server stopped."""
    for words in ("FATAL", "PANIC", "No space left", "rror"):
        for line in reversed(tail):
            if words in line:
                return line.strip().rstrip(".")
    return tail[-1].strip().rstrip(".") if tail else "it ended without a word"


def require_space(folder: Path, needed_bytes: int = _FREE_BYTES_NEEDED) -> None:
    """Raise ServiceError unless the folder can be made and its disk has room."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder.parent).free
    except OSError as error:
        raise ServiceError(f"The folder {folder} cannot be made: {error.strerror}.") from error
    if free < needed_bytes:
        raise ServiceError(
            f"The disk of {folder} is full: {free // 2**20} MB are free and "
            f"{needed_bytes // 2**20} MB are needed."
        )


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a server gets of this process's environment, and `extra`."""
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**kept, **(extra or {})}
