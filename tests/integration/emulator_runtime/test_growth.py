"""When one more environment is started, and when a wait is the shorter way."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from subprocess import PIPE
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


@pytest.mark.parametrize(("room", "expected"), [(False, 2), (True, 3)])
async def test_one_more_than_the_cores_is_started_while_all_are_busy(
    logs: LogKeeper, code: Path, monkeypatch: pytest.MonkeyPatch, room: bool, expected: int
) -> None:
    _one_core(monkeypatch, room=room)
    monkeypatch.setattr(pool, "_LONGEST_HOLD_S", 30.0)
    async with _running(code, logs) as runtime:
        await _processes(runtime, 1, 0)
        # The nap is the time that one more would have to start.
        assert await _processes(runtime, 3, 1.0, together=expected) == expected


async def test_while_all_cores_are_busy_idle_environments_stay_idle(
    logs: LogKeeper, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _running(code, logs) as runtime:
        await _processes(runtime, 4, 0, together=4)
        _one_core(monkeypatch, room=False)
        monkeypatch.setattr(pool, "_LONGEST_HOLD_S", 30.0)
        monkeypatch.setattr(runtime._gate.cores, "count", 1)
        assert await _processes(runtime, 12, 0.02, together=2) == 2


async def test_functions_that_wait_for_each_other_all_run_on_busy_cores(
    logs: LogKeeper, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _one_core(monkeypatch, room=False)
    async with _running(code, logs) as runtime:
        assert await _processes(runtime, 5, 0, together=5) == 5


def test_cores_have_no_room_beside_as_many_processes_that_work() -> None:
    cores = Cores()
    busy = [
        subprocess.Popen([sys.executable, "-c", "print(flush=True)\nwhile True: pass"], stdout=PIPE)
        for _ in range(cores.count)
    ]
    try:
        for each in busy:
            assert each.stdout is not None
            each.stdout.readline()  # it works by now
        until = time.monotonic() + 10
        while cores.have_room():  # a tenth of the last moments may have been idle
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        for each in busy:
            each.kill()
            each.communicate()
        cores.close()


def _one_core(monkeypatch: pytest.MonkeyPatch, *, room: bool) -> None:
    monkeypatch.setattr(Cores, "have_room", lambda _: room)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
