"""The loop of the background functions."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from paywright.background import Unavailable, run, time_to_run_s


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
    assert time_to_run_s(90_000) == 75
    assert time_to_run_s(3_000) == 0
