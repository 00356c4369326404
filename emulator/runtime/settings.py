"""What can be chosen about the emulated Lambda."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from emulator.runtime.clients import Client


@dataclass(frozen=True)
class RuntimeSettings:
    """Limits and waits of the runtime; the defaults are Lambda's where Lambda has any."""

    max_environments: int = 16
    """Environments of one function at most on this machine; more requests wait their turn."""
    max_starting: int = field(default_factory=lambda: max(1, (os.cpu_count() or 1) - 1))
    """Environments in INIT at once: cold starts leave one core to what is warm."""
    account_concurrency: int = 1_000
    init_s: float = 10.0
    idle_s: float = 300.0
    """How long an environment is kept warm without a request."""
    async_queue: int = 10_000
    """Events of one function that may be waiting."""
    retry_delays_s: tuple[float, ...] = (60.0, 120.0)
    """Before the first and the second retry of a failed event."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables given to every function, over the template's."""
    prewarm: Mapping[str, int] = field(default_factory=dict)
    """Environments to keep ready, by function name."""
    client: Client = Client.AUTO
    reload: bool = True
    """Whether changes of code and template are taken up while running."""
