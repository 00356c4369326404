"""A template that changes while its application runs."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from emulator.app import Addresses, Emulator
from emulator.runtime import RuntimeSettings
from emulator.template.parse import load
from tests.emulator_harness import HELLO_APP, LogKeeper
from tests.waiting import eventually


@asynccontextmanager
async def _running(folder: Path, logs: LogKeeper) -> AsyncIterator[tuple[Emulator, Path]]:
    shutil.copytree(HELLO_APP, folder, dirs_exist_ok=True)
    template = folder / "template.yaml"
    emulator = Emulator(
        load(template),
        logs,
        addresses=Addresses("127.0.0.1", 0, 0),
        settings=RuntimeSettings(),
        load=lambda: load(template),
    )
    await emulator.start()
    try:
        # The watcher takes its time to begin, and tells nobody.
        def is_noticed() -> bool:
            template.write_text(template.read_text())
            return any("nothing in it changed" in text for text in logs.texts())

        await eventually(is_noticed)
        yield emulator, template
    finally:
        await emulator.stop()


def _change(template: Path, former: str, new: str) -> None:
    """Save as editors do: under another name first."""
    text = template.read_text()
    assert former in text
    draft = template.with_suffix(".tmp")
    draft.write_text(text.replace(former, new, 1))
    draft.replace(template)


async def _hello(emulator: Emulator) -> str:
    async with httpx.AsyncClient(timeout=60) as client:
        return str((await client.get(f"{emulator.gateway_url}/hello")).json()["message"])


async def test_functions_change_live(logs: LogKeeper, tmp_path: Path) -> None:
    async with _running(tmp_path, logs) as (emulator, template):
        assert await _hello(emulator) == "hello, world"
        _change(template, "{GREETING: !Ref Greeting}", "{GREETING: salut}")
        line = await logs.until(lambda line: "environment changed in the template" in line.message)
        assert line.function == "hello"
        assert await _hello(emulator) == "salut, world"
        _change(template, "MemorySize: 128", "MemorySize: 256")
        await logs.until(lambda line: "memory changed in the template" in line.message)
        await emulator.runtime.invoke("single", b'{"seconds": 0}')
        await logs.until(lambda line: "Memory Size: 256 MB" in line.message)
        assert emulator.app.functions["echo"].memory_mb == 256


async def test_what_needs_a_restart_is_named(logs: LogKeeper, tmp_path: Path) -> None:
    async with _running(tmp_path, logs) as (emulator, template):
        _change(template, "Path: /hello}", "Path: /hallo}")
        line = await logs.until(lambda line: "restart to apply" in line.message)
        assert line.message == (
            "template.yaml: restart to apply what changed: route GET /hello, route GET /hallo"
        )
        assert await _hello(emulator) == "hello, world"


async def test_broken_template_is_told_and_the_former_runs_on(
    logs: LogKeeper, tmp_path: Path
) -> None:
    async with _running(tmp_path, logs) as (emulator, template):
        _change(template, "Handler: app.handler", "Handler: [app")
        line = await logs.until(lambda line: "goes on as it was" in line.message)
        assert line.level == "ERROR"
        assert line.message.startswith("template.yaml:")
        assert line.message.split(":")[1].isdigit()
        assert await _hello(emulator) == "hello, world"
        template.unlink()
        await logs.until(lambda line: "No such file" in line.message)
        assert await _hello(emulator) == "hello, world"


@pytest.mark.parametrize("reserved", [0, 2])
async def test_reservation_changes_while_invocations_run(
    logs: LogKeeper, tmp_path: Path, reserved: int
) -> None:
    """The account's count of what runs is right whatever changed meanwhile."""
    async with _running(tmp_path, logs) as (emulator, template):
        runtime = emulator.runtime
        running = runtime.submit("mishap", b'{"kind": "hang"}')
        account = runtime._account
        assert account.in_use == 1
        timeout = "Timeout: 1\n"
        _change(template, timeout, f"{timeout}      ReservedConcurrentExecutions: {reserved}\n")
        await logs.until(lambda line: "reserved concurrency changed" in line.message)
        assert account.in_use == 0
        _change(template, f"      ReservedConcurrentExecutions: {reserved}\n", "")
        await logs.until(lambda line: account.in_use == 1 or running.done())
        await running
        assert account.in_use == 0
