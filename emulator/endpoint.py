"""Keeps work on the AWS endpoint going when it is away, and when it comes back empty."""

from __future__ import annotations

import asyncio
import logging

import aiohttp
from botocore.exceptions import BotoCoreError, ClientError

from emulator.aws import Aws, error_code
from emulator.backoff import Backoff
from emulator.provision import provision
from emulator.template.model import Application

_LOG = logging.getLogger(__name__)
_MISSING = frozenset({"QueueDoesNotExist", "ResourceNotFoundException"})

EndpointError = (BotoCoreError, ClientError, aiohttp.ClientError, OSError, TimeoutError)
"""What a call to the endpoint may raise."""


class Endpoint:
    """The endpoint as all mappings and schedules see it: one log line when it goes away."""

    def __init__(self, app: Application, aws: Aws) -> None:
        self.app = app
        self.aws = aws
        self._is_away = False
        self._generation = 0
        self._repairing = asyncio.Lock()

    @property
    def generation(self) -> int:
        """How often everything was made anew; take it before a call, give it to `recover`."""
        return self._generation

    def answered(self) -> None:
        """Note that the endpoint is there."""
        if self._is_away:
            self._is_away = False
            _LOG.info("the AWS endpoint %s is back", self.aws.endpoint_url)

    async def recover(self, error: Exception, generation: int, backoff: Backoff) -> None:
        """Return when it is worth trying again: after a wait, or with what was missing made anew.

        `generation` is from before the failed call, so that many that miss a queue at the same
        time make it once.
        """
        if error_code(error) in _MISSING:
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
        else:
            self._went_away(error)
        await asyncio.sleep(backoff.next_s())

    def _went_away(self, error: Exception) -> None:
        if not self._is_away:
            self._is_away = True
            reason = str(error) or type(error).__name__
            _LOG.warning("the AWS endpoint fails, trying on: %s", reason)
