"""The clock that the emulator moves: forward, in a file that others map."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from emulator.clock import Clock, ClockRefused


def test_moves_are_in_the_file_and_survive(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    clock, other = Clock(file), Clock(file)
    assert clock.offset == timedelta(0)
    clock.advance(timedelta(hours=36))
    clock.advance(timedelta(microseconds=5))
    assert other.offset == Clock(file).offset == timedelta(hours=36, microseconds=5)
    content = int.from_bytes(file.read_bytes(), "little", signed=True)
    assert content == 36 * 3600 * 1_000_000 + 5
    assert abs(clock.now() - datetime.now(UTC) - other.offset) < timedelta(seconds=5)


def test_without_a_file_it_moves_too() -> None:
    clock = Clock()
    clock.advance(timedelta(days=1))
    assert clock.offset == timedelta(days=1)


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (timedelta(0), "forward"),
        (timedelta(seconds=-1), "forward"),
        (timedelta(days=3_654), "ten years"),
    ],
)
def test_refused_steps_leave_it_where_it_was(step: timedelta, reason: str) -> None:
    clock = Clock()
    with pytest.raises(ClockRefused, match=reason):
        clock.advance(step)
    assert clock.offset == timedelta(0)


def test_it_ends_where_cron_does() -> None:
    clock = Clock()
    for _ in range((2198 - datetime.now(UTC).year) // 10):
        clock.advance(timedelta(days=3_653))
    with pytest.raises(ClockRefused, match="ends with the year 2198"):
        clock.advance(timedelta(days=3_653))
