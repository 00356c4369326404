"""Keeps work on the AWS endpoint going when it is away, and when it comes back empty."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import aiohttp
from botocore.exceptions import BotoCoreError, ClientError

from emulator.aws import Aws, error_code
from emulator.backoff import Backoff
from emulator.provision import provision
from emulator.template.model import Application

_LOG = logging.getLogger(__name__)
_MAX_REFUSALS = 100
_SHORTEST_WAIT_S = 0.05
_MISSING = frozenset({"QueueDoesNotExist", "ResourceNotFoundException"})

EndpointError = (BotoCoreError, ClientError, aiohttp.ClientError, OSError, TimeoutError)
"""What a call to the endpoint may raise."""


def is_missing(error: Exception) -> bool:
    """Return whether the thing asked for does not exist on the endpoint."""
    return error_code(error) in _MISSING


def is_refusal(error: Exception) -> bool:
    """Return whether the endpoint understood and will not: asking again changes nothing."""
    if not isinstance(error, ClientError):
        return False
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    is_for_now = status >= 500 or status == 429 or "Throttl" in error_code(error)
    return not (is_for_now or is_missing(error))


class Endpoint:
    """The endpoint as all mappings and schedules see it: one log line when it goes away."""

    def __init__(self, app: Application, aws: Aws) -> None:
        self.app = app
        self.aws = aws
        self._is_there = asyncio.Event()
        self._is_there.set()
        self._refusals: set[str] = set()
        self._generation = 0
        self._repairing = asyncio.Lock()

    @property
    def generation(self) -> int:
        """How often everything was made anew; take it before a call, give it to `recover`."""
        return self._generation

    def answered(self) -> None:
        """Note that the endpoint is there."""
        if not self._is_there.is_set():
            self._is_there.set()
            _LOG.info("the AWS endpoint %s is back", self.aws.endpoint_url)

    async def recover(self, error: Exception, generation: int, backoff: Backoff) -> None:
        """Return when it is worth trying again: after a wait, or with what was missing made anew.

        `generation` is from before the failed call, so that many that miss a queue at the same
        time make it once.
        """
        if is_missing(error):
            self.answered()
            async with self._repairing:
                if generation != self._generation:
                    return
                try:
                    _LOG.info("%s; making what the template declares", error)
                    await provision(self.app, self.aws)
                    self._generation += 1
                except EndpointError as other:
                    error = other
        elif isinstance(error, ClientError):
            self._was_refused(str(error))
        else:
            self._went_away(error)
            await asyncio.sleep(_SHORTEST_WAIT_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(backoff.next_s()):
                    await self._is_there.wait()  # whoever tries first and succeeds wakes the rest
            return
        await asyncio.sleep(backoff.next_s())

    def _was_refused(self, reason: str) -> None:
        if reason not in self._refusals and len(self._refusals) < _MAX_REFUSALS:
            self._refusals.add(reason)
            _LOG.warning("the AWS endpoint refuses, trying on: %s", reason)

    def _went_away(self, error: Exception) -> None:
        if self._is_there.is_set():
            self._is_there.clear()
            reason = str(error) or type(error).__name__
            _LOG.warning("the AWS endpoint fails, trying on: %s", reason)
