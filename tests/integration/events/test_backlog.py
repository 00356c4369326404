"""What waits in the outbox shows as metrics, as functions print them and Prometheus reads them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from emulator.metrics import Metrics
from paywright import backlog
from paywright.clock import SystemClock
from paywright.db import Database
from paywright.events.backlog import outbox_backlog
from tests.integration.events.conftest import Outbox


class _Later:
    """A clock that is ahead."""

    def __init__(self, ahead: timedelta) -> None:
        self._ahead = ahead

    def now(self):
        return SystemClock().now() + self._ahead


def _prometheus(printed: str) -> dict[str, float]:
    metrics = Metrics()
    for line in printed.splitlines():
        metrics.emf(line)
    lines = [line for line in metrics.render().decode().splitlines() if "paywright_outbox" in line]
    return {
        name.partition("{")[0]: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")
    }


def test_backlog_and_age_are_gauges(
    relay_database: Database, outbox: Outbox, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        outbox.add()
    outbox_backlog(relay_database, _Later(timedelta(minutes=10))).tell()
    printed = capsys.readouterr().out
    found = _prometheus(printed)
    assert found["paywright_outbox_events"] == 3
    assert 600 <= found["paywright_outbox_age_seconds"] < 700
    outbox.connection.execute("TRUNCATE outbox")
    outbox_backlog(relay_database, SystemClock()).tell()
    now = _prometheus(printed + capsys.readouterr().out)
    assert now == {"paywright_outbox_events": 0, "paywright_outbox_age_seconds": 0}


def test_they_are_told_now_and_then(
    relay_database: Database, outbox: Outbox, capsys: pytest.CaptureFixture[str]
) -> None:
    seldom = outbox_backlog(relay_database, SystemClock(), every_s=3_600)
    seldom.tell()
    seldom.tell()
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_more_than_is_counted_shows_as_so_many(
    relay_database: Database,
    outbox: Outbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(backlog, "MOST_COUNTED", 2)
    for _ in range(3):
        outbox.add()
    outbox_backlog(relay_database, SystemClock()).tell()
    assert _prometheus(capsys.readouterr().out)["paywright_outbox_events"] == 2
