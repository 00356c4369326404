"""`python -m emulator` as a process: its files, its signals, what it leaves behind."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulator.app import Emulator, SinkHandler, StartFailed
from emulator.own_endpoint import temporary
from emulator.template.parse import load
from tests.emulator_harness import HELLO_APP, LogKeeper, gone, is_alive
from tests.waiting import PATIENCE_S, eventually

TEMPLATE = HELLO_APP / "template.yaml"


@dataclass
class Running:
    process: asyncio.subprocess.Process
    ready: dict[str, Any]
    log: Path

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


async def _start(log: Path, *arguments: str) -> asyncio.subprocess.Process:
    with log.open("wb") as output:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "emulator", *arguments),
            stdout=output,
            stderr=output,
            env={k: v for k, v in os.environ.items() if k != "AWS_ENDPOINT_URL"},
        )


@asynccontextmanager
async def _emulator(folder: Path, *arguments: str) -> AsyncIterator[Running]:
    ready, log = folder / "ready.json", folder / "log"
    process = await _start(
        log,
        *("--template", str(TEMPLATE), "--port", "0", "--lambda-port", "0"),
        *("--ready-file", str(ready), "--log-format", "json", *arguments),
    )
    try:
        await eventually(lambda: ready.exists() or process.returncode is not None)
        assert process.returncode is None, log.read_text()
        yield Running(process, json.loads(ready.read_text()), log)
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), PATIENCE_S)


async def _forked(running: Running) -> tuple[int, int]:
    """The pids of a function's environment and of what it forked."""
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.post(
            f"{running.ready['gateway_url']}/mishap", headers={"x-kind": "fork"}
        )
    pids = answer.json()
    return pids["own"], pids["child"]


async def _daemon(running: Running) -> int:
    """The pid of what left its group, its session and its parent."""
    async with httpx.AsyncClient(timeout=60) as client:
        url = f"{running.ready['gateway_url']}/mishap"
        answer = await client.post(url, headers={"x-kind": "daemonize"})
    return int(answer.text)


def _variable(pid: int, name: str) -> str:
    """An environment variable of a running process."""
    variables = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return next(v for v in variables if v.startswith(f"{name}="))[len(name) + 1 :]


async def test_parameters_and_log_format(tmp_path: Path) -> None:
    parameters = tmp_path / "parameters.json"
    parameters.write_text('{"Greeting": "salut"}')
    async with _emulator(tmp_path, "--params-file", str(parameters)) as running:
        assert running.ready["pid"] == running.process.pid
        async with httpx.AsyncClient(timeout=60) as client:
            answer = await client.get(f"{running.ready['gateway_url']}/hello")
        assert answer.json() == {"message": "salut, world"}
        await eventually(lambda: any(line["kind"] == "access" for line in running.lines()))
    access = next(line for line in running.lines() if line["kind"] == "access")
    assert {"ts", "level", "function", "request_id", "message"} <= set(access)
    started = next(line for line in running.lines() if line["message"].startswith("START"))
    assert (started["kind"], started["function"]) == ("platform", "hello")


