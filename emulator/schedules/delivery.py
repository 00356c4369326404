"""Delivers firings: one attempt each in their order, retries and dead letters behind them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from botocore.exceptions import ClientError

from emulator.aws import error_code
from emulator.backoff import Backoff
from emulator.endpoint import Endpoint, EndpointError
from emulator.invocations import Invoker, Throttled, UnknownFunction
from emulator.schedules.firing import Firing
from emulator.schedules.jobs import Job
from emulator.schedules.sending import Sender, Unreachable

_LOG = logging.getLogger(__name__)
_ATTEMPT_TIMEOUT_S = 10
_INVOCATION_TIMEOUT_S = 900  # of Lambda
_PATIENCE_S = 1.0
_REFUSED = (*EndpointError, Throttled, UnknownFunction, Unreachable)

Done = Callable[[Firing], None]
"""Is told of a firing that is over, delivered or given up."""


Tried = Callable[[Job, Exception | None], None]
"""Is told of each attempt, and why it failed."""


class Delivery:
    """Sends firings; what fails is tried again in the background, as its retry policy says."""

    def __init__(self, endpoint: Endpoint, invoker: Invoker, done: Done, tried: Tried) -> None:
        self._endpoint = endpoint
        self._sender = Sender(endpoint, invoker)
        self._done = done
        self._tried = tried
        self._running: dict[asyncio.Task[None], Firing] = {}
        self._slow: dict[str, int] = {}  # attempts by target that nobody waits for any more

    async def deliver(self, firing: Firing) -> None:
        """Return after the first attempt, so that firings arrive in the order they are due.

        A target that keeps an attempt waiting holds the other ones up for a second, and once.
        """
        first = asyncio.create_task(self._attempt(firing))
        task = asyncio.create_task(self._deliver(firing, first))
        self._running[task] = firing
        task.add_done_callback(lambda done: self._running.pop(done, None))
        target = firing.job.target.arn
        if not self._slow.get(target):
            await asyncio.wait({first}, timeout=_PATIENCE_S)
        if not first.done():
            self._slow[target] = self._slow.get(target, 0) + 1
            first.add_done_callback(lambda _: self._answered(target))

    async def once(self, firing: Firing) -> str | None:
        """Make a single attempt; why it failed, or None."""
        error = await self._attempt(firing)
        return None if error is None else str(error) or type(error).__name__

    async def stop(self) -> list[Firing]:
        """Give up on what is not delivered yet; what that is."""
        undelivered = list(self._running.values())
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return undelivered

    def _answered(self, target: str) -> None:
        self._slow[target] -= 1
        if not self._slow[target]:
            del self._slow[target]

    async def _deliver(self, firing: Firing, first: asyncio.Task[Exception | None]) -> None:
        backoff = Backoff(1.0, 300.0)
        try:
            error = await first
            while error is not None:
                if not firing.is_exhausted:
                    await asyncio.sleep(max(0.0, min(backoff.next_s(), firing.left_s)))
                if firing.is_exhausted:
                    await self._bury(firing, error)
                    break
                error = await self._attempt(firing)
        except asyncio.CancelledError:
            first.cancel()
            raise
        except Exception:
            _LOG.exception("%s could not be fired", firing.job.arn)
        self._done(firing)

    async def _attempt(self, firing: Firing) -> Exception | None:
        """Send it once; return why it was refused."""
        error = await self._send(firing)
        self._tried(firing.job, error)
        return error

    async def _send(self, firing: Firing) -> Exception | None:
        firing.attempts += 1
        generation = self._endpoint.generation
        invokes = firing.job.target.arn.endswith("lambda:invoke")
        try:
            async with asyncio.timeout(_INVOCATION_TIMEOUT_S if invokes else _ATTEMPT_TIMEOUT_S):
                await self._sender.send(firing)
        except _REFUSED as error:
            if error_code(error) == "QueueDoesNotExist":
                self._sender.forget_urls()
            if error_code(error) == "QueueDoesNotExist" and self._is_declared(firing):
                await self._endpoint.recover(error, generation, Backoff(0.0, 0.0))
            return error
        return None

    def _is_declared(self, firing: Firing) -> bool:
        """Whether its queue is the template's, so that making that anew helps."""
        name = firing.job.target.arn.rpartition(":")[2]
        return any(queue.name == name for queue in self._endpoint.app.queues)

    async def _bury(self, firing: Firing, error: Exception) -> None:
        """Put it into the dead-letter queue, or say that it is lost."""
        target, app = firing.job.target, self._endpoint.app
        text = _told(error, target.arn)
        _LOG.error("%s of %s failed: %s", firing.job.arn, firing.scheduled_time, text)
        if target.dead_letter_arn is None:
            return
        code = error_code(error) or type(error).__name__
        try:
            await self._sender.message(
                target.dead_letter_arn,
                firing.payload(app.region, app.account_id),
                attributes=firing.dead_letter(code, text),
            )
        except EndpointError as other:
            _LOG.error("its dead-letter queue %s failed too: %s", target.dead_letter_arn, other)


def _told(error: Exception, target_arn: str) -> str:
    """What the target's service says; a dead letter tells it in the service's own words."""
    if isinstance(error, UnknownFunction):
        return f"Function not found: {target_arn}"
    if isinstance(error, Throttled):
        return "Rate Exceeded."
    if isinstance(error, ClientError):
        return str(error.response["Error"].get("Message") or error)
    return str(error) or type(error).__name__
