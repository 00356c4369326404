"""The bus goes away under load and comes back: nothing is lost, and objects keep their order."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import boto3
import pytest

from emulator.services import MiniStack
from paywright import background
from paywright.clock import SystemClock
from paywright.db import Database
from paywright.events.bus import Bus
from paywright.events.relay import Relay
from tests.integration.events.conftest import IDS, Outbox, Queue, routed
from tests.waiting import until

_ROUNDS, _PATIENCE_S = 30, 60.0


class _Over(Exception):
    """Ends the relay's loop."""


@pytest.fixture
def own_endpoint(tmp_path: Path) -> Iterator[MiniStack]:
    server = MiniStack(data_dir=tmp_path / "aws", log=tmp_path / "aws.log", preferred_port=0)
    server.start()
    server.wait_ready()
    yield server
    server.stop()


def test_the_bus_goes_away_and_comes_back(
    own_endpoint: MiniStack, relay_database: Database, outbox: Outbox
) -> None:
    sqs = boto3.client("sqs", endpoint_url=own_endpoint.url)
    events = boto3.client("events", endpoint_url=own_endpoint.url)
    events.create_event_bus(Name="outage")
    queue = Queue(sqs, routed(sqs, events, "outage"))
    bus = Bus("outage", endpoint_url=own_endpoint.url)
    relay = Relay(relay_database, bus, SystemClock(), batch=10)
    over, noticed = threading.Event(), threading.Event()

    def step() -> bool:
        if over.is_set():
            raise _Over
        return relay.run_once()

    def pause(seconds: float) -> None:
        noticed.set()
        over.wait(min(seconds, 0.1))

    def work() -> None:
        with suppress(_Over):
            background.run(step, lambda _: time.sleep(0.01), seconds=2 * _PATIENCE_S, sleep=pause)

    loop = threading.Thread(target=work)
    objects = [IDS.new() for _ in range(3)]
    sent: dict[UUID, list[int]] = defaultdict(list)

    def write(sequences: range) -> None:
        for sequence in sequences:
            for each in objects:
                outbox.add(object_id=each, sequence=sequence)
                sent[each].append(sequence)

    loop.start()
    try:
        write(range(1, _ROUNDS))
        own_endpoint.stop()
        write(range(_ROUNDS, 2 * _ROUNDS))
        assert noticed.wait(_PATIENCE_S)
        assert outbox.waiting() >= _ROUNDS * len(objects)
        own_endpoint.preferred_port = own_endpoint.port
        own_endpoint.start()
        own_endpoint.wait_ready()
        write(range(2 * _ROUNDS, 3 * _ROUNDS))
        until(lambda: outbox.waiting() == 0, "an empty outbox")
    finally:
        over.set()
        loop.join()
    came: dict[str, list[int]] = defaultdict(list)
    for envelope in queue.receive(sum(map(len, sent.values()))):
        event = json.loads(envelope["detail"]["payload"])
        came[event["object"]].append(event["sequence"])
    # At least once; and in order, since each batch is one request and the next waits for it.
    assert {key: list(dict.fromkeys(found)) for key, found in came.items()} == {
        str(key): wanted for key, wanted in sent.items()
    }
    bus.close()
    sqs.close()
    events.close()
