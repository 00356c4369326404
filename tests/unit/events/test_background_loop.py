"""The loop of the background functions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from paywright.background import Unavailable, run, time_to_run_s

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def _script(*steps: bool | Exception) -> Callable[[], bool]:
    rest = iter(steps)

    def step() -> bool:
        outcome = next(rest)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return step


class _Enough(Exception):
    pass


def test_it_rests_only_when_there_is_no_more_to_do() -> None:
    rests: list[float] = []
    with pytest.raises(_Enough):
        run(_script(True, True, False, True, False, _Enough()), rests.append, seconds=60)
    assert len(rests) == 2


def test_it_pauses_longer_and_longer_while_something_is_away_and_starts_anew_after() -> None:
    pauses: list[float] = []
    away = [Unavailable("bus")] * 12
    with pytest.raises(_Enough):
        run(
            _script(*away, True, Unavailable("bus"), _Enough()),
            lambda _: None,
            seconds=3_600,
            sleep=pauses.append,
        )
    assert 0.05 <= pauses[0] <= 0.1
    assert 0.1 <= pauses[1] <= 0.2
    assert all(5 <= pause <= 10 for pause in pauses[8:12])
    assert 0.05 <= pauses[12] <= 0.1


def test_an_outage_is_one_line_and_its_end_another(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(_Enough):
        run(
            _script(*[Unavailable("bus")] * 5, False, _Enough()),
            lambda _: None,
            seconds=60,
            sleep=lambda _: None,
        )
    assert [record.message for record in caplog.records] == ["Work is paused", "Work goes on"]


def test_one_step_is_done_even_when_the_time_is_over() -> None:
    assert run(lambda: True, lambda _: None, seconds=0) == 1


def test_the_last_step_has_time_to_finish() -> None:
    assert time_to_run_s(90_000, {}, NOON) == 75
    assert time_to_run_s(3_000, {}, NOON) == 0


def test_wake_ups_do_not_pile_up() -> None:
    """Woken every minute, one at a time: none ever waits for as long as a minute."""
    now, waits = NOON, []
    for minute in range(60):
        due = NOON + timedelta(minutes=minute)
        now = max(now, due)
        waits.append((now - due).total_seconds())
        now += timedelta(seconds=time_to_run_s(90_000, {"time": due.isoformat()}, now) + 0.5)
    assert max(waits) < 30
    assert min(waits[1:]) > 5, "the next one is waiting when one ends"


@pytest.mark.parametrize("time", [None, "noon", "2026-11-22T12:00:00", "2020-01-01T00:00:00Z"])
def test_a_wake_up_without_a_time_of_its_own_counts_as_due_now(time: str | None) -> None:
    assert time_to_run_s(90_000, {"time": time}, NOON) == 75
