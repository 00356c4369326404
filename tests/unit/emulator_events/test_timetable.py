"""Plans: what a machine that slept, a moved clock and a changed schedule leave behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from emulator.cron.timing import Timing
from emulator.schedules.jobs import SCHEDULER, Job
from emulator.schedules.memory import Memory
from emulator.schedules.timetable import Timetable
from emulator.template.model import Target

START = datetime(2026, 1, 1, 0, 30, tzinfo=UTC)
NO_OFFSET = timedelta(0)


def job(expression: str, name: str = "j") -> Job:
    target = Target("arn:aws:sqs:us-east-1:000000000000:q")
    return Job(name, f"arn:{name}", SCHEDULER, name, "default", Timing.of(expression), target)


def planned(*jobs: Job) -> Timetable:
    timetable = Timetable(Memory())
    timetable.replace({job.key: job for job in jobs}, START, NO_OFFSET)
    return timetable


def fired(timetable: Timetable, now: datetime) -> list[str]:
    """All that is due by then."""
    found = []
    while (moment := timetable.next_moment()) is not None and moment <= now:
        taken = timetable.take(now)
        if taken is not None:
            found.append(f"{taken[0].name} {taken[1]:%H:%M}")
    return found


def test_a_machine_that_slept_fires_once_for_all_it_missed() -> None:
    timetable = planned(job("cron(0 * * * ? *)"))
    assert fired(timetable, START + timedelta(hours=9)) == ["j 09:00"]
    assert fired(timetable, START + timedelta(hours=10)) == ["j 10:00"]


def test_a_moved_clock_fires_each_time_it_passed() -> None:
    timetable = planned(job("cron(0 * * * ? *)", "a"), job("cron(30 */2 * * ? *)", "b"))
    now = START + timedelta(hours=4)
    timetable.moved(now)
    expected = ["a 01:00", "a 02:00", "b 02:30", "a 03:00", "a 04:00", "b 04:30"]
    assert fired(timetable, now) == ["b 00:30", *expected]


def test_a_little_late_is_not_missed() -> None:
    timetable = planned(job("cron(* * * * ? *)"))
    assert fired(timetable, START + timedelta(seconds=70)) == ["j 00:30", "j 00:31"]


def test_only_new_times_make_a_new_plan() -> None:
    hourly = job("rate(1 hour)")
    timetable = planned(hourly)
    assert fired(timetable, START) == ["j 00:30"]
    later = START + timedelta(minutes=10)
    other_target = replace(hourly, target=Target("arn:aws:sqs:us-east-1:000000000000:other"))
    timetable.replace({"j": other_target}, later, NO_OFFSET)
    assert timetable.planned("j") == START + timedelta(hours=1)
    assert timetable.jobs["j"].target.arn.endswith(":other")
    timetable.replace({"j": job("rate(2 hours)")}, later, NO_OFFSET)
    assert timetable.planned("j") == later


@pytest.mark.parametrize("changed", [{}, {"j": replace(job("rate(1 hour)"), enabled=False)}])
def test_what_is_gone_or_disabled_has_no_plan(changed: dict[str, Job]) -> None:
    timetable = planned(job("rate(1 hour)"))
    timetable.replace(changed, START, NO_OFFSET)
    assert timetable.next_moment() is None
    assert timetable.planned("j") is None


def test_its_time_may_come_before_it_is_picked_up() -> None:
    timetable = planned()
    made = replace(job("at(2026-01-01T01:00:00)"), modified=START + timedelta(minutes=29))
    timetable.replace({"j": made}, START + timedelta(minutes=31), NO_OFFSET)
    assert fired(timetable, START + timedelta(minutes=31)) == ["j 01:00"]
