"""The generator of payments, a process of its own: it costs some 40 µs for each request.

`python -m tests.bench.payment_load` reads a job as JSON from standard input and prints what came
of it. One thread over epoll; requests are made before the clock starts, but for their keys.
"""

from __future__ import annotations

import json
import selectors
import socket
import subprocess
import sys
import time
import uuid
from collections import Counter
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from tests.bench.figures import percentile

_GIVE_UP_S = 30.0


@dataclass(frozen=True)
class Job:
    """What to send. `payers` are pairs of an API key and a payment method, taken in turn.

    With `per_s` requests are due at a steady rate whatever became of those before (open loop);
    else each of the clients sends when its answer came (closed loop).
    """

    url: str
    payers: list[tuple[str, str]]
    clients: int
    seconds: float
    per_s: float | None = None


@dataclass(frozen=True)
class Payments:
    """What came of it; latencies are from when a request was due."""

    per_s: float
    p50_ms: float
    p99_ms: float
    answers: dict[str, int]
    cpu_s: float

    @property
    def count(self) -> int:
        """All that were answered."""
        return sum(self.answers.values())

    @property
    def errors(self) -> int:
        """Answers other than 201, and requests without one."""
        return self.count - self.answers.get("201", 0)


def send(job: Job) -> Payments:
    """Run a job in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.payment_load"],
        input=json.dumps(asdict(job)),
        capture_output=True,
        text=True,
        check=True,
        timeout=job.seconds + 2 * _GIVE_UP_S,
    )
    return Payments(**json.loads(done.stdout))


class _Client:
    """One keep-alive connection."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0.0
        self._received = b""

    def status(self) -> bytes | None:
        """The status of the answer once all of it is here; ConnectionError if it never will be."""
        chunk = self.socket.recv(65_536)
        if not chunk:
            raise ConnectionError
        self._received += chunk
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank:
            return None
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if len(body) < int(length or 0):
            return None
        self._received = b""
        return head[9:12]


class _Generator:
    def __init__(self, job: Job) -> None:
        parts = urlsplit(job.url)
        self._job = job
        self._requests = [_request(parts.netloc, *payer) for payer in job.payers]
        self._run = uuid.uuid4().hex.encode()
        self._sent = 0
        self._latencies: list[float] = []
        self._answers: Counter[str] = Counter()
        self._selector = selectors.EpollSelector()
        self._free = []
        for _ in range(job.clients):
            client = _Client(parts.hostname or "", parts.port or 80)
            self._selector.register(client.socket, selectors.EVENT_READ, client)
            self._free.append(client)

    def run(self) -> Payments:
        began = time.perf_counter()
        until = began + self._job.seconds
        interval = 1 / self._job.per_s if self._job.per_s else 0.0
        due = began
        busy = 0
        while (now := time.perf_counter()) < until or busy:
            if now > until + _GIVE_UP_S:
                self._answers["none"] += busy
                break
            while self._free and now < until and due <= now:
                self._send(self._free.pop(), due if interval else now)
                busy += 1
                due += interval
            wait = 1.0
            if interval and self._free and due < until:
                wait = max(0.0, due - time.perf_counter())
            for key, _ in self._selector.select(wait):
                busy -= self._receive(key.data)
        return Payments(
            per_s=len(self._latencies) / (time.perf_counter() - began),
            p50_ms=percentile(self._latencies, 50),
            p99_ms=percentile(self._latencies, 99),
            answers=dict(self._answers),
            cpu_s=time.process_time(),
        )

    def _send(self, client: _Client, due: float) -> None:
        head, tail = self._requests[self._sent % len(self._requests)]
        client.due = due
        client.socket.sendall(b"%b%b-%d%b" % (head, self._run, self._sent, tail))
        self._sent += 1

    def _receive(self, client: _Client) -> int:
        """How many requests are over: one or none yet."""
        try:
            status = client.status()
        except OSError:
            self._selector.unregister(client.socket)
            self._answers["none"] += 1
            return 1
        if status is None:
            return 0
        self._latencies.append((time.perf_counter() - client.due) * 1000)
        self._answers[status.decode()] += 1
        self._free.append(client)
        return 1


def _request(host: str, api_key: str, payment_method: str) -> tuple[bytes, bytes]:
    """A request in two parts: its key goes in between."""
    body = json.dumps(
        {
            "amount": 1999,
            "currency": "usd",
            "payment_method_id": payment_method,
            "metadata": {"order_id": "6735"},
        }
    )
    head = (
        f"POST /v1/payments HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {api_key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nIdempotency-Key: "
    )
    return head.encode(), f"\r\n\r\n{body}".encode()


def main() -> None:
    """Run the job that comes on standard input."""
    job = json.load(sys.stdin)
    job["payers"] = [tuple(payer) for payer in job["payers"]]
    print(json.dumps(asdict(_Generator(Job(**job)).run())))


if __name__ == "__main__":
    main()
