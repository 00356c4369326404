"""A function's memory size: what counts, what happens beyond it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from emulator.invocations import InvokeResult
from emulator.logs import Kind
from emulator.runtime import Runtime
from tests.emulator_harness import LogKeeper, function_of, runtime_of
from tests.waiting import eventually

SMALL = function_of("mishap", timeout_s=20, memory_mb=128)
KILLED = "Runtime exited with error: signal: killed"


async def _mishap(runtime: Runtime, kind: str, **event: float) -> InvokeResult:
    return await runtime.invoke("mishap", json.dumps({"kind": kind, **event}).encode())


def _reports(logs: LogKeeper) -> list[str]:
    return [text for text in logs.texts(Kind.PLATFORM) if text.startswith("REPORT")]


def _used_mb(report: str) -> int:
    found = re.search(r"Max Memory Used: (\d+) MB", report)
    assert found is not None
    return int(found[1])


async def test_more_than_its_memory_size_ends_a_function(logs: LogKeeper) -> None:
    async with runtime_of(SMALL, logs=logs) as runtime:
        result = await _mishap(runtime, "hog", mb=160)
        assert (await _mishap(runtime, "chatter")).function_error is None
    assert result.function_error == "Unhandled"
    assert json.loads(result.payload) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {result.request_id} Error: {KILLED}",
    }
    report, after = _reports(logs)
    assert "Memory Size: 128 MB\tMax Memory Used: 128 MB\t" in report
    assert report.endswith("Status: error\tError Type: Runtime.OutOfMemory")
    assert f"RequestId: {result.request_id} Error: {KILLED}\nRuntime.ExitError" in logs.texts()
    assert _used_mb(after) < 100
    assert any(text.endswith("MB used, MemorySize is 128 MB: killed") for text in logs.texts())


async def test_what_its_children_use_counts(logs: LogKeeper) -> None:
    async with runtime_of(SMALL, logs=logs) as runtime:
        result = await _mishap(runtime, "hog_in_child", mb=160)
        assert result.function_error == "Unhandled"
    assert _reports(logs)[0].endswith("Error Type: Runtime.OutOfMemory")


async def test_a_short_peak_counts_too(logs: LogKeeper) -> None:
    """Taken and given back between two looks: the kernel remembers the most."""
    async with runtime_of(SMALL, logs=logs) as runtime:
        result = await _mishap(runtime, "hog", mb=160, seconds=0)
        assert result.function_error == "Unhandled"
        result = await _mishap(runtime, "hog", mb=30, seconds=0)
        assert result.function_error is None
        await _mishap(runtime, "chatter")
    assert _reports(logs)[0].endswith("Error Type: Runtime.OutOfMemory")
    assert _used_mb(_reports(logs)[1]) >= 30
    assert _used_mb(_reports(logs)[2]) == _used_mb(_reports(logs)[1]), "of the environment's life"


async def test_address_space_is_no_memory(logs: LogKeeper) -> None:
    async with runtime_of(SMALL, logs=logs) as runtime:
        assert (await _mishap(runtime, "map_much")).payload == b"%d" % (1 << 30)
    assert _used_mb(_reports(logs)[0]) < 128


async def test_init_may_not_use_more_either(logs: LogKeeper, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import time\nx = b'x' * (160 << 20)\ntime.sleep(60)\n")
    async with runtime_of(function_of("fat", tmp_path, timeout_s=20), logs=logs) as runtime:
        result = await runtime.invoke("fat", b"{}")
    assert json.loads(result.payload)["errorMessage"].endswith(KILLED)
    for phase in ("init", "invoke"):
        ending = f"Phase: {phase}\tStatus: error\tError Type: Runtime.OutOfMemory"
        assert sum(text.endswith(ending) for text in logs.texts()) == 1


async def test_nothing_looks_while_nothing_runs(logs: LogKeeper) -> None:
    async with runtime_of(SMALL, logs=logs) as runtime:
        await _mishap(runtime, "chatter")
        watch = runtime.pool("mishap")._memory
        await eventually(lambda: watch._timer is None)


@pytest.mark.parametrize(
    "code",
    [
        "import os\nheld = bytes(range(256)) * 4 * 1024 * 60\ndef handler(e, c): os._exit(3)\n",
        "held = bytes(range(256)) * 4 * 1024 * 60\nimport nothing_of_that_name\n",
    ],
)
async def test_what_crashes_at_once_is_reported_with_what_it_used(
    logs: LogKeeper, tmp_path: Path, code: str
) -> None:
    (tmp_path / "app.py").write_text(code)
    async with runtime_of(function_of("crashing", tmp_path), logs=logs) as runtime:
        for _ in range(2):
            assert (await runtime.invoke("crashing", b"{}")).function_error == "Unhandled"
    assert [_used_mb(report) > 60 for report in _reports(logs)] == [True, True]
