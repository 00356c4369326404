"""Lambda: execution environments, their Runtime API, concurrency, retries and reload."""

from emulator.runtime.service import Runtime, new_trace_id
from emulator.runtime.settings import RuntimeSettings

__all__ = ["Runtime", "RuntimeSettings", "new_trace_id"]
