"""What functions should not do: AWS's answer, a clear log line, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from emulator.invocations import InvokeResult
from emulator.logs import Kind
from emulator.runtime import Runtime, RuntimeSettings, leftovers
from emulator.runtime.lines import MAX_OUTPUT_BYTES
from tests.emulator_harness import LogKeeper, function_of, gone, is_alive, runtime_of
from tests.waiting import PATIENCE_S, eventually

MISHAP = function_of("mishap", timeout_s=1)
PATIENT = function_of("mishap", timeout_s=20)


async def _mishap(runtime: Runtime, kind: str, **event: Any) -> InvokeResult:
    return await runtime.invoke("mishap", json.dumps({"kind": kind, **event}).encode())


def _error(result: InvokeResult) -> dict[str, Any]:
    assert result.function_error == "Unhandled"
    error: dict[str, Any] = json.loads(result.payload)
    return error


@pytest.mark.parametrize(
    ("kind", "error_type", "message"),
    [
        ("leave", "Runtime.ExitError", "Runtime exited with error: exit status 3"),
        ("leave_politely", "Runtime.ExitError", "Runtime exited with error: exit status 4"),
        ("leave_without_a_reason", "Runtime.ExitError", "Runtime exited without providing a"),
        ("crash", "Runtime.ExitError", "Runtime exited with error: signal: segmentation fault"),
        ("overflow", "Runtime.ExitError", "Runtime exited with error: signal: segmentation fault"),
        ("fail_badly", "Runtime.ExitError", "Runtime exited with error: exit status 1"),
        ("fail_at_length", "ValueError", "xxxx"),
        ("recurse", "RecursionError", "maximum recursion depth exceeded"),
        ("deep", "Runtime.MarshalError", "Unable to marshal response"),
        ("close_output", "Runtime.ExitError", "Runtime exited with error: exit status 1"),
        ("hoard", "OSError", "Too many open files"),
        ("ignore_signals", "Sandbox.Timedout", "Task timed out after 1.00 seconds"),
    ],
)
async def test_what_the_client_is_told(
    logs: LogKeeper, kind: str, error_type: str, message: str
) -> None:
    function = MISHAP if error_type == "Sandbox.Timedout" else PATIENT
    async with runtime_of(function, logs=logs) as runtime:
        error = _error(await _mishap(runtime, kind))
        assert error["errorType"] == error_type
        assert message in error["errorMessage"]
        assert (await _mishap(runtime, "chatter")).function_error is None, "the next one is fine"
    assert sum(text.startswith("REPORT") for text in logs.texts()) == 2


@pytest.mark.parametrize(
    ("code", "handler", "error_type"),
    [
        ("import nothing_of_that_name\n", "app.handler", "Runtime.ImportModuleError"),
        ("def handler(e, c)\n", "app.handler", "Runtime.UserCodeSyntaxError"),
        ("def other(e, c): pass\n", "app.handler", "Runtime.HandlerNotFound"),
        ("def handler(e, c): pass\n", "no_such_module.handler", "Runtime.ImportModuleError"),
        ("def handler(e, c): pass\n", "app", "Runtime.MalformedHandlerName"),
        ("raise ValueError('at once')\n", "app.handler", "ValueError"),
        ("import os\nos._exit(7)\n", "app.handler", "Runtime.ExitError"),
    ],
)
async def test_init_that_fails_is_run_again_inside_the_invocation(
    logs: LogKeeper, tmp_path: Path, code: str, handler: str, error_type: str
) -> None:
    """As recorded on Lambda: INIT_REPORT of both phases, then START, END and REPORT."""
    (tmp_path / "app.py").write_text(code)
    function = function_of("broken", tmp_path, handler=handler)
    async with runtime_of(function, logs=logs) as runtime:
        result = await runtime.invoke("broken", b"{}")
        assert _error(result)["errorType"] == error_type
        await runtime.invoke("broken", b"{}")
        (tmp_path / "app.py").write_text("def handler(e, c): return 1  # mended\n")
        runtime.pool("broken").retire()
        if handler == "app.handler":
            assert (await runtime.invoke("broken", b"{}")).payload == b"1"
    lines = [
        text.split("\t", 1)[-1] if text.startswith("INIT") else text.split()[0]
        for text in logs.texts(Kind.PLATFORM)
        if text.split()[0] in {"INIT_START", "INIT_REPORT", "START", "END", "REPORT"}
    ]
    failed = f"Status: error\tError Type: {error_type}"
    arn = "Runtime Version ARN: arn:aws:lambda:us-east-1::runtime:local"
    first = [arn, f"Phase: init\t{failed}", arn, f"Phase: invoke\t{failed}"]
    again = [arn, f"Phase: invoke\t{failed}"]
    end = ["START", "END", "REPORT"]
    assert lines[:12] == [*first, *end, *again, *end]
    report = next(text for text in logs.texts() if text.startswith("REPORT"))
    assert report.endswith(failed)
    (said,) = [
        line.message
        for line in logs.lines
        if line.request_id == result.request_id and line.level == "ERROR"
    ]
    assert _error(result)["errorMessage"].split("Error: ")[-1] in said, "also under its own id"
    assert "Init Duration" not in report


async def test_late_init_inside_the_invocation_shares_its_time(
    logs: LogKeeper, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(
        "import time\ntime.sleep(0.4)\ndef handler(e, c): return c.get_remaining_time_in_millis()\n"
    )
    settings = RuntimeSettings(init_s=0.2, reload=False)
    function = function_of("late", tmp_path, timeout_s=60)
    async with runtime_of(function, logs=logs, settings=settings) as runtime:
        first, second = [int((await runtime.invoke("late", b"{}")).payload) for _ in range(2)]
    assert first <= 59_600
    assert second > first
    reports = [text for text in logs.texts() if text.startswith("REPORT")]
    with_init, without = [float(r.split("Duration: ")[1].split()[0]) for r in reports]
    assert with_init >= 400
    assert without < with_init
    assert not any("Init Duration" in report for report in reports)


ASKS_AFTER_ITS_END = """
import os, socket, time
host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
api = socket.create_connection((host, int(port)))
ask = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"
api.sendall(ask)
api.recv(65536)
if os.fork():
    os._exit(0)
