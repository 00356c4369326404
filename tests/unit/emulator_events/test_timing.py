"""Due times of schedules: start, end, windows, and what a leap in time leaves behind."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from emulator.cron.timing import Timing, TooMany


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def due_times(timing: Timing, since: datetime, count: int) -> list[str]:
    """The first due times of what is made then."""
    found: list[str] = []
    due = timing.first(since)
    while due is not None and len(found) < count:
        found.append(f"{due:%m-%dT%H:%M:%S}")
        due = timing.following(due)
    return found


def test_start_and_end_bound_a_cron() -> None:
    start, end = at("2026-01-01T02:00:00"), at("2026-01-01T04:00:00")
    timing = Timing.of("cron(0 * * * ? *)", start=start, end=end)
    shown = due_times(timing, at("2026-01-01T00:00:00"), 9)
    assert shown == ["01-01T02:00:00", "01-01T03:00:00", "01-01T04:00:00"]


def test_a_rate_keeps_step_with_its_start() -> None:
    start = at("2026-01-01T00:00:00")
    timing = Timing.of("rate(2 hours)", start=start, end=at("2026-01-01T08:00:00"))
    assert due_times(timing, at("2026-01-01T03:30:00"), 9) == [
        "01-01T04:00:00",
        "01-01T06:00:00",
        "01-01T08:00:00",
    ]
    assert due_times(timing, at("2025-12-31T00:00:00"), 1) == ["01-01T00:00:00"]


def test_a_rate_of_days_is_24_hours_whatever_the_zone() -> None:
    timing = Timing.of("rate(1 day)", "Europe/Berlin")
    assert due_times(timing, at("2026-03-28T12:00:00"), 2) == ["03-28T12:00:00", "03-29T12:00:00"]


def test_one_time_schedules_ignore_start_and_end() -> None:
    # Scheduler User Guide, "One-time schedules".
    timing = Timing.of(
        "at(2026-01-01T00:00:00)", start=at("2027-01-01T00:00:00"), end=at("2025-01-01T00:00:00")
    )
    assert due_times(timing, at("2025-12-31T00:00:00"), 9) == ["01-01T00:00:00"]
    assert timing.first(at("2026-01-01T00:00:01")) is None


def test_one_time_in_the_hour_that_spring_skips_is_not_lost() -> None:
    timing = Timing.of("at(2026-03-29T02:30:00)", "Europe/Berlin")
    assert timing.first(at("2026-03-01T00:00:00")) == at("2026-03-29T01:30:00")  # 03:30 there


@pytest.mark.parametrize(
    ("text", "zone", "due", "now"),
    [
        ("cron(* * * * ? *)", "UTC", "2026-01-01T00:00:00", "2026-01-09T11:22:33"),
        ("cron(0 0 1 * ? *)", "UTC", "2026-01-01T00:00:00", "2026-12-31T00:00:00"),
        ("cron(0 0 29 2 ? *)", "UTC", "2024-02-29T00:00:00", "2027-06-01T00:00:00"),
        ("cron(15 2 * * ? *)", "America/New_York", "2026-03-07T07:15:00", "2026-03-08T20:00:00"),
        ("rate(7 minutes)", "UTC", "2026-01-01T00:00:00", "2026-01-01T10:00:00"),
    ],
)
def test_the_latest_due_time_is_what_counting_finds(
    text: str, zone: str, due: str, now: str
) -> None:
    timing, first, until = Timing.of(text, zone), at(due), at(now)
    passed = [first]
    while (following := timing.following(passed[-1])) is not None and following <= until:
        passed.append(following)
    assert timing.latest(first, until) == passed[-1]
    if text.startswith("cron"):
        assert timing.count(first, until, 100_000) == len(passed)


def test_the_latest_due_time_is_not_after_the_end() -> None:
    end = at("2026-01-02T00:30:00")
    for text in ("cron(0 * * * ? *)", "rate(1 hour)"):
        timing = Timing.of(text, end=end)
        latest = timing.latest(at("2026-01-01T00:00:00"), at("2026-02-01T00:00:00"))
        assert latest == at("2026-01-02T00:00:00")


def test_counting_has_an_end() -> None:
    with pytest.raises(TooMany):
        Timing.of("cron(* * * * ? *)").count(
            at("2026-01-01T00:00:00"), at("2036-01-01T00:00:00"), 2_000
        )


def test_a_window_disperses_and_repeats_itself() -> None:
    timing = Timing.of("cron(0 * * * ? *)", window_min=15)
    due = at("2026-01-01T00:00:00")
    moments = [
        timing.moment(due + timedelta(hours=hour), "schedule/default/x") for hour in range(9)
    ]
    delays = [moment - due - timedelta(hours=hour) for hour, moment in enumerate(moments)]
    assert all(timedelta(0) <= delay < timedelta(minutes=15) for delay in delays)
    assert len(set(delays)) > 5
    assert timing.moment(due, "schedule/default/x") == moments[0]
    assert timing.moment(due, "schedule/default/y") != moments[0]


def test_minutes_of_a_whole_day_are_found_one_after_the_other() -> None:
    timing = Timing.of("cron(* * * * ? *)", "Europe/Berlin")
    due = timing.first(at("2026-01-01T00:00:00"))
    assert due is not None
    for earlier, later in itertools.pairwise(_walk(timing, due, 1_500)):
        assert later - earlier == timedelta(minutes=1)


def _walk(timing: Timing, due: datetime, count: int) -> list[datetime]:
    found = [due]
    while len(found) < count:
        following = timing.following(found[-1])
        assert following is not None
        found.append(following)
    return found
