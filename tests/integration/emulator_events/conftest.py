"""An AWS endpoint that these tests may stop, and a scripted function."""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from emulator.aws import Aws
from emulator.clock import Clock
from emulator.invocations import InvokeResult
from emulator.provision import provision
from emulator.schedules import Memory, Schedules, as_switched, start
from emulator.template.model import Application
from emulator.template.parse import load
from tests.waiting import PATIENCE_S

REGION = "us-east-1"


class Endpoint:
    """MiniStack as the emulator runs it, in a process of its own."""

    def __init__(self, module: str = "emulator.aws_server") -> None:
        self._module = module
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        settings = {
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self._port),
            "SERVICES": "sqs,events,scheduler,ses,s3,secretsmanager,kms",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LOG_LEVEL": "WARNING",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", self._module], env={**os.environ, **settings}
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/_ministack/ready", timeout=2):
                    return
            except OSError:
                time.sleep(0.02)
        raise TimeoutError("MiniStack did not start")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def own_endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    yield endpoint
    endpoint.kill()


@pytest.fixture
async def aws(aws_endpoint_url: str) -> AsyncIterator[Aws]:
    async with Aws(aws_endpoint_url, REGION) as clients:
        yield clients


@pytest.fixture
def load_app(tmp_path: Path) -> Callable[[str], Application]:
    """Reads a template, whose names all start with a prefix of this test's own: `${P}`."""
    prefix = f"t{uuid.uuid4().hex[:8]}"
    (tmp_path / "code").mkdir()

    def load_text(resources: str) -> Application:
        path = tmp_path / "template.yaml"
        path.write_text(
            "Transform: AWS::Serverless-2016-10-31\n"
            "Parameters: {P: {Type: String}}\n"
            "Globals: {Function: {Handler: app.handler, Runtime: python3.13, CodeUri: code}}\n"
            f"Resources:\n{resources}"
        )
        account = os.environ["AWS_ACCESS_KEY_ID"]
        return load(path, {"P": prefix}, region=REGION, account_id=account)

    return load_text


@dataclass
class ScriptedInvoker:
    """An Invoker whose function is a coroutine of the test; it keeps every event it got."""

    function: Callable[[Any], Awaitable[Any]]
    events: list[Any] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def invoke(
        self,
        function: str,
        payload: bytes,
        *,
        trace_id: str | None = None,
    ) -> InvokeResult:
        self.times.append(time.perf_counter())
        event = json.loads(payload)
        async with self._changed:
            self.events.append(event)
            self._changed.notify_all()
        try:
            answer = await self.function(event)
        except ArithmeticError as error:
            return InvokeResult("id", json.dumps(str(error)).encode(), function_error="Unhandled")
        return InvokeResult("id", answer if isinstance(answer, bytes) else b"null")

    async def invoke_async(
        self, function: str, payload: bytes, *, trace_id: str | None = None
    ) -> str:
        await self.invoke(function, payload, trace_id=trace_id)
        return "id"

    async def until(self, holds: Callable[[list[Any]], bool]) -> None:
        async with self._changed, asyncio.timeout(PATIENCE_S):
            await self._changed.wait_for(lambda: holds(self.events))


class StillClock(Clock):
    """A clock on which time passes when the test says so."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._began = datetime.fromisoformat(text)

    def now(self) -> datetime:
        return self._began + self.offset


class Started:
    """Starts schedules on a clock, and moves both."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.clock = StillClock("2026-01-01T00:00:30+00:00")
        self.schedules: Schedules | None = None

    async def start(
        self, app: Application, invoker: ScriptedInvoker, memory: Memory | None = None
    ) -> Schedules:
        memory = memory or Memory()
        await provision(as_switched(app, memory), self.aws)
        self.schedules = await start(app, invoker, self.aws, clock=self.clock, memory=memory)
        return self.schedules

    def advance(self, by: timedelta) -> None:
        self.clock.advance(by)
        assert self.schedules is not None
        self.schedules.clock_moved()

    async def stop(self) -> None:
        if self.schedules is not None:
            await self.schedules.stop()
            self.schedules = None


@pytest.fixture
def own_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """An AWS account for one test: an emulator fires whatever the account has."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", f"{random.randrange(10**11, 10**12)}")


@pytest.fixture
async def started(aws: Aws) -> AsyncIterator[Started]:
    started = Started(aws)
    yield started
    await started.stop()


async def nothing(_event: Any) -> bytes:
    return b"null"


def bodies(event: Any) -> list[str]:
    return [record["body"] for record in event["Records"]]


async def receive(aws: Aws, queue: str, wait_s: int = 10) -> list[Any]:
    url = (await aws.sqs.get_queue_url(QueueName=queue))["QueueUrl"]
    answer = await aws.sqs.receive_message(
        QueueUrl=url,
        WaitTimeSeconds=wait_s,
        MaxNumberOfMessages=10,
        MessageSystemAttributeNames=["All"],
    )
    messages: list[Any] = answer.get("Messages", [])
    return messages


async def depth(aws: Aws, queue: str) -> int:
    """How many messages are in the queue, visible or not."""
    url = (await aws.sqs.get_queue_url(QueueName=queue))["QueueUrl"]
    answer = await aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    counts = answer["Attributes"]
    return sum(int(counts[key]) for key in counts if key.startswith("ApproximateNumberOfMessages"))
