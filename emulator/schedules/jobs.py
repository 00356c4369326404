"""What fires when: a schedule or scheduled rule with its expression read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from emulator.cron.expressions import At, Cron, Expression, moment, parse, time_zone
from emulator.template.model import Application, Target

SCHEDULER = "aws.scheduler"
RULES = "aws.events"


@dataclass(frozen=True)
class Job:
    """One schedule's target and times; `source` tells EventBridge Scheduler's from a rule's."""

    arn: str
    source: str
    expression: Expression
    zone: tzinfo
    target: Target
    start: datetime | None = None
    end: datetime | None = None

    def first(self, now: datetime) -> datetime | None:
        """Return when to fire first, the schedule being new at `now`.

        A rate fires at once and then each period; a time that is past is not made good.
        """
        begin = now if self.start is None else max(now, self.start)
        if isinstance(self.expression, At):
            once = self.expression.moment(self.zone)
            return self._within(once if once >= begin else None)
        if isinstance(self.expression, Cron):
            just_before = begin - timedelta(microseconds=1)
            return self._within(self.expression.next_after(just_before, self.zone))
        if self.start is None or self.start >= now:
            return self._within(begin)
        periods = -((self.start - now) // self.expression.period)
        return self._within(self.start + periods * self.expression.period)

    def following(self, due: datetime, now: datetime) -> datetime | None:
        """Return when to fire after `due`, for which it is now `now`.

        A clock that was moved, or a machine that slept, leaves times behind: cron fires for each
        of them, since each may stand for a day's work; a rate fires once for all.
        """
        if isinstance(self.expression, At):
            return None
        if isinstance(self.expression, Cron):
            return self._within(self.expression.next_after(due, self.zone))
        missed = max(0, (now - due) // self.expression.period)
        return self._within(due + (missed + 1) * self.expression.period)

    def _within(self, due: datetime | None) -> datetime | None:
        if due is None or (self.end is not None and due > self.end):
            return None
        return due


def jobs(app: Application) -> list[Job]:
    """Return every enabled schedule and scheduled rule; raise ExpressionError for a bad one."""
    found = [
        Job(
            arn=_arn(app, "scheduler", f"schedule/{schedule.group}/{schedule.name}"),
            source=SCHEDULER,
            expression=parse(schedule.expression),
            zone=time_zone(schedule.timezone),
            target=schedule.target,
            start=moment(schedule.start),
            end=moment(schedule.end),
        )
        for schedule in app.schedules
        if schedule.enabled
    ]
    for rule in app.rules:
        if rule.enabled and rule.schedule_expression is not None:
            expression = parse(rule.schedule_expression)
            arn = _arn(app, "events", f"rule/{rule.name}")
            found += [Job(arn, RULES, expression, UTC, target) for target in rule.targets]
    return found


def _arn(app: Application, service: str, resource: str) -> str:
    return f"arn:aws:{service}:{app.region}:{app.account_id}:{resource}"
