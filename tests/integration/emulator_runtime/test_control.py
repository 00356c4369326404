"""The emulator's own paths on Lambda's port: clock, schedules, metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from emulator.app import Addresses, Emulator
from emulator.clock import Clock
from emulator.runtime import RuntimeSettings
from tests.emulator_harness import LogKeeper, hello_app

JSON = {"content-type": "application/json"}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    emulator = Emulator(
        hello_app(),
        LogKeeper(),
        addresses=Addresses("127.0.0.1", 0, 0),
        settings=RuntimeSettings(reload=False),
        clock_file=tmp_path / "clock",
    )
    await emulator.start()
    async with httpx.AsyncClient(base_url=emulator.lambda_url, timeout=60) as client:
        yield client
    await emulator.stop()


async def test_the_clock_is_told_and_moved(client: httpx.AsyncClient, tmp_path: Path) -> None:
    assert (await client.get("/_emulator/clock")).json()["offset_s"] == 0
    moved = await client.post("/_emulator/clock", json={"advance_s": 129_600})
    assert moved.json()["offset_s"] == 129_600
    ahead = datetime.fromisoformat(moved.json()["now"]) - datetime.now(UTC)
    assert timedelta(hours=35, minutes=59) < ahead <= timedelta(hours=36)
    assert Clock(tmp_path / "clock").offset == timedelta(hours=36)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        ('{"advance_s": 0}', 400),
        ('{"advance_s": -5}', 400),
        ('{"advance_s": 1e30}', 400),
        ('{"advance_s": NaN}', 400),
        ('{"advance_s": "5"}', 400),
        ('{"advance_s": true}', 400),
        ("[]", 400),
        ("{", 400),
        ("", 400),
        (" " * 20_000, 413),
    ],
)
async def test_steps_that_make_no_sense(
    client: httpx.AsyncClient, content: str, status: int
) -> None:
    answer = await client.post("/_emulator/clock", content=content, headers=JSON)
    assert answer.status_code == status
    assert answer.json()["message"].endswith(".")
    assert (await client.get("/_emulator/clock")).json()["offset_s"] == 0


async def test_web_pages_have_no_access(client: httpx.AsyncClient) -> None:
    step = '{"advance_s": 60}'
    for headers, status in (
        ({**JSON, "origin": "https://example.com"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({**JSON, "host": "rebound.example.com"}, 403),
    ):
        answer = await client.post("/_emulator/clock", content=step, headers=headers)
        assert answer.status_code == status
    assert (await client.get("/_emulator/clock")).json()["offset_s"] == 0


async def test_an_application_without_schedules(client: httpx.AsyncClient) -> None:
    assert (await client.get("/_emulator/schedules")).json()["schedules"] == []
    answer = await client.post("/_emulator/schedules/run", json={"name": "any"})
    assert (answer.status_code, answer.json()["message"]) == (404, "There are no schedules.")


async def test_other_paths_and_methods(client: httpx.AsyncClient) -> None:
    assert (await client.get("/_emulator/else")).status_code == 404
    assert (await client.delete("/_emulator/clock")).status_code == 405
    assert (await client.post("/metrics", json={})).status_code == 405


async def test_metrics_are_prometheus_text(client: httpx.AsyncClient) -> None:
    await client.post("/2015-03-31/functions/hello/invocations", json={})
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'function="hello"' in answer.text
