"""Which runtime client runs the handlers, and the command that starts it."""

from __future__ import annotations

import importlib.util
import sys
from enum import StrEnum
from pathlib import Path

_OWN = str(Path(__file__).parent / "client")


class Client(StrEnum):
    """The program between the Runtime API and a handler."""

    AUTO = "auto"
    """awslambdaric where it is installed, else python."""
    AWSLAMBDARIC = "awslambdaric"
    """AWS's own client, its HTTP calls made by `emulator.runtime.client.transport`."""
    LIBCURL = "awslambdaric-libcurl"
    """AWS's own client as it is, with its C++ extension."""
    PYTHON = "python"
    """Ours, for platforms on which awslambdaric is not installed."""


def choose(wanted: Client) -> Client:
    """The client to use; raises ValueError if it is not installed."""
    installed = importlib.util.find_spec("awslambdaric") is not None
    if wanted is Client.AUTO:
        return Client.AWSLAMBDARIC if installed else Client.PYTHON
    if wanted is not Client.PYTHON and not installed:
        raise ValueError(f"runtime client {wanted}: awslambdaric is not installed")
    return wanted


def command(client: Client, handler: str) -> list[str]:
    """The command line of an environment."""
    if client is Client.LIBCURL:
        return [sys.executable, "-m", "awslambdaric", handler]
    return [sys.executable, _OWN, client.value, handler]
