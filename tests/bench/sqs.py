"""What a backlog costs a queue's messages on their way to a function that does nothing.

`python -m tests.bench.sqs [BACKLOG ...]` prints, for each, the rate while at least so many wait,
and the CPU time that a message takes in every process. It starts and ends all of them.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from emulator.services import MiniStack
from tests.bench import systems
from tests.bench.processes import cpu_s, descendants, free_port

_QUEUE = "bench-work"
_WARM_UP = 500
_TICK_S = 0.02
_LIMIT_S = 120.0


@dataclass(frozen=True)
class Figures:
    """What one run gave; CPU times are per message."""

    backlog: int
    messages: int
    per_second: float
    endpoint_cpu_us: float
    emulator_cpu_us: float
    functions_cpu_us: float

    def __str__(self) -> str:
        return (
            f"backlog {self.backlog:6d}: {self.per_second:6.0f} messages/s;"
            f" CPU per message: endpoint {self.endpoint_cpu_us:.0f} µs,"
            f" emulator {self.emulator_cpu_us:.0f} µs, functions {self.functions_cpu_us:.0f} µs"
        )


def measure(backlog: int, messages: int = 6_000, body_bytes: int = 300) -> Figures:
    """Return how fast `messages` reach a function while at least `backlog` more wait."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = MiniStack(
            data_dir=folder / "aws", log=folder / "aws.log", preferred_port=free_port()
        )
        server.start()
        try:
            server.wait_ready()
            assert server.child is not None
            _fill(server.url, backlog + messages + _WARM_UP, "x" * body_bytes)
            template = systems.HERE / "app" / "queues.yaml"
            with systems.emulator(folder, template, "--aws-endpoint", server.url) as own:
                _until_left(server.url, backlog + messages)
                return _watch(server.url, server.child.identity.pid, own.pid, backlog)
        finally:
            server.stop()


def _watch(url: str, endpoint: int, emulator: int, backlog: int) -> Figures:
    before, first, start = _used_s(endpoint, emulator), _left(url), time.perf_counter()
    _until_left(url, backlog)
    elapsed_s = time.perf_counter() - start
    after, done = _used_s(endpoint, emulator), first - _left(url)
    cpu_us = [(end - begin) / done * 1e6 for begin, end in zip(before, after, strict=True)]
    return Figures(backlog, done, done / elapsed_s, *cpu_us)


def _used_s(endpoint: int, emulator: int) -> tuple[float, float, float]:
    """CPU time of the endpoint, the emulator and its functions."""
    _, *functions = descendants(emulator)
    return cpu_s(endpoint), cpu_s(emulator), sum(map(cpu_s, functions))


def _fill(url: str, count: int, body: str) -> None:
    sqs = systems.client("sqs", url)
    queue = sqs.create_queue(QueueName=_QUEUE, Attributes={"VisibilityTimeout": "60"})
    entries = [{"Id": str(number), "MessageBody": body} for number in range(10)]
    for _ in range(-(-count // len(entries))):
        sqs.send_message_batch(QueueUrl=queue["QueueUrl"], Entries=entries)


def _left(url: str) -> int:
    with urllib.request.urlopen(f"{url}/_emulator/queues", timeout=10) as response:
        queues = {item["name"]: item for item in json.loads(response.read())["queues"]}
    return int(queues[_QUEUE]["visible"] + queues[_QUEUE]["in_flight"])


def _until_left(url: str, count: int) -> None:
    deadline = time.monotonic() + _LIMIT_S
    while (left := _left(url)) > count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{left} messages are left")
        time.sleep(_TICK_S)


def main() -> None:
    """Print the figures of every backlog asked for."""
    for backlog in map(int, sys.argv[1:] or ("0", "4000", "20000")):
        print(measure(backlog), flush=True)


if __name__ == "__main__":
    main()
