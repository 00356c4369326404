"""The endpoint's one port: MiniStack's services and the emulator's own paths."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import parse_qs

from emulator.aws_server import ministack
from emulator.aws_server.bridge import AsgiBridge
from emulator.aws_server.versions import Version
from emulator.http1 import HttpServer, Limits, Request

_LIMITS = Limits(head_bytes=65_536, body_bytes=512 * 1024 * 1024)
_LONGEST_WAIT_S = 20.0
_GRACE_S = 1.0
_SCHEDULES_VERSION = b"/_emulator/schedules/version"


class AwsServer:
    """Hands every request to who serves it."""

    def __init__(self) -> None:
        self._schedules = Version()
        self._ministack = AsgiBridge(ministack.application(self._schedules))
        self._http = HttpServer(self._dispatch, _LIMITS)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> None:
        """Load what was saved, then listen; raises OSError when the port is taken."""
        await self._ministack.start()
        await self._http.listen(host, port)

    async def stop(self) -> None:
        """Take nothing more, then save."""
        for task in self._tasks:
            task.cancel()
        await self._http.close(_GRACE_S)
        await self._ministack.stop()

    def _dispatch(self, request: Request) -> None:
        path, _, query = request.target.partition(b"?")
        if path == _SCHEDULES_VERSION:
            task = asyncio.create_task(self._tell_version(request, query))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._ministack(request)

    async def _tell_version(self, request: Request, query: bytes) -> None:
        """Answer `?after=N&wait_s=S`: the version once it is not N, at the latest after S."""
        parameters = parse_qs(query.decode("latin-1"))
        version = self._schedules.value
        if "after" in parameters:
            try:
                known = int(parameters["after"][0])
                wait_s = float(parameters.get("wait_s", ["0"])[0])
            except ValueError:
                request.respond_json(400, b'{"message":"after and wait_s are numbers"}')
                return
            version = await self._schedules.other_than(
                known, max(0.0, min(wait_s, _LONGEST_WAIT_S))
            )
        request.respond_json(200, json.dumps({"version": version}).encode())


async def serve(host: str, port: int, stop: asyncio.Event) -> None:
    """Serve until `stop` is set."""
    server = AwsServer()
    await server.start(host, port)
    await stop.wait()
    await server.stop()
