"""`paywright schedule`: what fires when; runs, enables and disables it."""

from __future__ import annotations

import heapq
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice, repeat
from typing import Any

from cli import aws, clock
from cli.api import call
from cli.errors import Failure
from cli.paths import Home
from cli.state import Emulated
from emulator.cron.expressions import ExpressionError, moment
from emulator.cron.timing import Timing

_RUN_TIMEOUT_S = 905  # a universal target may wait for Lambda's longest invocation
_KEPT = (
    "Name",
    "GroupName",
    "ScheduleExpression",
    "ScheduleExpressionTimezone",
    "StartDate",
    "EndDate",
    "Description",
    "KmsKeyArn",
    "Target",
    "FlexibleTimeWindow",
    "ActionAfterCompletion",
)


@dataclass(frozen=True)
class Row:
    """One schedule, or one target of a scheduled rule (which has no group).

    `next` is when it fires next and `last` what it last fired for. Both are None where nobody
    knows: AWS tells neither, and the next time of a rate only the last one would tell. `problem` is
    what keeps it from its target, as far as the emulator knows.
    """

    key: str
    name: str
    group: str
    kind: str
    expression: str
    timezone: str
    target: str
    enabled: bool
    start: str | None = None
    end: str | None = None
    window_min: int = 0
    due: str | None = None
    next: str | None = None
    last: str | None = None
    problem: str | None = None

    @property
    def timing(self) -> Timing:
        """Its times, as they can be reckoned with."""
        return Timing.of(
            self.expression,
            self.timezone,
            start=moment(self.start),
            end=moment(self.end),
            window_min=self.window_min,
        )

    def times(self) -> Iterator[datetime]:
        """When it fires, from the next time on."""
        due, timing = moment(self.due), self.timing
        while due is not None:
            yield timing.moment(due, self.key)
            due = timing.following(due)


def rows(where: aws.Place) -> list[Row]:
    """Every schedule and scheduled rule."""
    if isinstance(where, Emulated):
        return [Row(**row) for row in _asked("GET", where, "/_emulator/schedules")["schedules"]]
    from emulator.schedules import jobs  # noqa: PLC0415 - half a second

    now = datetime.now(UTC)
    return [_row(job, now) for job in _jobs(where, jobs)]


def find(where: aws.Place, name: str, group: str | None) -> list[Row]:
    """The rows of one schedule or rule; Failure if there is none, or it could be several."""
    found = [
        row for row in rows(where) if row.name == name and (group is None or row.group == group)
    ]
    if not found:
        raise Failure(f"There is no schedule {name}: see `paywright schedule list`.")
    groups = sorted({row.group for row in found})
    if len(groups) > 1:
        raise Failure(f"{name} is in the groups {', '.join(groups)}: choose with --group.")
    return found


def upcoming(found: list[Row], count: int) -> list[tuple[datetime, Row]]:
    """The next times of these schedules together, the earliest first."""
    streams = [zip(row.times(), repeat(row), strict=False) for row in found]
    return list(islice(heapq.merge(*streams, key=lambda pair: pair[0]), count))


def of_expression(
    home: Home, expression: str, timezone: str, count: int
) -> list[tuple[datetime, Row]]:
    """The next times of an expression, as if made now; Failure for one that AWS would refuse."""
    now = datetime.now(UTC) + clock.ahead(home)
    try:
        due = Timing.of(expression, timezone).first(now)
    except ExpressionError as error:
        raise Failure(f"The expression is not valid: {error}.") from error
    row = Row("", "", "", "expression", expression, timezone, "", True, due=_text(due))
    return upcoming([row], count)


def run(where: aws.Place, name: str, group: str | None) -> list[dict[str, Any]]:
    """Fire it now, once; what came of it, target by target."""
    if not isinstance(where, Emulated):
        raise Failure("Only a local run can fire a schedule by hand: AWS has no call for it.")
    row = find(where, name, group)[0]
    body = {"name": name, "group": row.group}
    fired = _asked("POST", where, "/_emulator/schedules/run", body)["fired"]
    return [dict(one) for one in fired]


def switch(where: aws.Place, name: str, group: str | None, *, enabled: bool) -> None:
    """Enable or disable it over the AWS API, whatever else it is staying as it is."""
    row = find(where, name, group)[0]
    with aws.told():
        if row.kind == "rule":
            events = aws.client("events", where)
            (events.enable_rule if enabled else events.disable_rule)(Name=name)
            return
        scheduler = aws.client("scheduler", where)
        present = scheduler.get_schedule(Name=name, GroupName=row.group)
        kept = {key: present[key] for key in _KEPT if present.get(key)}
        scheduler.update_schedule(**kept, State="ENABLED" if enabled else "DISABLED")


def _jobs(where: aws.Place, jobs: Any) -> Iterator[Any]:
    with aws.told():
        scheduler, events = aws.client("scheduler", where), aws.client("events", where)
        for page in scheduler.get_paginator("list_schedules").paginate():
            for summary in page["Schedules"]:
                name = {"Name": summary["Name"], "GroupName": summary["GroupName"]}
                answer = scheduler.get_schedule(**name)
                try:
                    yield jobs.of_schedule(answer)
                except ExpressionError as error:
                    print(f"{summary['Name']} cannot be read: {error}", file=sys.stderr)
        for page in events.get_paginator("list_rules").paginate():
            for rule in page["Rules"]:
                if rule.get("ScheduleExpression"):
                    targets = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
                    yield from jobs.of_rule(rule, targets)


def _row(job: Any, now: datetime) -> Row:
    timing: Timing = job.timing
    is_known = job.enabled and not timing.text.startswith("rate")
    due = timing.first(now) if is_known else None
    return Row(
        key=job.key,
        name=job.name,
        group=job.group,
        kind="schedule" if job.group else "rule",
        expression=timing.text,
        timezone=timing.timezone,
        target=job.target.arn,
        enabled=job.enabled,
        start=_text(timing.start),
        end=_text(timing.end),
        window_min=int(timing.window.total_seconds()) // 60,
        due=_text(due),
        next=_text(due and timing.moment(due, job.key)),
    )


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _asked(
    method: str, urls: Emulated, path: str, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    answer = call(
        method,
        urls.lambda_url + path,
        None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
        timeout_s=_RUN_TIMEOUT_S,
    )
    if answer.status != 200 or not isinstance(answer.body, dict):
        said = answer.body.get("message") if isinstance(answer.body, dict) else answer.body
        raise Failure(str(said))
    return answer.body
