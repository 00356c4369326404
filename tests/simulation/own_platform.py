"""A platform with a database and a clock of its own: nothing that others left is in the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from paywright.clock import SystemClock
from paywright.ids import UuidSource
from paywright.merchants.create import create_merchant
from paywright.payments.notices import hear_notices
from paywright.payments.recovery import LOOK_AGAIN_AFTER, recover_due
from paywright.wiring import Platform
from tests.api import Api
from tests.clock_file import ClockFile
from tests.platform import PII_KEY
from tests.services import Servers


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClockFile:
    monkeypatch.setenv("CLOCK_FILE", str(tmp_path / "clock"))
    return ClockFile(tmp_path / "clock")


@pytest.fixture
def url(new_database_url: Callable[[], str]) -> str:
    return new_database_url()


@pytest.fixture
def app_database_url(clock: ClockFile, url: str, servers: Servers) -> str:
    """A database of the test's own, and a clock that it moves."""
    return servers.app_url(url)


@pytest.fixture
def owner(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def api(platform: Platform, owner: psycopg.Connection[Any]) -> Api:
    wall = SystemClock()
    merchant = create_merchant(
        owner,
        PII_KEY,
        name="Ada",
        email="ada@example.com",
        settlement_currency="usd",
        clock=wall,
        ids=UuidSource(wall),
    )
    return Api(merchant)


def settle(platform: Platform, clock: ClockFile) -> None:
    """Let housekeeping find out what became of everything, however long it takes."""
    for pause in (timedelta(minutes=5), *LOOK_AGAIN_AFTER, timedelta(minutes=1)):
        clock.advance(pause + timedelta(seconds=1))
        recover_due(platform.payments)
        hear_notices(platform.payments)


def agree(owner: psycopg.Connection[Any], platform: Platform) -> None:
    """What the processor did is what is written down, operation by operation."""
    did = owner.execute(
        "SELECT operation_id FROM simulator.requests_at(%s)"
        " WHERE outcome = 'approved' AND NOT reversed",
        [platform.clock.now()],
    ).fetchall()
    written = owner.execute(
        "SELECT id FROM payment_operations WHERE state = 'succeeded'"
    ).fetchall()
    assert set(did) == set(written)
