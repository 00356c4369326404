"""Serves an ASGI application, MiniStack's, over the emulator's own HTTP server."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from urllib.parse import unquote

from emulator.http1 import Header, Request

_LOG = logging.getLogger(__name__)
_FRAMING = frozenset({b"content-length", b"connection", b"transfer-encoding"})
_FAILED = b'{"__type":"InternalFailure","message":"Internal Server Error"}'


class AsgiBridge:
    """Gives an ASGI application requests, and their clients its answers, each in one piece."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._lifespan: asyncio.Task[None] | None = None
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Run the application's start; it has loaded its state then."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}}
        self._lifespan = asyncio.create_task(self._app(scope, self._to_app.get, self._from_app.put))
        await self._tell("startup")

    async def stop(self) -> None:
        """Run the application's end; it has saved its state then."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._tell("shutdown")

    async def _tell(self, phase: str) -> None:
        assert self._lifespan is not None
        self._to_app.put_nowait({"type": f"lifespan.{phase}"})
        answer = asyncio.create_task(self._from_app.get())
        await asyncio.wait((answer, self._lifespan), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
            self._lifespan.result()
        elif answer.result()["type"] != f"lifespan.{phase}.complete":
            raise RuntimeError(f"{phase} failed: {answer.result().get('message', '')}")

    def __call__(self, request: Request) -> None:
        """Serve one request, in a task of its own."""
        task = asyncio.create_task(self._serve(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, request: Request) -> None:
        start: dict[str, Any] = {}
        parts: list[bytes] = []
        incoming = [{"type": "http.request", "body": request.body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if not incoming:
                await asyncio.get_running_loop().create_future()
            return incoming.pop()

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))
                if not message.get("more_body", False):
                    request.respond(start["status"], _headers(start), b"".join(parts))

        try:
            await self._app(_scope(request), receive, send)
        except Exception:
            _LOG.exception("cannot serve %s %r", request.method, request.target[:200])
        finally:
            if request.unanswered:
                request.respond_json(500, _FAILED)


def _headers(start: dict[str, Any]) -> list[Header]:
    return [(name, value) for name, value in start["headers"] if name.lower() not in _FRAMING]


def _scope(request: Request) -> dict[str, Any]:
    path, _, query = request.target.partition(b"?")
    # The body arrives in one piece, its framing undone.
    headers = [header for header in request.headers if header[0] not in _FRAMING]
    if request.body:
        headers.append((b"content-length", b"%d" % len(request.body)))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote(path.decode("latin-1")),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": headers,
        "client": (request.peer, 0),
        "server": None,
    }