async def test_command_line_overrides_file_and_template(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"Greeting": "salut"}')
    arguments = ("--params-file", str(tmp_path / "p.json"), "--param", "Greeting=hola")
    async with _emulator(tmp_path, *arguments) as running, httpx.AsyncClient(timeout=60) as client:
        answer = await client.get(f"{running.ready['gateway_url']}/hello")
        assert answer.json() == {"message": "hola, world"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
async def test_no_process_and_no_file_outlives_it(tmp_path: Path, number: int) -> None:
    async with _emulator(tmp_path) as running:
        environment, forked = await _forked(running)
        daemon = await _daemon(running)
        tmp_dir = _variable(environment, "TMPDIR")
        assert os.access(tmp_dir, os.F_OK)
        running.process.send_signal(number)
        assert await asyncio.wait_for(running.process.wait(), PATIENCE_S) == (
            -signal.SIGKILL if number == signal.SIGKILL else 0
        )
        await gone(environment)
        await gone(forked)
        await gone(daemon)
        await eventually(lambda: not os.access(tmp_dir, os.F_OK))


async def test_running_request_is_finished_at_the_end(tmp_path: Path) -> None:
    async with _emulator(tmp_path) as running, httpx.AsyncClient(timeout=60) as client:
        await _forked(running)
        url = f"{running.ready['gateway_url']}/mishap"
        request = asyncio.ensure_future(client.post(url, headers={"x-kind": "hang"}))
        await eventually(lambda: any("about to hang" in x["message"] for x in running.lines()))
        running.process.terminate()
        assert (await request).status_code == 500  # its own timeout of a second
        assert await running.process.wait() == 0


async def test_taken_port_gives_way_to_the_next(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with _emulator(tmp_path, "--port", str(port)) as running:
            assert int(running.ready["gateway_url"].rpartition(":")[2]) > port
    assert any(f"port {port} is taken" in line["message"] for line in running.lines())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--template", "no-such.yaml"], "no-such.yaml"),
        (["--template", str(TEMPLATE), "--params-file", "no-such.json"], "no-such.json"),
        (["--template", str(TEMPLATE), "--prewarm", "nobody=1"], "no function nobody"),
        (["--template", str(TEMPLATE), "--param", "Greeting"], "NAME=VALUE"),
        (["--template", str(TEMPLATE), "--host", "203.0.113.1"], "cannot listen"),
    ],
)
async def test_what_cannot_start_says_why(
    tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    process = await _start(tmp_path / "log", *arguments)
    assert await asyncio.wait_for(process.wait(), PATIENCE_S) in {1, 2}
    output = (tmp_path / "log").read_text()
    assert sentence in output
    assert "Traceback" not in output


async def test_queues_need_an_endpoint(tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_text(
        "Transform: AWS::Serverless-2016-10-31\nResources:\n  Q:\n    Type: AWS::SQS::Queue\n"
    )
    emulator = Emulator(load(template), lambda *_said, **_fields: None)
    with pytest.raises(StartFailed, match="the template has queues: give --aws-endpoint"):
        await emulator.start()


async def test_stalled_reader_of_the_log_holds_nothing_up(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    read_end, write_end = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "emulator", "--template", str(TEMPLATE), "--port", "0"),
        *("--lambda-port", "0", "--ready-file", str(ready)),
        stdout=write_end,
    )
    os.close(write_end)
    try:
        await eventually(lambda: os.access(ready, os.F_OK))
        url = json.loads(ready.read_text())["gateway_url"]
        async with httpx.AsyncClient(timeout=60) as client:
            for _ in range(600):  # some 200 KB of log lines, three times what the pipe holds
                assert (await client.get(f"{url}/hello")).status_code == 200
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0
        os.close(read_end)
    assert not is_alive(process.pid)


async def test_what_differs_from_what_was_asked_is_a_warning(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with _emulator(tmp_path, "--port", str(port)) as running:
            warnings = [line["message"] for line in running.lines() if line["level"] == "WARNING"]
            url = running.ready["gateway_url"]
    assert f"port {port} is taken by another program, so HTTP API " in " ".join(warnings)
    assert any(warning.endswith(f" is at {url}") for warning in warnings)
    here = f"python{sys.version_info.major}.{sys.version_info.minor}"
    runtimes = [w for w in warnings if w.endswith(f"run under this machine's {here}")]
    declared = {function.runtime for function in load(TEMPLATE).functions.values()}
    assert len(runtimes) == bool(declared - {here})


async def test_log_records_have_their_level_once() -> None:
    logs = LogKeeper()
    handler = SinkHandler(logs)
    logging.basicConfig(force=True, handlers=[handler])
    try:
        logging.getLogger("emulator.x").warning("ours")
        logging.getLogger("library").warning("theirs")
    finally:
        logging.getLogger().removeHandler(handler)
    assert [(line.level, line.message) for line in logs.lines] == [
        ("WARNING", "ours"),
        ("WARNING", "library: theirs"),
    ]


def test_folders_of_endpoints_that_were_killed_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    abandoned, strange = tmp_path / "emulator-aws-old", tmp_path / "emulator-aws-other"
    for folder in (abandoned, strange):
        folder.mkdir()
    (abandoned / "in-use").touch()
    with temporary() as mine:
        with temporary():
            assert mine.is_dir(), "it is in use"
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([mine.name, strange.name])
    assert list(tmp_path.iterdir()) == [strange]
