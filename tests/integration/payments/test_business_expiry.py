"""What Valkey keeps lapses by business time: a moved clock leaves nothing stale behind."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.api import Api
from tests.clock_file import ClockFile


@pytest.fixture(autouse=True)
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClockFile:
    made = ClockFile(tmp_path / "clock")
    monkeypatch.setenv("CLOCK_FILE", str(tmp_path / "clock"))
    return made


def test_an_idempotency_key_is_new_after_a_day_of_business(api: Api, clock: ClockFile) -> None:
    card = api.card()
    body = {"amount": 1000, "currency": "usd", "payment_method_id": card}
    first = api.post("/v1/payments", body, key="k")
    clock.advance(timedelta(hours=23))
    again = api.post("/v1/payments", body, key="k")
    assert again.json["id"] == first.json["id"]
    assert again.headers["idempotent-replayed"] == "true"
    clock.advance(timedelta(hours=2))
    later = api.post("/v1/payments", body, key="k")
    assert later.status == 201
    assert later.json["id"] != first.json["id"]


def test_a_replay_from_the_database_does_not_outlive_its_key(
    api: Api, clock: ClockFile, platform: Any
) -> None:
    body = {"amount": 1000, "currency": "usd", "payment_method_id": api.card()}
    first = api.post("/v1/payments", body, key="k")
    platform.cache.send(("FLUSHDB",))
    clock.advance(timedelta(hours=23))
    assert api.post("/v1/payments", body, key="k").json["id"] == first.json["id"]
    clock.advance(timedelta(hours=2))
    assert api.post("/v1/payments", body, key="k").json["id"] != first.json["id"]


def test_a_revoked_key_is_known_for_five_minutes_of_business_at_most(
    api: Api, clock: ClockFile, owner: psycopg.Connection[Any]
) -> None:
    assert api.get("/v1/merchants/me").status == 200
    owner.execute("UPDATE api_keys SET revoked_at = now()")
    clock.advance(timedelta(minutes=4))
    assert api.get("/v1/merchants/me").status == 200
    clock.advance(timedelta(minutes=2))
    assert api.get("/v1/merchants/me").status == 401


def test_times_of_business_are_in_what_is_made(api: Api, clock: ClockFile) -> None:
    before = api.pay(api.card()).json["created_at"]
    clock.advance(timedelta(days=3))
    after = api.pay(api.card()).json["created_at"]
    assert after[:10] > before[:10]
