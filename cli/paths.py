"""Where the checkout is, and where a local run keeps what is its own."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from cli.errors import Failure

CHECKOUT = Path(__file__).resolve().parent.parent
TEMPLATE = CHECKOUT / "template.yaml"
MIGRATIONS = CHECKOUT / "migrations"


@dataclass(frozen=True)
class Home:
    """The folder of one local run: data, logs, secrets, and what runs now."""

    folder: Path

    @classmethod
    def find(cls) -> Home:
        """PAYWRIGHT_HOME, else `.paywright` in the checkout."""
        return cls(Path(os.environ.get("PAYWRIGHT_HOME") or CHECKOUT / ".paywright").absolute())

    @property
    def data(self) -> Path:
        """What the servers store."""
        return self.folder / "data"

    @property
    def logs(self) -> Path:
        """One log file per part."""
        return self.folder / "logs"

    @property
    def run(self) -> Path:
        """What is true only while the system runs."""
        return self.folder / "run"

    @property
    def alone(self) -> Path:
        """What `paywright emulator` leaves: its log and, while it runs, where it is."""
        return self.folder / "emulator"

    @property
    def state_file(self) -> Path:
        """What runs: processes and URLs."""
        return self.run / "state.json"

    @property
    def lock_file(self) -> Path:
        """Locked by the supervisor for as long as it lives."""
        return self.run / "lock"

    @property
    def demo_file(self) -> Path:
        """The demo merchant's id, key, secret and payment method."""
        return self.folder / "demo.json"

    @property
    def receiver_file(self) -> Path:
        """The webhook secrets that the local receiver verifies with."""
        return self.folder / "receiver.json"

    @property
    def clock_file(self) -> Path:
        """How far business time is ahead; functions and emulator map it."""
        return self.data / "clock"

    @property
    def schedules_file(self) -> Path:
        """What the emulator's schedules have fired."""
        return self.data / "schedules.json"

    def make(self) -> None:
        """Make the folders; raise Failure if that is not possible."""
        try:
            for folder in (self.folder, self.data, self.logs, self.run):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Failure(f"The folder {self.folder} cannot be made: {error.strerror}.") from error

    def secret(self, name: str) -> str:
        """A secret of this installation, made at first use and kept in a file only its owner reads.

        64 hexadecimal digits. Raises Failure if the file cannot be read or written.
        """
        file = self.folder / "secrets.json"
        known = read_private(file)
        if name not in known:
            known[name] = secrets.token_hex(32)
            write_private(file, known)
        return str(known[name])


def read_private(file: Path) -> dict[str, Any]:
    """A JSON object that `write_private` wrote; empty if there is none."""
    try:
        content = json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Failure(f"The file {file} cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise Failure(f"The file {file} cannot be read: it holds no JSON object.")
    return content


def open_private(file: Path) -> IO[bytes]:
    """Open a file for appending, made for its owner only if need be; Failure if that fails."""
    try:
        return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
    except OSError as error:
        raise Failure(f"The file {file} cannot be written: {error.strerror}.") from error


def write_private(file: Path, content: dict[str, Any]) -> None:
    """Write a JSON object at once or not at all, readable by its owner only."""
    fresh = file.with_name(f"{file.name}.{os.getpid()}.new")
    try:
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            json.dump(content, opened, indent=2)
            opened.write("\n")
            opened.flush()
            os.fsync(opened.fileno())
        fresh.replace(file)
    except OSError as error:
        raise Failure(f"The file {file} cannot be written: {error.strerror}.") from error
