"""What all environments of one emulator share."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from emulator.logs import LogSink
from emulator.metrics import Metrics
from emulator.runtime.clients import Client
from emulator.runtime.guard import Guard
from emulator.runtime.leftovers import Leftovers


@dataclass(frozen=True)
class Surroundings:
    """Handed to every environment as it is made."""

    region: str
    extra_variables: Mapping[str, str]
    tmp_root: Path
    guard: Guard
    sink: LogSink
    metrics: Metrics
    leftovers: Leftovers
    client: Client
    cleaning: set[asyncio.Task[None]] = field(default_factory=set)
    """What still removes the traces of environments that ended."""
