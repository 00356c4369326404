"""Functions in real processes: what they return, what they print, how they fail."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from emulator.invocations import InvokeResult, Throttled, UnknownFunction
from emulator.logs import Kind
from emulator.runtime import Runtime, RuntimeSettings
from tests.emulator_harness import (
    HELLO_APP,
    LogKeeper,
    function_of,
    gone,
    is_alive,
    runtime_of,
)
from tests.waiting import eventually

MISHAP = function_of("mishap", timeout_s=1)


async def _mishap(runtime: Runtime, kind: str) -> InvokeResult:
    return await runtime.invoke("mishap", json.dumps({"kind": kind}).encode())


def _error(result: InvokeResult) -> dict[str, Any]:
    assert result.function_error == "Unhandled"
    error: dict[str, Any] = json.loads(result.payload)
    return error


async def test_exception_is_a_function_error_and_keeps_the_environment(logs: LogKeeper) -> None:
    async with runtime_of(MISHAP, logs=logs) as runtime:
        error = _error(await _mishap(runtime, "fail"))
        assert (error["errorType"], error["errorMessage"]) == ("ValueError", "no luck")
        assert any("no luck" in text for text in logs.texts(Kind.FUNCTION))
        await _mishap(runtime, "fail")
    assert sum("Init Duration" in text for text in logs.texts()) == 1


async def test_exit_is_reported_and_replaced(logs: LogKeeper) -> None:
    async with runtime_of(MISHAP, logs=logs) as runtime:
        error = _error(await _mishap(runtime, "leave"))
        assert error["errorType"] == "Runtime.ExitError"
        assert error["errorMessage"].endswith("Runtime exited with error: exit status 3")
        assert (await _mishap(runtime, "chatter")).function_error is None


async def test_timeout_kills_the_function_and_all_it_forked(logs: LogKeeper) -> None:
    async with runtime_of(MISHAP, logs=logs) as runtime:
        result = await _mishap(runtime, "fork_and_hang")
        error = _error(result)
        assert error["errorType"] == "Sandbox.Timedout"
        expected = f"RequestId: {result.request_id} Error: Task timed out after 1.00 seconds"
        assert error["errorMessage"] == expected
        child = int(next(t for t in logs.texts() if t.startswith("child ")).split()[1])
        await gone(child)
        assert not any(is_alive(e.pid or 0) for e in runtime.pool("mishap").environments)
    assert any("Status: timeout" in text for text in logs.texts(Kind.PLATFORM))


async def test_what_a_function_forked_ends_with_its_environment(logs: LogKeeper) -> None:
    async with runtime_of(MISHAP, logs=logs) as runtime:
        forked = json.loads((await _mishap(runtime, "fork")).payload)
        assert is_alive(forked["child"])
        await _mishap(runtime, "leave")
        await gone(forked["child"])


async def test_what_cannot_be_serialised(logs: LogKeeper) -> None:
    async with runtime_of(MISHAP, logs=logs) as runtime:
        assert _error(await _mishap(runtime, "unserializable"))["errorType"] == (
            "Runtime.MarshalError"
        )


async def test_response_over_6_mb(logs: LogKeeper) -> None:
    async with runtime_of(function_of("mishap", timeout_s=20), logs=logs) as runtime:
        error = _error(await _mishap(runtime, "big"))
        text = "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
        assert error == {"errorType": "Function.ResponseSizeTooLarge", "errorMessage": text}
        report = next(text for text in logs.texts() if text.startswith("REPORT"))
        assert report.endswith("Status: error\tError Type: Function.ResponseSizeTooLarge")
        assert any(line.level == "ERROR" and text in line.message for line in logs.lines)
        assert (await _mishap(runtime, "chatter")).function_error is None


async def test_endless_output_is_bounded_and_times_out(logs: LogKeeper) -> None:
    async with runtime_of(MISHAP, logs=logs) as runtime:
        assert _error(await _mishap(runtime, "babble"))["errorType"] == "Sandbox.Timedout"
    assert max(len(text) for text in logs.texts()) <= 256 * 1024


async def test_init_error_reaches_the_caller(logs: LogKeeper) -> None:
    async with runtime_of(function_of("broken"), logs=logs) as runtime:
        for _ in range(2):
            error = _error(await runtime.invoke("broken", b"{}"))
            assert error["errorType"] == "Runtime.ImportModuleError"
            assert "nothing_of_that_name" in error["errorMessage"]


async def test_missing_code_folder_is_an_init_error(logs: LogKeeper, tmp_path: Path) -> None:
    function = function_of("gone", tmp_path / "gone")
    async with runtime_of(function, logs=logs) as runtime:
        assert _error(await runtime.invoke("gone", b"{}"))["errorType"] == (
            "Runtime.InvalidEntrypoint"
        )


async def test_slow_init_is_run_again_within_the_functions_timeout(
    logs: LogKeeper, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text("import time\ntime.sleep(30)\ndef handler(e, c): pass\n")
    settings = RuntimeSettings(init_s=0.3, reload=False)
    function = function_of("slow", tmp_path, timeout_s=1)
    async with runtime_of(function, logs=logs, settings=settings) as runtime:
        assert _error(await runtime.invoke("slow", b"{}"))["errorType"] == "Sandbox.Timedout"
    for phase in ("init", "invoke"):
        line = f"Phase: {phase}\tStatus: timeout"
        assert sum(text.endswith(line) for text in logs.texts()) == 1


async def test_log_lines_come_in_order_and_with_their_request(logs: LogKeeper) -> None:
    async with runtime_of(MISHAP, logs=logs) as runtime:
        payload = json.dumps({"kind": "chatter"}).encode()
        result = await runtime.submit("mishap", payload, log_tail=True)
    lines = [line for line in logs.lines if line.request_id == result.request_id]
    texts = [line.message for line in lines]
    assert texts[0] == f"START RequestId: {result.request_id} Version: $LATEST"
    assert texts[1:5] == ["about to chatter", "one line", "two lines", "no end of line"]
    assert texts[5] == f"END RequestId: {result.request_id}"
    report = (
        rf"REPORT RequestId: {result.request_id}\tDuration: \d+\.\d\d ms\t"
        r"Billed Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: [1-9]\d* MB\t"
        r"Init Duration: \d+\.\d\d ms\t"
    )
    assert re.fullmatch(report, texts[6])
    assert result.log_tail == "".join(f"{text}\n" for text in texts)


async def test_no_output_comes_after_its_end_line(logs: LogKeeper) -> None:
    """More than a pipe holds is still on its way when the answer arrives."""
    async with runtime_of(MISHAP, logs=logs) as runtime:
        for _ in range(5):
            logs.lines.clear()
            result = await _mishap(runtime, "flood")
            texts = [x.message for x in logs.lines if x.request_id == result.request_id]
            assert texts[2:-2] == [f"{number:0100d}" for number in range(3_000)]
            assert texts[-2].startswith("END")


async def test_environment_variables_are_lambdas(
    logs: LogKeeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMULATORS_OWN", "secret")
    layer = tmp_path / "layer"
    (layer / "python").mkdir(parents=True)
    function = function_of(
        "mishap",
        timeout_s=5,
        memory_mb=256,
        layer_dirs=(layer,),
        environment={"GREETING": "hi", "AWS_REGION": "no-such"},
    )
    settings = RuntimeSettings(variables={"GREETING": "ho"}, reload=False)
    async with runtime_of(function, logs=logs, settings=settings) as runtime:
        seen = json.loads((await _mishap(runtime, "environment")).payload)
    assert seen["GREETING"] == "ho"
    assert seen["AWS_LAMBDA_FUNCTION_NAME"] == "mishap"
    assert seen["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert seen["AWS_REGION"] == seen["AWS_DEFAULT_REGION"] == "us-east-1"
    assert seen["_HANDLER"] == "app.handler"
    assert seen["LAMBDA_TASK_ROOT"] == str(HELLO_APP / "functions" / "mishap")
    assert seen["PYTHONPATH"].split(os.pathsep)[1] == str(layer / "python")
    assert seen["AWS_ACCESS_KEY_ID"]
    assert seen["_X_AMZN_TRACE_ID"].startswith("Root=1-")
    assert "EMULATORS_OWN" not in seen
    assert not os.access(seen["TMPDIR"], os.F_OK), "removed with its environment"


async def test_unknown_function(logs: LogKeeper) -> None:
    async with runtime_of(MISHAP, logs=logs) as runtime:
        with pytest.raises(UnknownFunction):
            await runtime.invoke("nobody", b"{}")


SLEEPER = "import time, os\ndef handler(e, c):\n    time.sleep(e['s'])\n    return os.getpid()\n"


def _sleep(seconds: float) -> bytes:
    return json.dumps({"s": seconds}).encode()


def _meeting(folder: Path) -> bytes:
    """Code that answers once two processes run it, and the event for it."""
    (folder / "app.py").write_text(
        "import os, time\ndef handler(folder, c):\n"
        "    open(f'{folder}/{os.getpid()}', 'w').close()\n"
        "    while len(os.listdir(folder)) < 2: time.sleep(0.01)\n"
        "    return os.getpid()\n"
    )
    (folder / "meeting").mkdir()
    return json.dumps(str(folder / "meeting")).encode()


async def test_one_invocation_at_a_time_and_environments_are_kept_warm(
    logs: LogKeeper, tmp_path: Path
) -> None:
    event = _meeting(tmp_path)
    async with runtime_of(function_of("meets", tmp_path, timeout_s=60), logs=logs) as runtime:
        both = await asyncio.gather(*(runtime.invoke("meets", event) for _ in range(2)))
        assert len({result.payload for result in both}) == 2
        again = [await runtime.invoke("meets", event) for _ in range(5)]
        assert {result.payload for result in again} <= {result.payload for result in both}


async def test_cap_holds_requests_back_and_says_so(logs: LogKeeper, tmp_path: Path) -> None:
    event = _meeting(tmp_path)
    settings = RuntimeSettings(max_environments=2, reload=False)
    async with runtime_of(
        function_of("meets", tmp_path, timeout_s=60), logs=logs, settings=settings
    ) as runtime:
        results = await asyncio.gather(*(runtime.invoke("meets", event) for _ in range(9)))
        assert len(runtime.pool("meets").environments) == 2
    assert all(result.function_error is None for result in results)
    assert len({result.payload for result in results}) == 2
    assert any("held back: all 2 environments" in text for text in logs.texts())


async def test_burst_of_short_requests_starts_few_environments(
    logs: LogKeeper, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(SLEEPER)
    settings = RuntimeSettings(max_environments=64, max_starting=2, reload=False)
    async with runtime_of(
        function_of("sleeper", tmp_path), logs=logs, settings=settings
    ) as runtime:
        await asyncio.gather(*(runtime.invoke("sleeper", _sleep(0)) for _ in range(60)))
        assert len(runtime.pool("sleeper").environments) < 30


async def test_reserved_concurrency_throttles(logs: LogKeeper, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(SLEEPER)
    function = function_of("sleeper", tmp_path, reserved_concurrency=1)
    async with runtime_of(function, logs=logs) as runtime:
        first = runtime.submit("sleeper", _sleep(0.2))
        with pytest.raises(Throttled) as caught:
            runtime.submit("sleeper", _sleep(0))
        assert caught.value.reason == "ReservedFunctionConcurrentInvocationLimitExceeded"
        await first
        await runtime.invoke("sleeper", _sleep(0))


async def test_account_concurrency_is_shared_by_the_unreserved(
    logs: LogKeeper, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(SLEEPER)
    functions = [function_of(name, tmp_path) for name in ("a", "b")]
    reserved = function_of("c", tmp_path, reserved_concurrency=1)
    settings = RuntimeSettings(account_concurrency=2, reload=False)
    async with runtime_of(*functions, reserved, logs=logs, settings=settings) as runtime:
        running = [runtime.submit(name, _sleep(0.3)) for name in "aac"]
        with pytest.raises(Throttled) as caught:
            runtime.submit("b", _sleep(0))
        assert caught.value.reason == "ConcurrentInvocationLimitExceeded"
        await asyncio.gather(*running)
        await runtime.invoke("b", _sleep(0))


async def test_idle_environments_are_reaped(logs: LogKeeper) -> None:
    settings = RuntimeSettings(idle_s=0.1, reload=False)
    async with runtime_of(function_of("hello"), logs=logs, settings=settings) as runtime:
        await runtime.invoke("hello", b"{}")
        pool = runtime.pool("hello")
        (environment,) = pool.environments
        await eventually(lambda: not pool.environments)
        assert not is_alive(environment.pid or 0)


async def test_prewarmed_environments_are_there_before_the_first_request(logs: LogKeeper) -> None:
    settings = RuntimeSettings(prewarm={"hello": 2}, reload=False)
    async with runtime_of(function_of("hello"), logs=logs, settings=settings) as runtime:
        pool = runtime.pool("hello")
        await eventually(lambda: pool.idle == 2)
        await runtime.invoke("hello", b"{}")
        assert len(pool.environments) == 2


async def test_killed_environment_harms_nobody(logs: LogKeeper) -> None:
    async with runtime_of(function_of("hello"), logs=logs) as runtime:
        await runtime.invoke("hello", b"{}")
        pool = runtime.pool("hello")
        (environment,) = pool.environments
        os.kill(environment.pid or 0, signal.SIGKILL)
        await eventually(lambda: not pool.environments)
        assert (await runtime.invoke("hello", b"{}")).function_error is None


async def test_changed_code_runs_at_the_next_request(logs: LogKeeper, tmp_path: Path) -> None:
    code, layer = tmp_path / "code", tmp_path / "layer"
    code.mkdir()
    layer.mkdir()
    (code / "app.py").write_text("import words\ndef handler(e, c): return words.WORD + '1'\n")
    (layer / "words.py").write_text("WORD = 'a'\n")
    function = function_of("changing", code, layer_dirs=(layer,))
    settings = RuntimeSettings()
    async with runtime_of(function, logs=logs, settings=settings) as runtime:
        assert (await runtime.invoke("changing", b"{}")).payload == b'"a1"'
        (code / "app.py").write_text("import words\ndef handler(e, c): return words.WORD + '22'\n")
        await logs.until(lambda line: "app.py changed" in line.message)
        assert (await runtime.invoke("changing", b"{}")).payload == b'"a22"'
        (layer / "words.py").write_text("WORD = 'bb'\n")
        await logs.until(lambda line: "words.py changed" in line.message)
        assert (await runtime.invoke("changing", b"{}")).payload == b'"bb22"'


async def test_busy_environment_finishes_before_it_is_replaced(
    logs: LogKeeper, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(SLEEPER)
    async with runtime_of(function_of("sleeper", tmp_path), logs=logs) as runtime:
        pool = runtime.pool("sleeper")
        await runtime.invoke("sleeper", _sleep(0))
        await eventually(lambda: pool.idle == 1)
        running = runtime.submit("sleeper", _sleep(0.3))
        pool.retire()
        result = await running
        assert result.function_error is None
        assert (await runtime.invoke("sleeper", _sleep(0))).payload != result.payload


async def test_the_end_waits_for_clients_and_for_nobody_else(
    logs: LogKeeper, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(SLEEPER)
    functions = [function_of(name, tmp_path, timeout_s=60) for name in ("awaited", "background")]
    async with runtime_of(*functions, logs=logs) as runtime:
        await runtime.invoke("background", _sleep(0))
        event = await runtime.invoke_async("background", _sleep(30))
        abandoned = runtime.submit("background", _sleep(30))
        abandoned.cancel()
        starting = runtime.submit("awaited", _sleep(1))
        await eventually(lambda: runtime.pool("background").in_flight == 2)
        began = time.monotonic()
        await runtime.close(20)
        assert time.monotonic() - began < 15
        assert (await starting).function_error is None, "even one whose environment was starting"
    assert not any(line.level == "ERROR" for line in logs.lines)
    report = next(t for t in logs.texts() if t.startswith(f"REPORT RequestId: {event}"))
    assert report.endswith("Status: failure")
    assert any("1 event(s) that wait or run are forgotten" in text for text in logs.texts())


@pytest.mark.parametrize(
    ("files", "runtime", "found"),
    [
        # Developer guide, "Packaging your layer content": where Python looks in a layer.
        (["a/python/lib/python3.13/site-packages"], "python3.13", "a"),
        (["a/lib/python3.13/site-packages"], "python3.13", "a"),  # ContentUri is the python folder
        (["a/python/lib/python3.12/site-packages"], "python3.13", None),
        (["a/python/lib/python3.12/site-packages"], "python3.12", "a"),
        (["a/python", "b/python"], "python3.13", "b"),  # the last layer's files overwrite
        (["a/python/lib/python3.13/site-packages", "b/python"], "python3.13", "a"),
    ],
)
async def test_what_is_found_in_layers(
    logs: LogKeeper, tmp_path: Path, files: list[str], runtime: str, found: str | None
) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "app.py").write_text(
        "try:\n    from wares import LAYER\nexcept ImportError:\n    LAYER = None\n"
        "def handler(event, context): return LAYER\n"
    )
    layers = [tmp_path / name for name in "ab"]
    for layer in layers:
        layer.mkdir()
    for file in files:
        (tmp_path / file).mkdir(parents=True)
        (tmp_path / file / "wares.py").write_text(f"LAYER = {file[0]!r}\n")
    function = function_of("layered", code, layer_dirs=tuple(layers), runtime=runtime)
    async with runtime_of(function, logs=logs) as run:
        assert json.loads((await run.invoke("layered", b"{}")).payload) == found
