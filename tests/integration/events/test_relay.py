"""The relay: from the outbox to the bus, nothing lost on the way."""

from __future__ import annotations

import json
import socket
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from paywright import db
from paywright.background import Unavailable
from paywright.cache import Cache
from paywright.clock import SystemClock
from paywright.db import Database
from paywright.events.bus import Bus, Outcome
from paywright.events.entry import MAX_BYTES, Entry
from paywright.events.relay import BATCH, Relay
from paywright.events.wake import BREATH_S, WakeUps, wake_commands
from tests.api import LambdaContext, load_function
from tests.integration.events.conftest import Outbox, Queue
from tests.services import Servers

SCHEDULE_EVENT = Path(__file__).parents[3] / "events" / "schedule_relay.json"


@pytest.fixture
def bus(aws_endpoint_url: str, bus_name: str) -> Iterator[Bus]:
    made = Bus(bus_name, endpoint_url=aws_endpoint_url)
    yield made
    made.close()


@pytest.fixture
def relay(relay_database: Database, bus: Bus) -> Relay:
    return Relay(relay_database, bus, SystemClock())


def test_an_event_reaches_the_queue_byte_for_byte(
    relay: Relay, outbox: Outbox, queue: Queue
) -> None:
    payload = outbox.add()
    assert relay.run_once() is False
    (envelope,) = queue.receive(1)
    assert (envelope["source"], envelope["detail-type"]) == ("paywright", "payment.captured")
    detail = envelope["detail"]
    assert detail["payload"] == payload
    assert detail["event_id"] == json.loads(payload)["id"]
    assert detail["trace_id"] == "trace-1"
    assert outbox.waiting() == 0
    kept = outbox.connection.execute("SELECT payload::text, relayed_at FROM events").fetchone()
    assert kept is not None
    assert kept[0] == payload


def test_an_empty_outbox_is_no_work(relay: Relay, outbox: Outbox) -> None:
    assert relay.run_once() is False
    assert outbox.relayed() == 0


def test_more_than_a_batch_is_said_to_be_more(relay: Relay, outbox: Outbox, queue: Queue) -> None:
    sent = {outbox.add() for _ in range(BATCH + 5)}
    assert relay.run_once() is True
    assert outbox.waiting() == 5
    assert relay.run_once() is False
    assert (outbox.waiting(), outbox.relayed()) == (0, BATCH + 5)
    came = [envelope["detail"]["payload"] for envelope in queue.receive(BATCH + 5)]
    assert len(came) == BATCH + 5
    assert set(came) == sent


def test_nothing_is_lost_while_the_bus_is_away(
    relay_database: Database, relay: Relay, outbox: Outbox, queue: Queue
) -> None:
    payload = outbox.add()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
        cut_off = Relay(relay_database, Bus("any", endpoint_url=endpoint), SystemClock())
        with pytest.raises(Unavailable):
            cut_off.run_once()
    assert (outbox.waiting(), outbox.relayed()) == (1, 0)
    relay.run_once()
    (envelope,) = queue.receive(1)
    assert envelope["detail"]["payload"] == payload


def test_an_event_too_large_for_the_bus_stays_and_blocks_no_other(
    relay: Relay, outbox: Outbox, queue: Queue
) -> None:
    outbox.add(padding=MAX_BYTES)
    payload = outbox.add()
    relay.run_once()
    assert [envelope["detail"]["payload"] for envelope in queue.receive(1)] == [payload]
    assert (outbox.waiting(), outbox.relayed()) == (1, 1)


class _Refusing:
    """A bus that takes nothing and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def put(self, entries: Sequence[Entry]) -> Outcome:
        self.asked.append(len(entries))
        return Outcome(refused={entry.id: "InternalFailure" for entry in entries})


def test_refused_events_rest_while_others_go(relay_database: Database, outbox: Outbox) -> None:
    bus = _Refusing()
    relay = Relay(relay_database, bus, SystemClock(), batch=2)
    for _ in range(3):
        outbox.add()
    assert relay.run_once() is True
    assert relay.run_once() is False
    assert relay.run_once() is False
    assert bus.asked == [2, 1]
    assert outbox.waiting() == 3


class _Crashing:
    """Puts entries on the bus and dies before it can tell."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def put(self, entries: Iterable[Entry]) -> Outcome:
        self._bus.put(entries)
        raise KeyboardInterrupt


def test_a_crash_after_the_bus_took_it_sends_it_again(
    relay_database: Database, bus: Bus, relay: Relay, outbox: Outbox, queue: Queue
) -> None:
    payload = outbox.add()
    with pytest.raises(KeyboardInterrupt):
        Relay(relay_database, _Crashing(bus), SystemClock()).run_once()
    assert outbox.waiting() == 1
    relay.run_once()
    assert [envelope["detail"]["payload"] for envelope in queue.receive(2)] == [payload, payload]
    assert (outbox.waiting(), outbox.relayed()) == (0, 1)


class _Overtaken:
    """A bus that another relay is quicker at."""

    def __init__(self, bus: Bus, other: Relay) -> None:
        self._bus = bus
        self._other = other

    def put(self, entries: Sequence[Entry]) -> Outcome:
        self._other.run_once()
        return self._bus.put(entries)


