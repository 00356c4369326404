"""What runs: the supervisor, its parts and their URLs, kept in a file while it is true."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from cli.errors import Failure
from cli.paths import CHECKOUT, Home, open_private, read_private, write_private
from emulator.services.process import Identity, run


@dataclass(frozen=True)
class Emulated:
    """Where an emulator serves; None for what its template has nothing of."""

    gateway_url: str | None
    lambda_url: str
    aws_endpoint_url: str | None


@dataclass(frozen=True)
class Urls(Emulated):
    """Where everything of Paywright is; what `paywright status --json` prints."""

    gateway_url: str
    aws_endpoint_url: str
    database_url: str
    valkey_url: str
    receiver_url: str
    commit: str


@dataclass
class State:
    """One run of the system. `urls` is there once the system is ready."""

    supervisor: Identity
    parts: dict[str, Identity] = field(default_factory=dict)
    urls: Urls | None = None

    def save(self, home: Home) -> None:
        """Write it to the file that other commands read."""
        write_private(home.state_file, asdict(self))

    @classmethod
    def load(cls, home: Home) -> State | None:
        """The state of the last run; None if there was none or it ended well."""
        content = read_private(home.state_file)
        try:
            return cls._from(content) if content else None
        except (TypeError, KeyError) as error:
            raise Failure(
                f"The file {home.state_file} cannot be read: it is not a state."
            ) from error

    @classmethod
    def _from(cls, content: dict[str, Any]) -> State:
        parts = {name: Identity(**identity) for name, identity in content["parts"].items()}
        urls = Urls(**content["urls"]) if content["urls"] else None
        return cls(Identity(**content["supervisor"]), parts, urls)


class Lock:
    """Held by the supervisor as long as it lives, however it dies."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._held: IO[bytes] | None = None

    def acquire(self) -> bool:
        """Take it; False if another process has it, Failure if the file cannot be opened."""
        opened = open_private(self._file)
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            opened.close()
            return False
        self._held = opened
        return True

    def release(self) -> None:
        """Give it up."""
        if self._held is not None:
            self._held.close()
            self._held = None


def running(home: Home) -> State | None:
    """The state of the system if its supervisor runs now, ready or not yet."""
    state = State.load(home)
    return state if state is not None and state.supervisor.alive() else None


def require_running(home: Home) -> Urls:
    """The URLs of the system that runs; Failure if none does."""
    state = running(home)
    if state is None:
        raise Failure("Paywright is not running: start it with `paywright up`.")
    if state.urls is None:
        raise Failure("Paywright is starting and not ready yet.")
    return state.urls


def clean_leftovers(home: Home) -> list[str]:
    """End what a supervisor that died has left running; the names of what that was.

    Only for who holds the lock, or knows that nobody does.
    """
    state = State.load(home)
    ended = []
    for name, identity in state.parts.items() if state else ():
        if identity.alive():
            identity.stop()
            ended.append(name)
    home.state_file.unlink(missing_ok=True)
    return ended


def commit() -> str:
    """The git commit of the checkout, or "unknown"."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    try:
        answer = run([git, "-C", str(CHECKOUT), "rev-parse", "HEAD"], timeout_s=5)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return answer.stdout.strip() if answer.returncode == 0 else "unknown"
