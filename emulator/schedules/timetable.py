"""Which job is due next: plans made from timings, the clock and what has fired before."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from emulator.cron.expressions import At, Cron, Rate
from emulator.cron.timing import TooMany
from emulator.schedules.jobs import Job
from emulator.schedules.memory import Memory, Past

_LOG = logging.getLogger(__name__)
_LATE = timedelta(minutes=5)
"""Less is a busy machine, not one that slept."""
_KEEPS_AWAKE = timedelta(minutes=5)
_MOST_PASSED = 2_000


@dataclass(frozen=True, order=True)
class Plan:
    """A job's next firing: `moment` is when, `due` the time it stands for."""

    moment: datetime
    due: datetime
    key: str = field(compare=False)


class Timetable:
    """The jobs and their plans. Times are the business clock's."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._plans: dict[str, Plan] = {}
        self._queue: list[Plan] = []
        self._moved_to: datetime | None = None
        self._has_begun = False
        self.jobs: dict[str, Job] = {}

    def replace(self, jobs: Mapping[str, Job], now: datetime, offset: timedelta) -> None:
        """Take over the jobs as they are now: new ones are planned, changed ones planned anew."""
        before, self.jobs = self.jobs, dict(jobs)
        for key in before.keys() - jobs.keys():
            self._plans.pop(key, None)
        for key, job in jobs.items():
            known = before.get(key)
            if known is None or (known.timing, known.enabled) != (job.timing, job.enabled):
                self._plans.pop(key, None)
                if job.enabled:
                    self._plan(job, self._first(job, now, offset, is_known=known is not None))
        self._has_begun = True
        self._memory.keep(jobs)

    def next_moment(self) -> datetime | None:
        """Return when the earliest plan is to be fired."""
        while self._queue and self._plans.get(self._queue[0].key) is not self._queue[0]:
            heapq.heappop(self._queue)
        return self._queue[0].moment if self._queue else None

    def take(self, now: datetime) -> tuple[Job, datetime] | None:
        """Return the earliest plan's job and due time, and plan its next firing.

        None if the time stands for later ones too, so that it is another plan's turn.
        """
        plan = heapq.heappop(self._queue)
        del self._plans[plan.key]
        job = self.jobs[plan.key]
        due = self._catch_up(job, plan.due, now)
        if due != plan.due:
            self._plan(job, due)
            return None
        self._plan(job, job.timing.following(due))
        return job, due

    def planned(self, key: str) -> datetime | None:
        """Return the due time of a job's next firing."""
        plan = self._plans.get(key)
        return None if plan is None else plan.due

    def check_step(self, until: datetime) -> int:
        """Return how many firings are due until then; raise TooMany, naming the schedule."""
        number = 0
        for plan in self._plans.values():
            if plan.due > until:
                continue
            job = self.jobs[plan.key]
            try:
                number += job.timing.count(plan.due, until, _MOST_PASSED)
            except TooMany:
                raise TooMany(
                    f"{job.name} ({job.timing.text}) would fire more than {_MOST_PASSED} times:"
                    " move the clock in smaller steps, or disable it."
                ) from None
        return number

    def moved(self, now: datetime) -> None:
        """Note that the clock was moved to here: the times it passed are not simply late."""
        self._moved_to = now

    def _plan(self, job: Job, due: datetime | None) -> None:
        if due is not None:
            plan = Plan(job.timing.moment(due, job.key), due, job.key)
            self._plans[job.key] = plan
            heapq.heappush(self._queue, plan)

    def _first(
        self, job: Job, now: datetime, offset: timedelta, *, is_known: bool
    ) -> datetime | None:
        """When a job is due that is new here, or has other times than before."""
        past, times = self._memory.get(job.key), job.timing.fingerprint
        if is_known or past is None or past.times != times or (past.last or past.since) > now:
            since = now
            is_new = self._has_begun or self._memory.lasts  # else it may have fired before
            if is_new and job.modified is not None and not _is_rate(job):
                # It counts from when it was made: its time may have come since.
                since = min(now, job.modified + offset)
            past = Past(times, since)
            self._memory.put(job.key, past)
        elif _keeps_awake(job):
            return job.timing.first(now)
        due = job.timing.first(past.since)
        if past.last is not None:
            due = job.timing.following(past.last)
        if due is None or due > now:
            return due
        return self._made_good(job, job.timing.latest(due, now), now)

    def _made_good(self, job: Job, due: datetime, now: datetime) -> datetime | None:
        """What passed while nothing ran fires once, unless it is older than its events may be."""
        if now - due <= timedelta(seconds=job.target.maximum_event_age_s):
            return due
        _LOG.warning("%s was due at %s, which is too long ago to fire now", job.arn, due)
        return job.timing.following(due)

    def _catch_up(self, job: Job, due: datetime, now: datetime) -> datetime:
        """The time to fire for when `due` may have passed already.

        A rate fires once for all that passed. Cron fires for each time that a moved clock passed;
        a machine that slept fires once, as an emulator does that was away.
        """
        expression = job.timing.expression
        if due > now or isinstance(expression, At):
            return due
        is_each = due > now - _LATE or (self._moved_to is not None and due <= self._moved_to)
        if isinstance(expression, Cron) and is_each:
            return due
        return job.timing.latest(due, now)


def _keeps_awake(job: Job) -> bool:
    """Whether it fires so often that what it started is meant to run all the time.

    That ended with the emulator, so it is started at once and not when the period is over.
    """
    expression = job.timing.expression
    return isinstance(expression, Rate) and expression.period <= _KEEPS_AWAKE


def _is_rate(job: Job) -> bool:
    return isinstance(job.timing.expression, Rate)
