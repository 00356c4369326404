"""Generators of HTTP load: wrk where it is installed, else a small one; and a paced one."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.bench.figures import percentile

_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Load:
    """What clients saw who each sent one request after the other."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    failures: int


def generator() -> str:
    """What will make the load."""
    return "wrk" if shutil.which("wrk") else "the bench's own client"


def closed_loop(url: str, clients: int, seconds: float) -> Load:
    """Load from `clients` connections for `seconds`."""
    if shutil.which("wrk"):
        return _wrk(url, clients, seconds)
    return asyncio.run(_own(url, clients, seconds))


def _wrk(url: str, clients: int, seconds: float) -> Load:
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds:.0f}s", "--latency", url]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 30)
    return parse_wrk(done.stdout)


def parse_wrk(text: str) -> Load:
    """Read what `wrk --latency` prints."""
    latency = {
        percent: float(value) * _UNITS_MS[unit]
        for percent, value, unit in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s|m)", text)
    }
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    failures = int(bad[1]) if bad else 0
    failures += sum(map(int, errors.groups())) if errors else 0
    assert rate is not None, text
    return Load(float(rate[1]), latency["50"], latency["99"], failures)


async def _own(url: str, clients: int, seconds: float) -> Load:
    latencies: list[float] = []
    began = time.perf_counter()
    failures = sum(
        await asyncio.gather(
            *(_client(url, began + seconds, latencies.append) for _ in range(clients))
        )
    )
    elapsed = time.perf_counter() - began
    return Load(
        len(latencies) / elapsed, percentile(latencies, 50), percentile(latencies, 99), failures
    )


async def _client(url: str, until: float, took_ms: Callable[[float], None]) -> int:
    failures = 0
    async with Connection(url) as connection:
        while (began := time.perf_counter()) < until:
            failures += await connection.get() >= 400
            took_ms((time.perf_counter() - began) * 1000)
    return failures


async def paced(
    url: str, per_s: float, stop: asyncio.Event, clients: int = 8
) -> list[tuple[float, float]]:
    """Send at a steady rate until `stop`; when each was due, and its latency from then in ms."""
    latencies: list[tuple[float, float]] = []
    loop = asyncio.get_running_loop()

    async def one(number: int) -> None:
        due = loop.time() + number / per_s
        async with Connection(url) as connection:
            while not stop.is_set():
                await asyncio.sleep(max(0.0, due - loop.time()))
                await connection.get()
                latencies.append((due, (loop.time() - due) * 1000))
                due += clients / per_s

    await asyncio.gather(*(one(number) for number in range(clients)))
    return latencies


class Connection:
    """One keep-alive connection that asks for one URL."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()

    async def __aenter__(self) -> Connection:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def get(self, timeout_s: float = 60) -> int:
        """Ask once; the status."""
        async with asyncio.timeout(timeout_s):
            self._writer.write(self._request)
            head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
            length = re.search(rb"content-length: *(\d+)", head)
            await self._reader.readexactly(int(length[1]) if length else 0)
        return int(head.split(b" ", 2)[1])
