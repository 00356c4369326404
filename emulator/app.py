"""Puts the emulator together: an application's functions, APIs, queues and schedules."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from emulator import mappings, provision, schedules
from emulator.aws import Aws
from emulator.changes import TemplateWatch
from emulator.clock import Clock
from emulator.control import Control
from emulator.gateway import Gateway
from emulator.http1 import HttpServer
from emulator.inline import unpack
from emulator.invoke_api import InvokeApi
from emulator.logs import Kind, LogSink
from emulator.runtime import Runtime, RuntimeSettings
from emulator.senders import AwsSender
from emulator.template.model import Application, Function

LOOPBACK = "127.0.0.1"
_PORTS_TRIED = 200
_STOP_GRACE_S = 3.5
_STOP_LIMIT_S = 5.0


class StartFailed(Exception):
    """The emulator cannot run this template here; the message is for people."""


class _Running(Protocol):
    async def stop(self) -> None: ...


@dataclass(frozen=True)
class Addresses:
    """Where to listen; a port that is taken gives way to the next free one.

    `host` is for the HTTP APIs. Lambda's API checks no signature: it is for this machine only.
    """

    host: str = LOOPBACK
    gateway_port: int = 3000
    lambda_port: int = 3001


class Emulator:
    """A running application; `start`, then `stop`."""

    def __init__(
        self,
        app: Application,
        sink: LogSink,
        *,
        addresses: Addresses | None = None,
        settings: RuntimeSettings | None = None,
        aws_endpoint: str | None = None,
        load: Callable[[], Application] | None = None,
        clock_file: Path | None = None,
        state_file: Path | None = None,
    ) -> None:
        """With `load`, the template is read again when its file changes."""
        self.app = app
        self.gateway_urls: dict[str, str] = {}
        self.lambda_url = ""
        self._sink = sink
        self._addresses = addresses or Addresses()
        self._settings = settings or RuntimeSettings()
        self.aws_endpoint = aws_endpoint
        self._load = load
        self._files = contextlib.ExitStack()
        self._watching: asyncio.Task[None] | None = None
        self._clock = Clock(clock_file)
        self._memory = schedules.Memory(state_file)
        self._exits = contextlib.AsyncExitStack()
        self._servers: list[HttpServer] = []
        self._running: list[_Running] = []
        self._runtime: Runtime | None = None

    @property
    def gateway_url(self) -> str | None:
        """The URL of the template's first HTTP API, if it has any."""
        return next(iter(self.gateway_urls.values()), None)

    @property
    def runtime(self) -> Runtime:
        """The functions, once started."""
        assert self._runtime is not None
        return self._runtime

    async def start(self) -> None:
        """Make what the template declares and serve it; raises StartFailed, leaving nothing."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        for warning in self.app.warnings:
            self._sink(Kind.PLATFORM, warning, level="WARNING")
        self._tell_of_other_runtimes()
        aws = await self._connect()
        if aws is not None:
            await provision.provision(schedules.as_switched(self.app, self._memory), aws)
        self._exits.enter_context(self._files)
        runtime = self._runtime = Runtime(
            unpack(self.app.functions, self._files),
            region=self.app.region,
            sink=self._sink,
            settings=self._settings,
            send=AwsSender(aws) if aws is not None else None,
        )
        await runtime.start()
        control = Control(self._clock, runtime.metrics.render)
        await self._serve(runtime, control)
        if aws is not None:
            self._running.append(mappings.start(self.app, runtime, aws))
            control.schedules = await schedules.start(
                self.app, runtime, aws, clock=self._clock, memory=self._memory
            )
            self._running.append(control.schedules)

    def _tell_of_other_runtimes(self) -> None:
        """Say that functions run under the Python that is here, if AWS would take another."""
        here = f"python{sys.version_info.major}.{sys.version_info.minor}"
        others = {each.runtime for each in self.app.functions.values()} - {here}
        if others:
            names = ", ".join(sorted(others))
            text = f"functions for {names} run under this machine's {here}"
            self._sink(Kind.PLATFORM, text, level="WARNING")

    async def stop(self) -> None:
        """Accept nothing more, finish or kill what runs; no process is left."""
        if self._watching is not None:
            self._watching.cancel()
        for server in self._servers:
            server.stop_listening()
        ending = [running.stop() for running in self._running]
        if self._runtime is not None:
            ending.append(self._runtime.close(_STOP_GRACE_S))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_LIMIT_S):
                await asyncio.gather(*ending, return_exceptions=True)
        for server in self._servers:
            await server.close()
        await self._exits.aclose()

    def _watch_template(self, runtime: Runtime, invoke_api: InvokeApi) -> None:
        """Have changed functions run as the template says from then on."""
        if self._load is None or not self._settings.reload:
            return

        def apply(app: Application, functions: Mapping[str, Function]) -> None:
            self.app = app
            runtime.update(unpack(functions, self._files))
            invoke_api.describe(app)

        watch = TemplateWatch(self.app, self._load, apply, self._sink)
        self._watching = asyncio.get_running_loop().create_task(watch.run())

    async def _connect(self) -> Aws | None:
        """The AWS endpoint, if the template has anything on it."""
        kinds = self.app.kinds_on_endpoint
        if not kinds:
            return None
        if self.aws_endpoint is None:
            raise StartFailed(
                f"the template has {', '.join(kinds)}: give --aws-endpoint (MiniStack, LocalStack)"
            )
        return await self._exits.enter_async_context(Aws(self.aws_endpoint, self.app.region))

    async def _serve(self, runtime: Runtime, control: Control) -> None:
        addresses = self._addresses
        # Lambda's port first: programs are told of it beforehand, and an API would take it.
        invoke_api = InvokeApi(runtime, self.app, control)
        self.lambda_url = await self._listen(
            invoke_api.server, LOOPBACK, addresses.lambda_port, "Lambda"
        )
        port, lambda_port = addresses.gateway_port, invoke_api.server.port
        for api in self.app.http_apis:
            gateway = Gateway(api, self.app.account_id, runtime, self._sink)
            what = f"HTTP API {api.logical_id}"
            url = await self._listen(gateway.server, addresses.host, port, what, lambda_port)
            self.gateway_urls[api.logical_id] = url
            port = gateway.server.port + 1 if port else 0
        self._watch_template(runtime, invoke_api)

    async def _listen(
        self, server: HttpServer, host: str, port: int, what: str, lambda_port: int = 0
    ) -> str:
        """Listen on the port or the next free one that is not Lambda's; the server's URL."""
        for candidate in range(port, port + _PORTS_TRIED) if port else (0,):
            if candidate and candidate == lambda_port:
                continue
            try:
                await server.listen(host, candidate)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    continue
                raise StartFailed(f"cannot listen on {host}:{candidate}: {error}") from error
            self._servers.append(server)
            url = f"http://{host}:{server.port}"
            if port in (0, server.port):
                self._sink(Kind.PLATFORM, f"{what}: {url}")
            elif port == lambda_port:
                self._sink(Kind.PLATFORM, f"{what}: {url} (port {port} is Lambda's)")
            else:
                said = f"port {port} is taken by another program, so {what} is at {url}"
                self._sink(Kind.PLATFORM, said, level="WARNING")
            return url
        raise StartFailed(f"no port is free from {port} to {port + _PORTS_TRIED - 1}")


class SinkHandler(logging.Handler):
    """Brings the log records of the emulator's own modules and its libraries to the sink."""

    def __init__(self, sink: LogSink) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter("%(message)s"))
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        """Hand one record over; its level is the line's, and a library's name goes before it."""
        text = self.format(record)
        if not record.name.startswith("emulator"):
            text = f"{record.name}: {text}"
        self._sink(Kind.PLATFORM, text, level=record.levelname)
