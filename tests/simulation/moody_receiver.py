"""Merchants' receivers in a process of their own: they write down all that comes, and have moods.

`python -m tests.simulation.moody_receiver SEED FILE` prints its port. Each line on standard input
is a path and the secret of its endpoint, as JSON; every request becomes a line of the file before
it is answered. Which events an endpoint fails at first is decided by the seed.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import IO

import httptools
from standardwebhooks import Webhook, WebhookVerificationError

_LATE_S = 1.5
"""Longer than the sender's patience with an endpoint that it takes for a quick one."""
_FAILING, _HANGING_UP, _FAILING_TWICE, _LATE = 0.04, 0.07, 0.08, 0.09
_ANSWER = b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n"
_GOOD, _BAD = _ANSWER % b"204 No Content", _ANSWER % b"500 Internal Server Error"


@dataclass(frozen=True)
class Receipt:
    """One request: when it came, in Unix time, what was in it, and whether 204 was answered."""

    path: str
    id: str
    body: str
    at: float
    is_signed: bool
    is_taken: bool


class MoodyReceivers:
    """The process."""

    def __init__(self, port: int, file: Path, requests: IO[str], answers: IO[str]) -> None:
        self._port = port
        self._file = file
        self._requests = requests
        self._answers = answers

    def url(self, path: str) -> str:
        """Where an endpoint is."""
        return f"http://127.0.0.1:{self._port}{path}"

    def learn(self, path: str, secret: str) -> None:
        """Verify with this secret what comes there."""
        self._requests.write(json.dumps({"path": path, "secret": secret}) + "\n")
        self._requests.flush()
        assert self._answers.readline() == "learnt\n"

    def receipts(self) -> list[Receipt]:
        """All that has come so far."""
        with self._file.open() as lines:
            return [Receipt(**json.loads(line)) for line in lines if line.endswith("\n")]


@contextmanager
def moody_receivers(seed: int, file: Path) -> Iterator[MoodyReceivers]:
    """Start them; they end with the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.simulation.moody_receiver", str(seed), str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        yield MoodyReceivers(int(child.stdout.readline()), file, child.stdin, child.stdout)
        child.stdin.close()


class _Diary:
    def __init__(self, seed: int, file: IO[str]) -> None:
        self._seed = seed
        self._file = file
        self._times: Counter[tuple[str, str]] = Counter()
        self.secrets: dict[str, str] = {}

    def answer(self, path: str, headers: dict[str, str], body: str) -> tuple[bytes | None, float]:
        """Write down a request; what to answer, if anything, and how much later."""
        event = headers.get("webhook-id", "")
        time_of_it = self._times[path, event]
        self._times[path, event] += 1
        mood = random.Random(f"{self._seed} {path} {event}").random()
        answer: bytes | None = _GOOD
        if mood < _FAILING_TWICE and time_of_it < (2 if mood >= _HANGING_UP else 1):
            answer = None if _FAILING <= mood < _HANGING_UP else _BAD
        receipt = Receipt(
            path, event, body, time.time(), self._is_signed(path, headers, body), answer == _GOOD
        )
        self._file.write(json.dumps(asdict(receipt)) + "\n")
        self._file.flush()
        is_late = _FAILING_TWICE <= mood < _LATE and time_of_it == 0
        return answer, _LATE_S if is_late else 0.0

    def _is_signed(self, path: str, headers: dict[str, str], body: str) -> bool:
        try:
            Webhook(self.secrets[path]).verify(body, headers)
        except (KeyError, WebhookVerificationError):
            return False
        return headers.get("x-webhook-id") == headers["webhook-id"]


class _Connection(asyncio.Protocol):
    def __init__(self, diary: _Diary) -> None:
        self._diary = diary
        self._parser = httptools.HttpRequestParser(self)
        self._path = self._body = b""
        self._headers: dict[str, str] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path, self._body, self._headers = url, b"", {}

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        path, body = self._path.decode(), self._body.decode()
        answer, later_s = self._diary.answer(path, self._headers, body)
        if answer is None:
            self._transport.close()
        else:
            loop = asyncio.get_running_loop()
            loop.call_later(later_s, partial(self._transport.write, answer))


async def _serve(seed: int, file: IO[str]) -> None:
    diary, loop = _Diary(seed, file), asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(diary), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        endpoint = json.loads(line)
        diary.secrets[endpoint["path"]] = endpoint["secret"]
        print("learnt", flush=True)


if __name__ == "__main__":
    with Path(sys.argv[2]).open("a") as opened:
        asyncio.run(_serve(int(sys.argv[1]), opened))
