"""Messages of a queue through a function that does nothing, and the way of one message."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from emulator.services import MiniStack
from tests.bench import systems
from tests.bench.processes import free_port
from tests.bench.runs import Run

BENCH = "queue"
RATE = "messages through a no-op, batches of 10"
DELAY = "idle queue to invocation, p50"
_MESSAGES = 6_000
_BATCH = 10
_PINGS = 20
_PAUSE_S = 0.1
_LIMIT_S = 60.0


def measure(run: Run) -> None:
    """Fill the queue first, then start the emulator on it."""
    for number in range(1, run.rounds + 1):
        run.say(f"queue: round {number} of {run.rounds}")
        folder = run.folder / f"queue-{number}"
        folder.mkdir()
        server = MiniStack(
            data_dir=folder / "data",
            log=folder / "server.log",
            preferred_port=free_port(),
            persist=False,
        )
        server.start()
        try:
            server.wait_ready()
            _round(run, server.url, folder)
        finally:
            server.stop()
    figures, own = run.figures, systems.EMULATOR
    rate, delay = figures.median(BENCH, RATE, own), figures.median(BENCH, DELAY, own)
    figures.expect("queue: at least 1,500 messages/s", rate, "messages/s", at_least=1_500)
    figures.expect("queue: idle to invocation p50 at most 30 ms", delay, "ms", at_most=30)


def _round(run: Run, endpoint: str, folder: Path) -> None:
    sqs = systems.client("sqs", endpoint)
    work = sqs.create_queue(QueueName="bench-work", Attributes={"VisibilityTimeout": "60"})
    for _ in range(_MESSAGES // _BATCH):
        entries = [{"Id": str(number), "MessageBody": "{}"} for number in range(_BATCH)]
        sqs.send_message_batch(QueueUrl=work["QueueUrl"], Entries=entries)
    template = systems.HERE / "app" / "queues.yaml"
    with systems.emulator(folder, template, "--aws-endpoint", endpoint) as own:
        ping = sqs.get_queue_url(QueueName="bench-ping")["QueueUrl"]
        _until(lambda: _left(sqs, work["QueueUrl"]) == 0)
        reports = [
            datetime.fromisoformat(str(line["ts"]))
            for line in own.lines()
            if line["function"] == "noop" and str(line["message"]).startswith("END ")
        ]
        elapsed_s = (max(reports) - min(reports)).total_seconds()
        run.figures.add(BENCH, RATE, "messages/s", systems.EMULATOR, _MESSAGES / elapsed_s)
        for _ in range(_PINGS):
            time.sleep(_PAUSE_S)  # so that the queue is idle
            sqs.send_message(QueueUrl=ping, MessageBody=str(time.time()))
        _until(lambda: len(_delays(own)) == _PINGS)
        for delay_ms in _delays(own)[1:]:  # the first one started the environment
            run.figures.add(BENCH, DELAY, "ms", systems.EMULATOR, delay_ms)


def _left(sqs: Any, url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


def _delays(own: systems.Running) -> list[float]:
    lines = [str(line["message"]) for line in own.lines() if line["function"] == "stamp"]
    return [float(line.partition("=")[2]) for line in lines if line.startswith("delay_ms=")]


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _LIMIT_S
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {_LIMIT_S:.0f} s")
        time.sleep(0.1)
