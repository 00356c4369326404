"""How fast a queue's messages reach a function, all processes included.

`python -m tests.bench.sqs [BACKLOG ...]` prints a line per backlog: what is left waiting while
the rate of a function that does nothing is taken; then how long a message of an idle queue takes.
Figures of a busy machine say little; CPU time per message says more.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from emulator.services import MiniStack

_ROOT = Path(__file__).parent.parent.parent
_TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties: {QueueName: bench, VisibilityTimeout: 60}
  Sink:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: sink
      Handler: app.handler
      Runtime: python3.13
      CodeUri: code
      Events:
        Queue: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn, BatchSize: 10}}
"""
_NOTHING = "def handler(event, context):\n    return None\n"
_CLOCK = """\
import pathlib, time

def handler(event, context):
    now = time.time()
    with pathlib.Path(__file__).with_name("arrivals").open("a") as file:
        for record in event["Records"]:
            file.write(f"{now - float(record['body'])}\\n")
"""
_WARM_UP = 500
_PAUSE_S = 0.05
_TICK_S = 0.02
_START_TIMEOUT_S = 60.0
_DRAIN_TIMEOUT_S = 60.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


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
    with _application(_NOTHING) as folder, _endpoint(folder) as endpoint:
        _fill(endpoint.url, backlog + messages + _WARM_UP, "x" * body_bytes)
        with _emulator(folder, endpoint.url) as emulator:
            assert endpoint.child is not None
            return _watch(endpoint.url, endpoint.child.identity.pid, emulator, backlog, messages)


def measure_latency(messages: int = 100) -> list[float]:
    """Return, sorted, the seconds from before SendMessage to within the function."""
    with (
        _application(_CLOCK) as folder,
        _endpoint(folder) as endpoint,
        _emulator(folder, endpoint.url),
    ):
        queue = _fill(endpoint.url, 0, "")
        arrivals = folder / "code" / "arrivals"
        for number in range(messages + 1):
            request = {"QueueUrl": queue, "MessageBody": str(time.time())}
            _call(endpoint.url, "SendMessage", request)
            deadline = time.monotonic() + _START_TIMEOUT_S
            while not arrivals.exists() or arrivals.read_text().count("\n") <= number:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"message {number} did not arrive")
                time.sleep(_TICK_S)
            time.sleep(_PAUSE_S)
        return sorted(map(float, arrivals.read_text().split()[1:]))  # the first starts the process


@contextmanager
def _application(code: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "code").mkdir()
        (folder / "code" / "app.py").write_text(code)
        (folder / "template.yaml").write_text(_TEMPLATE)
        yield folder


def _watch(url: str, endpoint: int, emulator: int, backlog: int, messages: int) -> Figures:
    _until_left(url, backlog + messages)
    parts = [[endpoint], [emulator], _descendants(emulator)]
    before = [sum(map(_cpu_s, pids)) for pids in parts]
    first = _left(url)
    start = time.perf_counter()
    _until_left(url, backlog)
    elapsed_s = time.perf_counter() - start
    done = first - _left(url)
    parts[2] = _descendants(emulator)
    after = [sum(map(_cpu_s, pids)) for pids in parts]
    cpu_us = [(end - begin) / done * 1e6 for begin, end in zip(before, after, strict=True)]
    return Figures(backlog, done, done / elapsed_s, *cpu_us)


@contextmanager
def _endpoint(folder: Path) -> Iterator[MiniStack]:
    server = MiniStack(data_dir=folder / "aws", log=folder / "aws.log", preferred_port=0)
    server.start()
    try:
        server.wait_ready()
        yield server
    finally:
        server.stop()


@contextmanager
def _emulator(folder: Path, endpoint_url: str) -> Iterator[int]:
    command = [sys.executable, "-m", "emulator", "--template", str(folder / "template.yaml")]
    command += ["--port", "0", "--lambda-port", "0", "--aws-endpoint", endpoint_url, "--no-reload"]
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    with (folder / "emulator.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=_ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield process.pid
        finally:
            process.terminate()
            process.wait(timeout=20)


def _fill(url: str, count: int, body: str) -> str:
    """Put messages in the queue, which is made; its URL."""
    made = {"QueueName": "bench", "Attributes": {"VisibilityTimeout": "60"}}
    queue = _call(url, "CreateQueue", made)["QueueUrl"]
    for start in range(0, count, 10):
        entries = [
            {"Id": str(number), "MessageBody": body} for number in range(min(10, count - start))
        ]
        _call(url, "SendMessageBatch", {"QueueUrl": queue, "Entries": entries})
    return queue


def _call(url: str, action: str, parameters: Mapping[str, object]) -> dict[str, str]:
    request = urllib.request.Request(
        url,
        data=json.dumps(parameters).encode(),
        headers={
            "x-amz-target": f"AmazonSQS.{action}",
            "content-type": "application/x-amz-json-1.0",
        },
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        answer: dict[str, str] = json.loads(response.read())
        return answer


def _left(url: str) -> int:
    with urllib.request.urlopen(f"{url}/_emulator/queues", timeout=10) as response:
        for queue in json.loads(response.read())["queues"]:
            if queue["name"] == "bench":
                return int(queue["visible"] + queue["in_flight"])
    raise RuntimeError("the queue is gone")


def _until_left(url: str, count: int) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S + _DRAIN_TIMEOUT_S
    while _left(url) > count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{_left(url)} messages are left")
        time.sleep(_TICK_S)


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, waiting = [], [pid]
    while waiting:
        for child in children.get(waiting.pop(), []):
            found.append(child)
            waiting.append(child)
    return found


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def main() -> None:
    """Print the figures of every backlog asked for."""
    for backlog in map(int, sys.argv[1:] or ("0", "4000", "20000")):
        print(measure(backlog), flush=True)
    latencies = measure_latency()
    p50, p99 = (latencies[int(len(latencies) * share)] * 1000 for share in (0.5, 0.99))
    print(f"idle queue to function: p50 {p50:.1f} ms, p99 {p99:.1f} ms")


if __name__ == "__main__":
    main()
