"""A listening address whose every request goes to one handler."""

from __future__ import annotations

import asyncio
import contextlib

from emulator.http1.connection import Connection
from emulator.http1.messages import Handler, Limits, Request


class HttpServer:
    """Listens on one address and hands every request to one handler."""

    def __init__(self, handler: Handler, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.loop = asyncio.get_running_loop()
        self._handler = handler
        self.closing = False
        self.host = ""
        self.port = 0
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._drained = asyncio.Event()
        self._drained.set()

    async def listen(self, host: str, port: int = 0) -> None:
        """Bind and listen; raises OSError when the port is taken."""
        self._server = await self.loop.create_server(
            lambda: Connection(self), host, port, backlog=1024
        )
        name = self._server.sockets[0].getsockname()
        self.host, self.port = name[0], name[1]

    def dispatch(self, request: Request) -> None:
        """Hand one request to the handler; its failure is an answer, never a lost connection."""
        try:
            self._handler(request)
        except Exception as error:
            request.fail(error)

    def admit(self, connection: Connection) -> bool:
        """Count a new connection in, unless there are too many or the server closes."""
        if self.closing or len(self._connections) >= self.limits.connections:
            return False
        self._connections.add(connection)
        self._drained.clear()
        return True

    def forget(self, connection: Connection) -> None:
        """Count a closed connection out."""
        self._connections.discard(connection)
        if not self._connections:
            self._drained.set()

    def stop_listening(self) -> None:
        """Take no new connection or request; running requests may still be answered."""
        self.closing = True
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._connections):
            if connection.idle:
                connection.close()

    async def close(self, grace_s: float = 0.0) -> None:
        """Stop listening, wait for running requests at most `grace_s`, then cut them off."""
        self.stop_listening()
        if grace_s > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), grace_s)
        for connection in list(self._connections):
            connection.abort()
