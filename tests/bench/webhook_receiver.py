"""Receivers of a benchmark in a process of their own: one that answers, and one that never does.

`python -m tests.bench.webhook_receiver` prints its port; for each line on standard input it prints,
as JSON, how long after their time the events came that it has received since the last.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import IO

import httptools

GOOD, HANGING = "/good", "/hanging"
_ANSWER = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True)
class Received:
    """What came: milliseconds from each event's time to its arrival, and requests left hanging."""

    delays_ms: list[float]
    hung: int


class Receivers:
    """The process."""

    def __init__(self, port: int, requests: IO[str], answers: IO[str]) -> None:
        self.port = port
        self._requests = requests
        self._answers = answers

    def url(self, path: str) -> str:
        """Where an endpoint is."""
        return f"http://127.0.0.1:{self.port}{path}"

    def take(self) -> Received:
        """What came since the last time."""
        self._requests.write("\n")
        self._requests.flush()
        return Received(**json.loads(self._answers.readline()))


@contextmanager
def receivers() -> Iterator[Receivers]:
    """Start them; they end with the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.webhook_receiver"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        yield Receivers(int(child.stdout.readline()), child.stdin, child.stdout)
        child.stdin.close()


class _Inbox:
    def __init__(self) -> None:
        self._delays_ms: list[float] = []
        self._hung = 0

    def hang(self) -> None:
        self._hung += 1

    def keep(self, body: bytes) -> None:
        made = datetime.fromisoformat(json.loads(body)["created_at"]).timestamp()
        self._delays_ms.append((time.time() - made) * 1000)

    def take(self) -> dict[str, object]:
        taken = {"delays_ms": self._delays_ms, "hung": self._hung}
        self._delays_ms, self._hung = [], 0
        return taken


class _Connection(asyncio.Protocol):
    def __init__(self, inbox: _Inbox) -> None:
        self._inbox = inbox
        self._parser = httptools.HttpRequestParser(self)
        self._path = self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path, self._body = url, b""

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._path.startswith(HANGING.encode()):
            self._inbox.hang()
            return
        self._inbox.keep(self._body)
        self._transport.write(_ANSWER)


async def _serve() -> None:
    inbox, loop = _Inbox(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(inbox), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(inbox.take()), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve())