time.sleep(0.02)
api.sendall(ask)
time.sleep(60)
"""


async def test_no_invocation_is_lost_with_a_process_that_ended(
    logs: LogKeeper, tmp_path: Path
) -> None:
    """Its last request may be read after its end is noticed, if both come in one moment."""
    (tmp_path / "app.py").write_text(ASKS_AFTER_ITS_END)
    settings = RuntimeSettings(max_environments=1, reload=False)
    async with runtime_of(function_of("late", tmp_path), logs=logs, settings=settings) as runtime:
        calls = [runtime.submit("late", b"{}") for _ in range(6)]
        async with asyncio.timeout(PATIENCE_S):
            while not all(call.done() for call in calls):
                time.sleep(0.05)  # noqa: ASYNC251 - many things happen in one moment
                await asyncio.sleep(0)
        assert runtime.pool("late").in_flight == 0
    assert {_error(call.result())["errorType"] for call in calls} == {"Runtime.ExitError"}


async def test_init_that_nobody_waits_for_any_more_costs_later_requests_nothing(
    logs: LogKeeper, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text("import time\ntime.sleep(0.4)\ndef handler(e, c): pass\n")
    settings = RuntimeSettings(init_s=0.2, prewarm={"late": 1}, reload=False)
    function = function_of("late", tmp_path, timeout_s=30)
    async with runtime_of(function, logs=logs, settings=settings) as runtime:
        await logs.until(lambda line: "Phase: init" in line.message)
        pool = runtime.pool("late")
        pool.prewarm(1)  # inside no invocation, by the time an invocation has
        await eventually(lambda: pool.idle == 1)
        (environment,) = pool.environments
        environment._init_began -= 60  # it was idle for a minute
        assert (await runtime.invoke("late", b"{}")).function_error is None


async def test_temporary_folders_go_even_if_what_was_left_cannot_be_looked_for(
    logs: LogKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_folders: frozenset[Path]) -> None:
        raise PermissionError("no looking")

    monkeypatch.setattr(leftovers, "kill_by_tmp_dir", fail)
    async with runtime_of(PATIENT, logs=logs) as runtime:
        await _mishap(runtime, "leave")
        await logs.until(lambda line: "could not be looked for: no looking" in line.message)
        await eventually(lambda: not list(runtime.tmp_root.iterdir()))


async def test_a_daemon_ends_with_its_environment(logs: LogKeeper) -> None:
    async with runtime_of(PATIENT, logs=logs) as runtime:
        staying = json.loads((await _mishap(runtime, "daemonize")).payload)
        await _mishap(runtime, "leave_a_daemon")
        line = await logs.until(lambda line: line.message.startswith("daemon "))
        await gone(int(line.message.split()[1]))
        await gone(staying)
        living = json.loads((await _mishap(runtime, "daemonize")).payload)
        await _mishap(runtime, "chatter")
        assert is_alive(living), "its environment lives"
    await gone(living)


async def test_endless_output_is_dropped_beyond_a_limit(logs: LogKeeper) -> None:
    async with runtime_of(MISHAP, logs=logs) as runtime:
        assert _error(await _mishap(runtime, "babble"))["errorType"] == "Sandbox.Timedout"
        note = await logs.until(lambda line: "bytes of output were dropped" in line.message)
        assert note.level == "WARNING"
        await _mishap(runtime, "chatter")
        assert "two lines" in logs.texts(Kind.FUNCTION), "the next invocation is heard"
    assert sum(len(text) for text in logs.texts(Kind.FUNCTION)) <= MAX_OUTPUT_BYTES + 1_000


async def test_temporary_files_go_with_their_environment(logs: LogKeeper) -> None:
    async with runtime_of(PATIENT, logs=logs) as runtime:
        folder = Path(json.loads((await _mishap(runtime, "litter")).payload))
        assert (folder / "litter").exists(), "kept as long as the environment is warm"
        await _mishap(runtime, "leave")
        await eventually(lambda: not folder.exists())


# How many calls of each kind, which add up to ten thousand: ending a process costs much.
CHEAP = {"fail": 0.6, "unserializable": 0.4}
COSTLY = {
    "leave": 10,
    "leave_politely": 8,
    "leave_a_daemon": 6,
    "crash": 4,
    "hang": 3,
    "hog": 4,
    "babble": 1,
    "big": 4,
    "import": 6,
    "recurse": 20,
}
FACTOR = int(os.environ.get("MISHAPS_FACTOR", "1"))
CALLS = 10_000


def _calls() -> list[str]:
    """All calls, in an order that is the same every time."""
    costly = [kind for kind, count in COSTLY.items() for _ in range(count * FACTOR)]
    left = CALLS - len(costly)
    cheap = [kind for kind, part in CHEAP.items() for _ in range(int(part * left))]
    calls = [*costly, *cheap, *["fail"] * (left - len(cheap))]
    random.Random(1).shuffle(calls)
    return calls


def _held(root: Path) -> dict[str, Any]:
    """What this process holds that it could leak."""
    gc.collect()
    tasks = Path("/proc/self/task").iterdir()
    return {
        "descriptors": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        "children": sorted(
            pid for task in tasks for pid in (task / "children").read_text().split()
        ),
        "folders": [path.name for path in root.iterdir()],
    }


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class ShortMemory(LogKeeper):
    """Keeps the last lines only: the log is not what is looked at."""

    def __call__(self, kind: Kind, message: str, **fields: Any) -> None:
        super().__call__(kind, message, **fields)
        if len(self.lines) > 1_000:
            del self.lines[:500]


async def test_nothing_is_left_after_ten_thousand_bad_calls() -> None:
    """With MISHAPS_FACTOR=40 some 1,800 of them end their process."""
    functions = [function_of("mishap", timeout_s=1, memory_mb=128), function_of("broken")]
    outcomes: Counter[str] = Counter()

    async with runtime_of(*functions, logs=ShortMemory()) as runtime:

        async def bad_calls(kinds: Iterable[str]) -> None:
            waiting = iter(kinds)

            async def client() -> None:
                for kind in waiting:
                    name = "broken" if kind == "import" else "mishap"
                    payload = json.dumps({"kind": kind, "mb": 160}).encode()
                    outcomes[_error(await runtime.invoke(name, payload))["errorType"]] += 1

            await asyncio.gather(*(client() for _ in range(4)))

        async def all_ended() -> None:
            runtime.pool("mishap").retire()
            for name in ("mishap", "broken"):
                await eventually(lambda n=name: not runtime.pool(n).environments)  # type: ignore[misc]
            await eventually(lambda: not any(runtime.tmp_root.iterdir()))

        await bad_calls(["fail", *COSTLY] * 2)
        await all_ended()
        before, resident_mb = _held(runtime.tmp_root), _resident_mb()
        outcomes.clear()
        await bad_calls(_calls())
        await all_ended()
        await eventually(lambda: _held(runtime.tmp_root) == before)
        assert _resident_mb() - resident_mb < 30
    assert sum(outcomes.values()) == CALLS
    assert set(outcomes) == {
        *("ValueError", "RecursionError", "Runtime.MarshalError", "Runtime.ImportModuleError"),
        *("Runtime.ExitError", "Sandbox.Timedout", "Function.ResponseSizeTooLarge"),
    }
