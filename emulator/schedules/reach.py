"""Says of a schedule whose target does not exist that it is so, before it fires."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from emulator import targets
from emulator.aws import Aws, error_code
from emulator.endpoint import EndpointError
from emulator.invocations import UnknownFunction
from emulator.schedules.jobs import Job
from emulator.template.model import Application

_LOG = logging.getLogger(__name__)
_AT_ONCE = 10


class Reach:
    """What is known to keep schedules from reaching their targets, by the target's ARN."""

    def __init__(self, app: Application, aws: Aws) -> None:
        self._aws = aws
        self._functions = {function.name for function in app.functions.values()}
        self._problems: dict[str, str] = {}
        self._found: set[str] = set()

    def problem(self, job: Job) -> str | None:
        """Return what is wrong with a schedule's target; None if nothing is known to be."""
        return self._problems.get(job.target.arn)

    def tried(self, job: Job, error: Exception | None) -> None:
        """Take into account what an attempt has shown: a target may have come, or gone."""
        arn = job.target.arn
        if error is None:
            self._problems.pop(arn, None)
        elif arn not in self._problems and _is_missing(error):
            self._problems[arn] = _sentence(arn)

    async def look(self, jobs: Iterable[Job]) -> None:
        """Look at the targets that were not there yet, and tell once of those that are not."""
        fresh = {job.target.arn: job for job in jobs if job.target.arn not in self._found}
        limit = asyncio.Semaphore(_AT_ONCE)

        async def look_at(arn: str, job: Job) -> None:
            async with limit:
                if await self._exists(arn):
                    self._found.add(arn)
                    self._problems.pop(arn, None)
                elif arn not in self._problems:
                    self._problems[arn] = _sentence(arn)
                    _LOG.error("%s: %s", job.key, _sentence(arn))

        await asyncio.gather(*(look_at(arn, job) for arn, job in fresh.items()))

    async def _exists(self, arn: str) -> bool:
        """Whether a target is there; so are those that cannot be told of."""
        kind = targets.service(arn)
        if kind == "lambda":
            return _name(arn) in self._functions
        if kind != "sqs":
            return True
        try:
            await self._aws.sqs.get_queue_url(QueueName=_name(arn))
        except EndpointError as error:
            return not _is_missing(error)
        return True


def _is_missing(error: Exception) -> bool:
    return isinstance(error, UnknownFunction) or error_code(error) == "QueueDoesNotExist"


def _sentence(arn: str) -> str:
    kind = "function" if targets.service(arn) == "lambda" else "queue"
    return f"its target does not exist: there is no {kind} {_name(arn)} here"


def _name(arn: str) -> str:
    """The name of a queue or of a function, whose ARN may go on with a version."""
    parts = arn.split(":")
    return parts[6] if parts[2] == "lambda" and len(parts) > 6 else parts[-1]
