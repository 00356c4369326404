"""Code that changes while it runs: the next request runs the new code, whatever the editor does."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from emulator.runtime import Runtime, RuntimeSettings
from tests.emulator_harness import LogKeeper, function_of, runtime_of
from tests.waiting import PATIENCE_S, eventually

CODE = """
import glob, os, time
import words

def handler(event, context):
    if "until" in event:
        print("held", flush=True)
        while not os.path.exists(event["until"]):
            time.sleep(0.01)
    return words.WORD + str(len(glob.glob(os.path.dirname(__file__) + "/*.txt")))
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(CODE)
    (tmp_path / "words.py").write_text("WORD = 'a'\n")
    return tmp_path


@asynccontextmanager
async def _running(code: Path, logs: LogKeeper) -> AsyncIterator[Runtime]:
    async with runtime_of(
        function_of("changing", code, timeout_s=60), logs=logs, settings=RuntimeSettings()
    ) as runtime:
        # The watcher takes its time to begin, and tells nobody.
        (code / "words.py").write_text("WORD = '?'\n")
        assert await _answer(runtime) == "?0"
        (code / "words.py").write_text("WORD = 'a'\n")
        await _until(runtime, "a0", (code / "words.py").touch)
        yield runtime


async def _until(runtime: Runtime, answer: str, meanwhile: Callable[[], None]) -> None:
    """Wait for an answer: a change is noticed within a tenth of a second or so."""
    async with asyncio.timeout(PATIENCE_S):
        while await _answer(runtime) != answer:
            meanwhile()
            await asyncio.sleep(0.02)


async def _as_long_as_a_request_takes_to_arrive() -> None:
    """Two turns of the loop: it looks at what has come before it runs what waits."""
    for _ in range(2):
        await asyncio.sleep(0)


def _nothing() -> None:
    pass


async def _answer(runtime: Runtime, **event: str) -> str:
    result = await runtime.invoke("changing", json.dumps(event).encode())
    answer = json.loads(result.payload)
    return str(answer["errorType"] if result.function_error else answer)


def _in_place(code: Path) -> None:
    (code / "words.py").write_text("WORD = 'b'\n")  # the size it had, within the same second


def _by_renaming(code: Path) -> None:
    """As vim, PyCharm and most others save."""
    (code / "words.py~").write_text("WORD = 'b'\n")
    (code / "words.py~").replace(code / "words.py")


def _by_moving_away(code: Path) -> None:
    """As editors that keep a backup save."""
    (code / "words.py").rename(code / "words.py.bak")
    (code / "words.py").write_text("WORD = 'b'\n")


def _by_becoming_a_package(code: Path) -> None:
    (code / "words.py").unlink()
    (code / "words").mkdir()
    (code / "words" / "__init__.py").write_text("WORD = 'b'\n")


def _as_vim_tries_first(code: Path) -> None:
    (code / "4913").touch()
    (code / "4913").unlink()
    (code / "words.py").rename(code / "words.py~")
    (code / "words.py").write_text("WORD = 'b'\n")
    (code / "words.py~").unlink()


@pytest.mark.parametrize(
    ("save", "name"),
    [
        (_in_place, "words.py"),
        (_by_renaming, "words.py"),
        (_by_moving_away, "words.py"),
        (_as_vim_tries_first, "words.py"),
        (_by_becoming_a_package, "__init__.py"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it takes some 20 ms")
async def test_saved_code_runs_at_once(
    logs: LogKeeper, code: Path, save: Callable[[Path], None], name: str
) -> None:
    async with _running(code, logs) as runtime:
        await eventually(lambda: any("words.py changed" in text for text in logs.texts()))
        logs.lines.clear()
        save(code)
        await _as_long_as_a_request_takes_to_arrive()
        assert await _answer(runtime) == "b0"
        await logs.until(
            lambda line: line.message == f"{name} changed: the next request runs the new code"
        )


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it takes some 20 ms")
async def test_each_change_of_many_counts_at_once(logs: LogKeeper, code: Path) -> None:
    async with _running(code, logs) as runtime:
        for word in "bcdef":
            (code / "words.py").write_text(f"WORD = '{word}'\n")
            await _as_long_as_a_request_takes_to_arrive()
            assert await _answer(runtime) == f"{word}0"


async def test_folders_that_come_are_watched(logs: LogKeeper, code: Path) -> None:
    async with _running(code, logs) as runtime:
        _by_becoming_a_package(code)
        await _until(runtime, "b0", _nothing)
        (code / "words" / "__init__.py").write_text("WORD = 'c'\n")
        await _until(runtime, "c0", _nothing)


async def test_new_and_deleted_files_count(logs: LogKeeper, code: Path) -> None:
    async with _running(code, logs) as runtime:
        (code / "note.txt").write_text("new")
        await _until(runtime, "a1", _nothing)
        (code / "words.py").unlink()
        await _until(runtime, "Runtime.ImportModuleError", _nothing)
        (code / "words.py").write_text("WORD = 'c'\n")
        assert await _answer(runtime) == "c1", "without an environment there is nothing to retire"


async def test_request_that_runs_is_finished_by_the_code_it_began_with(
    logs: LogKeeper, code: Path
) -> None:
    async with _running(code, logs) as runtime:
        gate = code.parent / f"{code.name}.gate"
        running = asyncio.ensure_future(_answer(runtime, until=str(gate)))
        await logs.until(lambda line: line.message == "held")
        (code / "words.py").write_text("WORD = 'later'\n")
        await _until(runtime, "later0", _nothing)
        assert not running.done(), "another environment serves meanwhile"
        gate.touch()
        assert await running == "a0"


async def test_environments_kept_warm_are_replaced_at_once(logs: LogKeeper, code: Path) -> None:
    settings = RuntimeSettings(prewarm={"changing": 2}, idle_s=0.05, reload=False)
    async with runtime_of(function_of("changing", code), logs=logs, settings=settings) as runtime:
        pool = runtime.pool("changing")
        await eventually(lambda: pool.idle == 2)
        former = pool.environments
        (code / "words.py").write_text("WORD = 'warm'\n")
        pool.retire()
        await eventually(lambda: pool.idle == 2 and not former & pool.environments)
        assert await _answer(runtime) == "warm0"
        await eventually(lambda: pool.idle == 2)
        await asyncio.sleep(0.2)  # four times what others may be idle for
        assert pool.idle == 2, "never reaped below what is kept warm"
