"""A clock that is behind what its database has seen, as when the file that kept it is gone."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cli import clock
from cli.errors import Failure
from cli.paths import Home
from emulator.clock import Clock

Owner = psycopg.Connection[Any]


@pytest.fixture
def url(new_database_url: Callable[[], str], servers: object) -> str:
    return new_database_url()


@pytest.fixture
def owner(url: str) -> Iterator[Owner]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    made.clock_file.parent.mkdir(parents=True, exist_ok=True)
    return made


def event(owner: Owner, at: datetime, table: str) -> None:
    more = {"outbox": ("", ""), "events": (", relayed_at", ", %(at)s")}[table]
    owner.execute(
        f"INSERT INTO {table} (merchant_id, id, livemode, type, object_id, sequence, payload,"
        f" created_at{more[0]}) VALUES (%(id)s, %(id)s, false, 'payment.captured', %(id)s, 1,"
        f" '{{}}', %(at)s{more[1]})".encode(),
        {"id": uuid.uuid4(), "at": at},
    )


@pytest.mark.parametrize("table", ["outbox", "events"])
def test_it_is_moved_to_the_latest_moment(owner: Owner, url: str, home: Home, table: str) -> None:
    seen = datetime.now(UTC) + timedelta(days=7)
    event(owner, seen - timedelta(days=1), "events")
    event(owner, seen, table)
    assert clock.catch_up(home, url) > timedelta(days=6, hours=23)
    now = Clock(home.clock_file).now()
    assert seen <= now < seen + timedelta(hours=1)
    assert clock.catch_up(home, url) == timedelta(0)


def test_one_that_agrees_stays(owner: Owner, url: str, home: Home) -> None:
    assert clock.catch_up(home, url) == timedelta(0), "nothing was seen"
    event(owner, datetime.now(UTC) + timedelta(seconds=5), "outbox")
    assert clock.catch_up(home, url) == timedelta(0)
    assert Clock(home.clock_file).offset == timedelta(0)


def test_one_that_cannot_follow_says_so(owner: Owner, url: str, home: Home) -> None:
    event(owner, datetime.now(UTC) + timedelta(days=5_000), "outbox")
    with pytest.raises(Failure, match="cannot follow: The clock moves at most ten years"):
        clock.catch_up(home, url)
