"""The breaker opens, waits, tries and closes; it asks the others no more often than it must."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from paywright.processors.base import CardInvalid, ScriptedSilence, Unavailable, Unknown
from paywright.processors.breaker import (
    BreakerState,
    CircuitBreaker,
    Limits,
    LocalState,
    StateAway,
    View,
)


class Watch:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


class Counted:
    """A shared state that counts how often it is asked, and may be away."""

    def __init__(self, state: BreakerState) -> None:
        self._state = state
        self.asked: list[str] = []
        self.away = False

    def look(self, answered_s_ago: float | None) -> View:
        return self._ask("look", lambda: self._state.look(answered_s_ago))

    def failed(self, answered_s_ago: float | None, probe: str) -> View:
        return self._ask("failed", lambda: self._state.failed(answered_s_ago, probe))

    def take_probe(self, probe: str) -> View:
        return self._ask("take_probe", lambda: self._state.take_probe(probe))

    def probe_answered(self, probe: str) -> View:
        return self._ask("probe_answered", lambda: self._state.probe_answered(probe))

    def _ask(self, event: str, ask: Callable[[], View]) -> View:
        self.asked.append(event)
        if self.away:
            raise StateAway
        return ask()


def fail() -> None:
    raise Unknown


def fail_times(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        with pytest.raises(Unknown):
            breaker.call(fail)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def shared(watch: Watch) -> Counted:
    return Counted(LocalState(Limits(), watch))


def test_it_opens_after_five_and_closes_after_two(watch: Watch) -> None:
    breaker = CircuitBreaker(monotonic=watch)
    fail_times(breaker, 5)
    with pytest.raises(Unavailable):
        breaker.call(lambda: None)
    watch.at += 29.9
    with pytest.raises(Unavailable):
        breaker.check()
    watch.at += 0.2
    breaker.call(lambda: None)
    fail_times(breaker, 1)
    with pytest.raises(Unavailable, match="open"):
        breaker.check()
    watch.at += 30.1
    breaker.call(lambda: None)
    breaker.call(lambda: None)
    fail_times(breaker, 4)
    breaker.check()


def test_failures_count_only_in_a_row(watch: Watch) -> None:
    breaker = CircuitBreaker(monotonic=watch)
    for _ in range(5):
        fail_times(breaker, 4)
        watch.at += 0.1
        breaker.call(lambda: None)
        watch.at += 0.1
    breaker.check()


def test_an_answer_that_refuses_a_card_is_an_answer(watch: Watch) -> None:
    breaker = CircuitBreaker(monotonic=watch)

    def refuse() -> None:
        raise CardInvalid("incorrect_number")

    fail_times(breaker, 4)
    watch.at += 0.1
    with pytest.raises(CardInvalid):
        breaker.call(refuse)
    watch.at += 0.1
    fail_times(breaker, 4)
    breaker.check()


def test_a_test_cards_silence_is_an_answer(watch: Watch) -> None:
    breaker = CircuitBreaker(monotonic=watch)

    def keep_silent(times: int) -> None:
        for _ in range(times):
            with pytest.raises(ScriptedSilence):
                breaker.call(keep_to_the_script)

    def keep_to_the_script() -> None:
        raise ScriptedSilence

    keep_silent(10)
    breaker.check()
    fail_times(breaker, 5)
    watch.at += 30.1
    keep_silent(2)
    breaker.call(lambda: None)
    fail_times(breaker, 1)
    breaker.check()


def test_one_request_at_a_time_tries(watch: Watch, shared: Counted) -> None:
    one, other = (CircuitBreaker(shared, monotonic=watch) for _ in range(2))
    fail_times(one, 5)
    watch.at += 30

    assert one.call(lambda: refused(other)) == "refused"
    watch.at += 1
    assert other.call(lambda: refused(one)) == "refused"
    watch.at += 1
    one.check()
    other.check()


def refused(breaker: CircuitBreaker) -> str:
    with pytest.raises(Unavailable):
        breaker.call(lambda: None)
    return "refused"


def test_a_probe_that_tells_nothing_is_given_up(watch: Watch, shared: Counted) -> None:
    one, other = (CircuitBreaker(shared, monotonic=watch) for _ in range(2))
    fail_times(one, 5)
    watch.at += 30

    def crash() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one.call(crash)
    with pytest.raises(Unavailable):
        other.call(lambda: None)
    watch.at += 30
    other.call(lambda: None)


def test_what_was_under_way_when_it_opened_changes_nothing(watch: Watch, shared: Counted) -> None:
    one, other = (CircuitBreaker(shared, monotonic=watch) for _ in range(2))
    one.call(lambda: fail_times(other, 5))  # its answer comes when it is open
    with pytest.raises(Unavailable):
        other.check()
    watch.at += 29
    late = CircuitBreaker(shared, monotonic=watch)
    with pytest.raises(Unavailable):
        late.check()
    shared.failed(None, "")  # sent before, failed now: it is not open for longer
    watch.at += 1
    late.check()


def test_others_answers_break_a_row_of_failures(watch: Watch, shared: Counted) -> None:
    one, other = (CircuitBreaker(shared, monotonic=watch) for _ in range(2))
    fail_times(one, 4)
    watch.at += 0.5
    other.call(lambda: None)
    watch.at += 1
    other.check()
    fail_times(one, 4)
    one.check()
    fail_times(one, 1)
    with pytest.raises(Unavailable):
        one.check()


def test_an_answer_from_before_breaks_nothing(watch: Watch, shared: Counted) -> None:
    breakers = [CircuitBreaker(shared, monotonic=watch) for _ in range(5)]
    for breaker in breakers:
        breaker.call(lambda: None)
    watch.at += 5  # the processor went silent, and all of them waited for it
    for breaker in breakers:
        fail_times(breaker, 1)
    watch.at += 1
    for breaker in breakers:
        with pytest.raises(Unavailable):
            breaker.check()


def test_a_healthy_day_costs_one_question_a_second(watch: Watch, shared: Counted) -> None:
    breaker = CircuitBreaker(shared, monotonic=watch)
    for second in range(1, 4):
        for _ in range(100):
            breaker.check()
            breaker.call(lambda: None)
        assert shared.asked == ["look"] * second
        watch.at += 1


def test_without_the_others_it_goes_by_what_it_saw(watch: Watch, shared: Counted) -> None:
    one, other = (CircuitBreaker(shared, monotonic=watch) for _ in range(2))
    other.check()
    fail_times(one, 5)
    shared.away = True
    watch.at += 1
    with pytest.raises(Unavailable):
        one.check()
    other.check()
    fail_times(other, 5)
    with pytest.raises(Unavailable):
        other.check()
    watch.at += 30
    for _ in range(2):
        other.call(lambda: None)
    other.check()
    shared.away = False
    watch.at += 1
    one.check()


def test_of_two_that_may_try_one_is_granted(watch: Watch) -> None:
    state = LocalState(Limits(), watch)
    for _ in range(5):
        state.failed(None, "")
    assert state.take_probe("early") == View(closed=False, wait_s=30)
    watch.at += 30
    assert state.take_probe("one") == View(closed=False, wait_s=0)
    assert state.take_probe("other") == View(closed=False, wait_s=30)


def test_who_is_not_granted_the_try_asks_nothing(
    watch: Watch, shared: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker = CircuitBreaker(shared, monotonic=watch)
    fail_times(breaker, 5)
    watch.at += 30
    monkeypatch.setattr(shared, "take_probe", lambda _: View(closed=False, wait_s=1))
    with pytest.raises(Unavailable, match="another request tries"):
        breaker.call(lambda: pytest.fail("it was asked"))
