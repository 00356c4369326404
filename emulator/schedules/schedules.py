"""Fires the schedules that the AWS endpoint holds: two tasks, asleep until something is due or new.

Whoever made a schedule, the template or an operator, the endpoint stores it and the emulator fires
it, never both.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from emulator.aws import Aws
from emulator.backoff import Backoff
from emulator.clock import Clock
from emulator.endpoint import Endpoint, EndpointError
from emulator.invocations import Invoker
from emulator.provision import provision
from emulator.schedules.delivery import Delivery
from emulator.schedules.firing import Firing
from emulator.schedules.jobs import SCHEDULER, Job, declared, rule_key, schedule_key
from emulator.schedules.memory import Memory, Past
from emulator.schedules.reach import Reach
from emulator.schedules.stored import Stored
from emulator.schedules.timetable import Timetable
from emulator.schedules.watch import Watch
from emulator.template.model import Application

_LOG = logging.getLogger(__name__)

_LONGEST_SLEEP_S = 60.0
"""After it the clock is read again: machines sleep and clocks are set."""


class UnknownSchedule(Exception):
    """There is no schedule of that name."""


class Schedules:
    """Running schedules; see `start`."""

    def __init__(
        self, app: Application, invoker: Invoker, aws: Aws, clock: Clock, memory: Memory
    ) -> None:
        self._app = app
        self._clock = clock
        self._memory = memory
        self._aws = aws
        self._declared = {job.key: job for job in declared(app)}
        self._reach = Reach(app, aws)
        self._delivery = Delivery(Endpoint(app, aws), invoker, self._done, self._reach.tried)
        self._timetable = Timetable(memory)
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._exits = contextlib.AsyncExitStack()

    async def start(self) -> None:
        """Read what there is, then fire it; see the function of that name."""
        if await self._aws.fires_schedules():
            self._take_over(self._declared)
        else:
            watch = await self._exits.enter_async_context(Watch(self._aws.endpoint_url))
            stored = Stored(self._aws, fires_rules=await self._aws.fires_rules())
            self._take_over(await stored.jobs())
            self._tasks.append(asyncio.create_task(self._follow(watch, stored)))
        self._tasks.append(asyncio.create_task(self._run()))

    def check_step(self, until: datetime) -> int:
        """Return how many firings a clock moved to there brings; raise TooMany."""
        return self._timetable.check_step(until)

    def clock_moved(self) -> None:
        """Look at the clock again: it did not just pass."""
        self._timetable.moved(self._clock.now())
        self._changed.set()

    async def run(self, name: str, group: str) -> list[dict[str, Any]]:
        """Fire a schedule, or each target of a rule (whose group is empty), once and now.

        It stays planned as it was. Returns what came of it; raises UnknownSchedule.
        """
        jobs = [
            job for job in self._timetable.jobs.values() if (job.name, job.group) == (name, group)
        ]
        if not jobs:
            raise UnknownSchedule(f"There is no schedule {name} in group {group}.")
        results = []
        for job in jobs:
            firing = Firing(job, self._clock.now())
            error = await self._delivery.once(firing)
            results.append(
                {"target": job.target.arn, "time": firing.scheduled_time, "error": error}
            )
        return results

    def rows(self) -> list[dict[str, Any]]:
        """Return every schedule with the times of its next and last firing."""
        return [
            self._row(key, job, self._memory.get(key), self._timetable.planned(key))
            | {"problem": self._reach.problem(job)}
            for key, job in sorted(self._timetable.jobs.items())
        ]

    @staticmethod
    def _row(key: str, job: Job, past: Past | None, due: datetime | None) -> dict[str, Any]:
        timing = job.timing
        return {
            "key": key,
            "name": job.name,
            "group": job.group,
            "kind": "schedule" if job.source == SCHEDULER else "rule",
            "expression": timing.text,
            "timezone": timing.timezone,
            "start": _text(timing.start),
            "end": _text(timing.end),
            "window_min": int(timing.window.total_seconds()) // 60,
            "target": job.target.arn,
            "enabled": job.enabled,
            "due": _text(due),
            "next": _text(due and timing.moment(due, key)),
            "last": _text(past.last if past else None),
        }

    async def stop(self) -> None:
        """Fire no more; what is not delivered yet counts as missed when the memory lasts."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._exits.aclose()
        for firing in await self._delivery.stop():
            self._memory.missed(firing.job.key, firing.due)
        self._memory.save()

    def _take_over(self, jobs: Mapping[str, Job]) -> None:
        self._timetable.replace(jobs, self._clock.now(), self._clock.offset)
        for key, job in self._declared.items():
            if key in jobs:
                self._memory.switch(key, job.enabled, jobs[key].enabled)
        for job in jobs.values():
            self._delete_if_over(job)
        self._changed.set()
        self._behind(self._reach.look(list(jobs.values())))

    async def _remake(self) -> None:
        _LOG.info("schedules are gone; making what the template declares")
        await provision(as_switched(self._app, self._memory), self._aws)

    async def _follow(self, watch: Watch, stored: Stored) -> None:
        """Take over what changes on the endpoint, and put back what it lost."""
        backoff = Backoff(0.2, 5.0)
        while True:
            try:
                await watch.changed()
                jobs = await stored.jobs()
                if watch.was_away and not self._declared.keys() <= jobs.keys():
                    await self._remake()
                    jobs = await stored.jobs()
                self._take_over(jobs)
            except Exception as error:  # whatever the endpoint answers, the next change counts
                if not watch.was_away:
                    _LOG.warning("schedules cannot be read, trying on: %r", error)
                watch.was_away = True
                await asyncio.sleep(backoff.next_s())
                continue
            watch.was_away = False
            backoff.reset()

    async def _make_good(self) -> None:
        """Fire what was due before the last stop, and not delivered though a later one was."""
        for key, job in list(self._timetable.jobs.items()):
            past = self._memory.get(key)
            for due in past.owed if past is not None and job.enabled else ():
                age_s = (self._clock.now() - due).total_seconds()
                if age_s <= job.target.maximum_event_age_s:
                    await self._delivery.deliver(Firing(job, due))
                else:
                    _LOG.warning("%s was due at %s, too long ago to fire now", job.arn, due)
                    self._memory.fired(key, due)

    async def _run(self) -> None:
        await self._make_good()
        while True:
            await self._sleep_until_due()
            try:
                taken = self._timetable.take(self._clock.now())
                if taken is not None:
                    await self._delivery.deliver(Firing(*taken))
            except Exception:
                _LOG.exception("a schedule could not be fired")

    async def _sleep_until_due(self) -> None:
        """Return when the earliest schedule is due by the clock."""
        while True:
            self._changed.clear()
            wait_s = _LONGEST_SLEEP_S
            moment = self._timetable.next_moment()
            if moment is not None:
                wait_s = min(wait_s, (moment - self._clock.now()).total_seconds())
            if wait_s <= 0:
                return
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _done(self, firing: Firing) -> None:
        self._memory.fired(firing.job.key, firing.due)
        self._delete_if_over(firing.job)

    def _delete_if_over(self, job: Job) -> None:
        """Delete a schedule that is to be deleted after its last firing, if that was it."""
        past, end = self._memory.get(job.key), job.timing.end
        has_fired = past is not None and past.last is not None
        has_ended = end is not None and end <= self._clock.now()
        is_over = self._timetable.planned(job.key) is None and (has_fired or has_ended)
        if job.delete_after and job.enabled and is_over:
            self._behind(self._delete(job))

    def _behind(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something be done that nothing waits for."""
        task = asyncio.create_task(work)
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)

    async def _delete(self, job: Job) -> None:
        try:
            await self._aws.scheduler.delete_schedule(Name=job.name, GroupName=job.group)
        except EndpointError as error:
            _LOG.warning("%s is over, but cannot be deleted: %s", job.arn, error)


def as_switched(app: Application, memory: Memory) -> Application:
    """Return the application with its schedules as enabled as somebody has made them since."""
    schedules = tuple(
        replace(schedule, enabled=memory.is_enabled(schedule_key(schedule), schedule.enabled))
        for schedule in app.schedules
    )
    rules = tuple(
        replace(rule, enabled=memory.is_enabled(rule_key(rule, 0), rule.enabled))
        for rule in app.rules
    )
    return replace(app, schedules=schedules, rules=rules)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")


async def start(
    app: Application,
    invoker: Invoker,
    aws: Aws,
    *,
    clock: Clock | None = None,
    memory: Memory | None = None,
) -> Schedules:
    """Start firing every enabled schedule and scheduled rule of the endpoint.

    Times are the clock's; whoever moves it calls `clock_moved`. Raises what the endpoint refuses.
    """
    schedules = Schedules(app, invoker, aws, clock or Clock(), memory or Memory())
    try:
        await schedules.start()
    except BaseException:
        await schedules.stop()
        raise
    return schedules
