"""Fires an application's schedules: one task, asleep until the next one is due."""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from emulator.aws import Aws
from emulator.endpoint import Endpoint
from emulator.invocations import Invoker
from emulator.schedules.delivery import Delivery, Firing
from emulator.schedules.jobs import Job, jobs
from emulator.template.model import Application

_LOG = logging.getLogger(__name__)

_LONGEST_SLEEP_S = 60.0
"""After it the clock is read again: machines sleep and clocks are set."""

Clock = Callable[[], datetime]
"""Gives the current time in UTC."""


def utc_now() -> datetime:
    """Return the machine's time."""
    return datetime.now(UTC)


class Schedules:
    """Running schedules; see `start`."""

    def __init__(self, app: Application, invoker: Invoker, aws: Aws, clock: Clock) -> None:
        self._clock = clock
        self._delivery = Delivery(Endpoint(app, aws), invoker)
        self._jobs = jobs(app)
        self._due: list[tuple[datetime, int]] = []
        now = clock()
        for number, job in enumerate(self._jobs):
            self._plan(number, job.first(now))
        self._moved = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    def clock_moved(self) -> None:
        """Look at the clock again: it did not just pass."""
        self._moved.set()

    async def stop(self) -> None:
        """Fire no more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._delivery.stop()

    def _plan(self, number: int, due: datetime | None) -> None:
        if due is not None:
            heapq.heappush(self._due, (due, number))

    async def _run(self) -> None:
        while True:
            await self._sleep_until_due()
            due, number = heapq.heappop(self._due)
            job = self._jobs[number]
            self._plan(number, job.following(due, self._clock()))
            await self._fire(job, due)

    async def _sleep_until_due(self) -> None:
        """Return when the earliest schedule is due by the clock."""
        while True:
            self._moved.clear()
            wait_s = _LONGEST_SLEEP_S
            if self._due:
                wait_s = min(wait_s, (self._due[0][0] - self._clock()).total_seconds())
            if wait_s <= 0:
                return
            try:
                async with asyncio.timeout(wait_s):
                    await self._moved.wait()
            except TimeoutError:
                continue

    async def _fire(self, job: Job, due: datetime) -> None:
        try:
            await self._delivery.deliver(Firing(job, due))
        except Exception:
            _LOG.exception("%s could not be fired", job.arn)


def start(app: Application, invoker: Invoker, aws: Aws, clock: Clock = utc_now) -> Schedules:
    """Start firing every enabled schedule and scheduled rule, in the running event loop.

    Times are the clock's; whoever moves it calls `clock_moved`. Raises ExpressionError, before
    anything is started, for an expression or time zone that AWS would refuse.
    """
    return Schedules(app, invoker, aws, clock)
