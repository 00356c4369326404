"""The servers that a local run needs, each as a child process that leaves nothing behind."""

from __future__ import annotations

from emulator.services.errors import ServiceError
from emulator.services.ministack import MiniStack
from emulator.services.postgres import Postgres
from emulator.services.server import Server
from emulator.services.valkey import Valkey

__all__ = ["MiniStack", "Postgres", "Server", "ServiceError", "Valkey"]
