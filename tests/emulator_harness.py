"""Starts an emulator inside a test, and keeps what it logs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.app import Addresses, Emulator
from emulator.logs import Kind
from emulator.runtime import Runtime, RuntimeSettings
from emulator.runtime.destinations import Send
from emulator.template.model import Application, Function
from emulator.template.parse import load
from tests.waiting import PATIENCE_S, eventually

HELLO_APP = Path(__file__).parent / "fixtures" / "hello_app"
REGION = "us-east-1"


@dataclass(frozen=True)
class LogLine:
    kind: Kind
    message: str
    function: str | None
    request_id: str | None
    level: str
    fields: dict[str, Any]


class LogKeeper:
    """A sink that remembers, and that a test can wait on."""

    def __init__(self) -> None:
        self.lines: list[LogLine] = []
        self._grown = asyncio.Event()

    def __call__(
        self,
        kind: Kind,
        message: str,
        *,
        function: str | None = None,
        request_id: str | None = None,
        level: str = "INFO",
        **fields: Any,
    ) -> None:
        self.lines.append(LogLine(kind, message, function, request_id, level, fields))
        self._grown.set()

    def texts(self, kind: Kind | None = None) -> list[str]:
        return [line.message for line in self.lines if kind is None or line.kind is kind]

    async def until(
        self, found: Callable[[LogLine], bool], timeout_s: float = PATIENCE_S
    ) -> LogLine:
        """The first line that fits, awaited if need be."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for line in self.lines:
                    if found(line):
                        return line
                self._grown.clear()
                await self._grown.wait()


def hello_app(**parameters: str) -> Application:
    return load(HELLO_APP / "template.yaml", parameters)


@asynccontextmanager
async def running(
    app: Application, logs: LogKeeper, settings: RuntimeSettings | None = None
) -> AsyncIterator[Emulator]:
    emulator = Emulator(
        app,
        logs,
        addresses=Addresses("127.0.0.1", 0, 0),
        settings=settings or RuntimeSettings(reload=False),
    )
    await emulator.start()
    try:
        yield emulator
    finally:
        await emulator.stop()


@asynccontextmanager
async def runtime_of(
    *functions: Function,
    logs: LogKeeper,
    settings: RuntimeSettings | None = None,
    send: Send | None = None,
) -> AsyncIterator[Runtime]:
    """Only the functions, without any server."""
    runtime = Runtime(
        {function.name: function for function in functions},
        region=REGION,
        sink=logs,
        settings=settings or RuntimeSettings(reload=False),
        send=send,
    )
    await runtime.start()
    try:
        yield runtime
    finally:
        await runtime.close(0.1)


def function_of(
    name: str, code_dir: Path | None = None, *, handler: str = "app.handler", **changes: Any
) -> Function:
    values: dict[str, Any] = {
        "logical_id": name.title(),
        "name": name,
        "arn": f"arn:aws:lambda:{REGION}:000000000000:function:{name}",
        "handler": handler,
        "runtime": "python3.13",
        "code_dir": code_dir or HELLO_APP / "functions" / name,
        "layer_dirs": (),
        "environment": {},
        "timeout_s": 20,
        "memory_mb": 128,
        "reserved_concurrency": None,
        **changes,
    }
    return Function(**values)


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


async def gone(pid: int) -> None:
    """Wait until a process that was killed has ended."""
    await eventually(lambda: not is_alive(pid))
