"""All of an application's event source mappings, started and stopped together."""

from __future__ import annotations

import asyncio

from emulator.aws import Aws
from emulator.endpoint import Endpoint
from emulator.invocations import Invoker
from emulator.mappings.poller import Poller
from emulator.template.model import Application

_DRAIN_S = 5.0


class Mappings:
    """Running event source mappings."""

    def __init__(self, app: Application, invoker: Invoker, aws: Aws) -> None:
        endpoint = Endpoint(app, aws)
        self._pollers = [Poller(item, endpoint, invoker) for item in app.mappings if item.enabled]
        self._tasks = [asyncio.create_task(poller.run()) for poller in self._pollers]

    async def stop(self) -> None:
        """Receive no more; give the batches under way a few seconds, and leave the rest queued."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(poller.drain(_DRAIN_S) for poller in self._pollers))


def start(app: Application, invoker: Invoker, aws: Aws) -> Mappings:
    """Start every enabled mapping of the template, in the running event loop."""
    return Mappings(app, invoker, aws)
