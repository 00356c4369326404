"""Lambda: execution environments, their Runtime API, concurrency, retries and reload."""

from emulator.runtime.service import Runtime
from emulator.runtime.settings import RuntimeSettings

__all__ = ["Runtime", "RuntimeSettings"]