def test_two_relays_at_once_put_twice_and_keep_once(
    servers: Servers, own_database_url: str, bus: Bus, relay: Relay, outbox: Outbox, queue: Queue
) -> None:
    sent = [outbox.add() for _ in range(3)]
    database = Database(servers.app_url(own_database_url))
    assert Relay(database, _Overtaken(bus, relay), SystemClock()).run_once() is False
    database.close()
    assert (outbox.waiting(), outbox.relayed()) == (0, 3)
    came = [envelope["detail"]["payload"] for envelope in queue.receive(6)]
    assert sorted(came) == sorted(sent * 2)


def test_what_a_real_bus_refuses_rests_and_comes_later(
    relay_database: Database, relay: Relay, outbox: Outbox, queue: Queue, aws_endpoint_url: str
) -> None:
    payload = outbox.add()
    elsewhere = Bus(f"none-{uuid.uuid4().hex}", endpoint_url=aws_endpoint_url)
    refused = Relay(relay_database, elsewhere, SystemClock())
    assert refused.run_once() is False
    elsewhere.close()
    assert refused._resting.now(), "it is left alone for a while"
    assert (outbox.waiting(), outbox.relayed()) == (1, 0)
    relay.run_once()
    assert [envelope["detail"]["payload"] for envelope in queue.receive(1)] == [payload]


def test_a_lost_database_is_told_as_such(bus: Bus) -> None:
    nowhere = Database("postgresql://nobody@127.0.0.1:1/none", connect_timeout_s=1)
    with pytest.raises(db.Lost):
        Relay(nowhere, bus, SystemClock()).run_once()


_POLL_S = 40.0


@pytest.fixture
def patient(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cache]:
    """The relay's; it looks by itself so seldom that only a wake-up ends a wait soon."""
    monkeypatch.setattr("paywright.events.wake.POLL_S", _POLL_S)
    cache = Cache(valkey_url, timeout_ms=60_000, prefix="wake-test:")
    yield cache
    cache.close()


@pytest.fixture
def writer(valkey_url: str) -> Iterator[Cache]:
    cache = Cache(valkey_url, timeout_ms=5_000, prefix="wake-test:")
    yield cache
    cache.close()


def test_a_wake_up_ends_the_wait_and_many_count_as_one(patient: Cache, writer: Cache) -> None:
    wake_ups = WakeUps(patient)
    for _ in range(3):
        writer.send(*wake_commands(writer))
    begun = time.monotonic()
    wake_ups.wait(60)
    assert time.monotonic() - begun < _POLL_S / 2
    waiting = threading.Thread(target=wake_ups.wait, args=(60,))
    waiting.start()
    writer.send(*wake_commands(writer))
    waiting.join(_POLL_S / 2)
    assert not waiting.is_alive()
    begun = time.monotonic()
    wake_ups.wait(0.1)
    assert 0.05 < time.monotonic() - begun < _POLL_S / 2


def test_wake_ups_in_a_row_leave_a_breath_between_them(patient: Cache, writer: Cache) -> None:
    wake_ups = WakeUps(patient)
    writer.send(*wake_commands(writer))
    wake_ups.wait(60)
    begun = time.monotonic()
    for _ in range(5):
        writer.send(*wake_commands(writer))
        wake_ups.wait(60)
    assert time.monotonic() - begun >= 5 * BREATH_S * 0.9


def test_a_lone_wake_up_is_followed_at_once(
    patient: Cache, writer: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paywright.events.wake.BREATH_S", 60.0)
    slept: list[float] = []
    wake_ups = WakeUps(patient, sleep=slept.append)
    wake_ups.wait(0.05)  # nothing came: it looked by itself
    writer.send(*wake_commands(writer))
    wake_ups.wait(60)
    assert slept == []
    writer.send(*wake_commands(writer))
    wake_ups.wait(60)
    assert len(slept) == 1, "the next one is too soon"


def test_without_valkey_the_relay_looks_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paywright.events.wake.POLL_S", _POLL_S)
    away = Cache("redis://127.0.0.1:1/0")
    begun = time.monotonic()
    WakeUps(away).wait(0.1)
    assert 0.1 <= time.monotonic() - begun < _POLL_S / 2


def test_the_function_relays_until_its_time_is_nearly_over(
    monkeypatch: pytest.MonkeyPatch,
    relay_database: Database,
    outbox: Outbox,
    queue: Queue,
    bus_name: str,
    valkey_url: str,
    aws_endpoint_url: str,
) -> None:
    app = load_function("relay")
    monkeypatch.setenv("DATABASE_URL", relay_database._url)
    monkeypatch.setenv("VALKEY_URL", valkey_url)
    monkeypatch.setenv("PII_KEY", "a-key-of-tests")
    monkeypatch.setenv("EVENT_BUS_NAME", bus_name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws_endpoint_url)
    app._parts.cache_clear()
    payload = outbox.add()
    try:
        assert app.handler(json.loads(SCHEDULE_EVENT.read_text()), LambdaContext()) is None
    finally:
        used, _backlog, wake_ups, _clock = app._parts()
        used._database.close()
        used._bus.close()
        wake_ups._cache.close()
        app._parts.cache_clear()
    (envelope,) = queue.receive(1)
    assert envelope["detail"]["payload"] == payload
