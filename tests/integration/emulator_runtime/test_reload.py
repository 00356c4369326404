"""Code that changes while it runs: the next request runs the new code, whatever the editor does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from emulator.runtime import Runtime, RuntimeSettings
from tests.emulator_harness import LogKeeper, eventually, function_of, runtime_of

CODE = """
import glob, os, time
import words

def handler(event, context):
    time.sleep(event.get("seconds", 0))
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
        function_of("changing", code), logs=logs, settings=RuntimeSettings()
    ) as runtime:
        # The watcher takes its time to begin, and tells nobody.
        (code / "words.py").write_text("WORD = '?'\n")
        assert await _answer(runtime) == "?0"
        (code / "words.py").write_text("WORD = 'a'\n")
        await _until(runtime, "a0", (code / "words.py").touch)
        yield runtime


async def _until(runtime: Runtime, answer: str, meanwhile: Callable[[], None]) -> None:
    """Wait for an answer: a change is noticed within a tenth of a second or so."""
    async with asyncio.timeout(10):
        while await _answer(runtime) != answer:
            meanwhile()
            await asyncio.sleep(0.02)


def _nothing() -> None:
    pass


async def _answer(runtime: Runtime, **event: float) -> str:
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


@pytest.mark.parametrize("save", [_in_place, _by_renaming, _by_moving_away, _by_becoming_a_package])
async def test_saved_code_runs(logs: LogKeeper, code: Path, save: Callable[[Path], None]) -> None:
    async with _running(code, logs) as runtime:
        save(code)
        await _until(runtime, "b0", _nothing)
    assert any(
        text.endswith("changed: the next request runs the new code") for text in logs.texts()
    )


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
        running = asyncio.ensure_future(_answer(runtime, seconds=1.5))
        await eventually(lambda: runtime.pool("changing").in_flight == 1)
        (code / "words.py").write_text("WORD = 'later'\n")
        await _until(runtime, "later0", _nothing)
        assert not running.done(), "another environment serves meanwhile"
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
        await asyncio.sleep(0.2)
        assert pool.idle == 2, "never reaped below what is kept warm"
