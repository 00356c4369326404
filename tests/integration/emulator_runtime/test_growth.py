"""When one more environment is started, and when a wait is the shorter way."""

from __future__ import annotations

import asyncio
import json
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from emulator.runtime import Runtime, RuntimeSettings, pool
from emulator.runtime.concurrency import Cores
from tests.emulator_harness import LogKeeper, function_of, runtime_of

SETTINGS = RuntimeSettings(reload=False, max_starting=8)
NAPPER = """
import os, pathlib, time


def handler(event, context):
    # Wait until so many processes run it at once, and then for as long as it is told.
    folder = pathlib.Path(event["folder"])
    (folder / str(os.getpid())).touch()
    while len(list(folder.iterdir())) < event["together"]:
        time.sleep(0.01)
    time.sleep(event["s"])
    return os.getpid()
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(NAPPER)
    return tmp_path


def _running(code: Path, logs: LogKeeper) -> AbstractAsyncContextManager[Runtime]:
    return runtime_of(function_of("napper", code, timeout_s=60), logs=logs, settings=SETTINGS)


async def _processes(runtime: Runtime, count: int, nap_s: float, together: int = 1) -> int:
    """How many environments answered `count` requests that came at once.

    None answers before `together` of them run one, however long their start takes.
    """
    with TemporaryDirectory() as folder:
        event = json.dumps({"s": nap_s, "together": together, "folder": folder}).encode()
        results = await asyncio.gather(*(runtime.invoke("napper", event) for _ in range(count)))
    assert all(result.function_error is None for result in results)
    return len({result.payload for result in results})


async def test_short_requests_wait_for_the_environment_that_is_there(
    logs: LogKeeper, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_PATIENCE_S", 10.0)
    async with _running(code, logs) as runtime:
        await _processes(runtime, 1, 0)
        assert await _processes(runtime, 10, 0.001) == 1
        assert len(runtime.pool("napper").environments) == 1


async def test_long_requests_get_an_environment_each(logs: LogKeeper, code: Path) -> None:
    async with _running(code, logs) as runtime:
        await _processes(runtime, 1, 0)
        assert await _processes(runtime, 3, 0, together=3) == 3


@pytest.mark.parametrize(("busy", "expected"), [(True, 2), (False, 3)])
async def test_patience_is_longer_while_every_core_is_busy(
    logs: LogKeeper, code: Path, monkeypatch: pytest.MonkeyPatch, busy: bool, expected: int
) -> None:
    monkeypatch.setattr(pool, "_PATIENCE_WHEN_BUSY_S", 30.0)
    monkeypatch.setattr(Cores, "are_busy", lambda _: busy)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    async with _running(code, logs) as runtime:
        await _processes(runtime, 1, 0)
        # The nap is the time that one more would have to start.
        assert await _processes(runtime, 3, 1.0, together=expected) == expected


def test_cores_that_work_are_busy_and_those_that_rest_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = (100, 1_000)
    monkeypatch.setattr("emulator.runtime.concurrency._ticks", lambda: now)
    cores = Cores()
    assert not cores.are_busy()  # nothing is known yet
    now = (101, 1_100)
    assert cores.are_busy()
    now = (150, 1_200)
    assert not cores.are_busy()
