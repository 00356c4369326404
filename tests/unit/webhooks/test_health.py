"""What answers say of an endpoint, and what it may be sent because of that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from paywright.webhooks.health import (
    BROKEN_AFTER,
    FAILING_REASON,
    GONE_REASON,
    SLOW_MS,
    Health,
    hangs,
    is_news,
    reason_to_disable,
    seen,
)

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Given:
    succeeded: bool
    after_s: float = 0
    duration_ms: int = 20
    status_code: int | None = 200

    @property
    def at(self) -> datetime:
        return NOW + timedelta(seconds=self.after_s - 0.1)

    @property
    def ended_at(self) -> datetime:
        return NOW + timedelta(seconds=self.after_s)


WELL = Health(answered_at=NOW)
FAILING = Health(answered_at=NOW, failing_since=NOW, failures=1)
BROKEN = Health(answered_at=NOW, failing_since=NOW, failures=BROKEN_AFTER)


@pytest.mark.parametrize(
    ("health", "quick", "proven", "ill", "new"),
    [
        (Health(), False, False, False, True),
        (Health(failing_since=NOW, failures=1), False, False, True, False),
        (Health(slow=True), False, False, True, False),
        (WELL, True, True, False, False),
        (FAILING, True, False, True, False),
        (BROKEN, False, False, True, False),
        (Health(answered_at=NOW, failures=BROKEN_AFTER), True, True, False, False),
        (Health(answered_at=NOW, slow=True), False, True, True, False),
    ],
)
def test_what_an_endpoint_may_be_sent_depends_on_its_health(
    health: Health, quick: bool, proven: bool, ill: bool, new: bool
) -> None:
    known = (health.is_quick, health.is_proven, health.is_ill, health.is_new)
    assert known == (quick, proven, ill, new)


def test_failures_count_from_the_last_success_on() -> None:
    results = [Given(False, 3), Given(True, 2), Given(False, 1), Given(False, 4)]
    what = seen(results)
    assert (what.succeeded, what.failures) == (True, 2)
    assert what.failing_since == NOW + timedelta(seconds=3)
    assert what.at == NOW + timedelta(seconds=4)
    assert what.began == NOW + timedelta(seconds=3.9)
    assert not seen([Given(False), Given(False)]).succeeded
    assert seen([Given(True)]).failing_since is None


def test_one_long_answer_makes_an_endpoint_slow() -> None:
    assert not seen([Given(True, duration_ms=SLOW_MS)]).slow
    assert seen([Given(True), Given(True, duration_ms=SLOW_MS + 1)]).slow
    assert hangs(NOW, NOW).slow
    assert hangs(NOW, NOW).failures == 0


@pytest.mark.parametrize(
    ("health", "result", "expected"),
    [
        (WELL, Given(True), False),
        (WELL, Given(False), True),
        (WELL, Given(True, duration_ms=SLOW_MS + 1), True),
        (Health(), Given(True), True),
        (FAILING, Given(True), True),
        (Health(answered_at=NOW, slow=True), Given(True), True),
    ],
)
def test_answers_as_ever_are_no_news(health: Health, result: Given, expected: bool) -> None:
    assert is_news(health, seen([result])) is expected


FIVE_DAYS_S = 5 * 86_400


@pytest.mark.parametrize(
    ("health", "results", "reason"),
    [
        (WELL, [Given(False, status_code=410)], GONE_REASON),
        (BROKEN, [Given(False, FIVE_DAYS_S)], FAILING_REASON),
        (BROKEN, [Given(False, FIVE_DAYS_S - 1)], None),
        (BROKEN, [Given(True, FIVE_DAYS_S)], None),
        (BROKEN, [], None),
        (FAILING, [Given(False, FIVE_DAYS_S)] * (BROKEN_AFTER - 2), None),
        (FAILING, [Given(False, FIVE_DAYS_S)] * (BROKEN_AFTER - 1), FAILING_REASON),
        (WELL, [Given(False, FIVE_DAYS_S)] * BROKEN_AFTER, None),
    ],
)
def test_an_endpoint_is_disabled_by_410_or_days_of_failures(
    health: Health, results: list[Given], reason: str | None
) -> None:
    assert reason_to_disable(health, results) == reason
