"""What one emulator leaves in a folder while it runs: where it is, and its log as JSON lines.

Whoever wants to call it or read what it said need not be told anything else.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emulator.services.process import Identity, bound_log

_BOUND_EVERY_S = 5.0


def record_file(folder: Path) -> Path:
    """Return the file that says where the emulator of a folder is."""
    return folder / "emulator.json"


def log_file(folder: Path) -> Path:
    """Return the log of the emulator of a folder."""
    return folder / "emulator.log"


class RunDir:
    """One emulator's folder; raises OSError if it cannot be made or written."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self.log = os.open(log_file(folder), flags, 0o600)

    def record(self, addresses: Mapping[str, Any]) -> None:
        """Say where it is; whoever sees the file sees all of it."""
        me = Identity.of(os.getpid())
        assert me is not None, "this process runs"
        write(record_file(self._folder), {**addresses, "started": me.started})

    async def keep_log_short(self) -> None:
        """Bound the log's length until cancelled."""
        while True:
            await asyncio.to_thread(bound_log, log_file(self._folder))
            await asyncio.sleep(_BOUND_EVERY_S)

    def close(self) -> None:
        """Leave the log only: nothing runs any more."""
        record_file(self._folder).unlink(missing_ok=True)
        os.close(self.log)


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object at once or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(content) + "\n")
    temporary.replace(path)
