"""A merchant with an endpoint at a receiver, and what delivers to it, with a clock to move."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import boto3
import psycopg
import pytest

from paywright.cache import Cache
from paywright.clock import SystemClock
from paywright.db import Database
from paywright.ids import UuidSource, parse_typeid, typeid
from paywright.merchants.create import create_merchant
from paywright.webhooks.deliver import Means, deliver_batch
from paywright.webhooks.due import DueDeliveries
from paywright.webhooks.message import Message
from paywright.webhooks.places import Places
from paywright.webhooks.queue import DeadLetter
from paywright.webhooks.secrets import new_secret
from paywright.webhooks.sender import Sender
from paywright.webhooks.store import PostgresDeliveryStore
from tests.receivers import Receiver, Reply

PII_KEY = "a-key-of-tests"
BODY = b'{"id": "evt_1"}'


class TestClock:
    """The machine's clock, ahead by what a test moved it."""

    __test__ = False

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def advance(self, seconds: float = 0, days: float = 0) -> None:
        self.ahead += timedelta(seconds=seconds, days=days)


@dataclass
class Graves:
    """A dead-letter queue that is away when it is told so."""

    letters: list[DeadLetter] = field(default_factory=list)
    away: bool = False

    def put(self, letter: DeadLetter) -> bool:
        if not self.away:
            self.letters.append(letter)
        return not self.away


@dataclass
class Merchant:
    """A merchant with a first endpoint, which has answered before, and what delivers to it."""

    owner: psycopg.Connection[Any]
    means: Means
    id: uuid.UUID
    secret: str
    clock: TestClock
    graves: Graves
    handed: int = 0

    @property
    def store(self) -> PostgresDeliveryStore:
        store = self.means.store
        assert isinstance(store, PostgresDeliveryStore)
        return store

    def add_endpoint(
        self, url: str, *, event_types: list[str] | None = None, livemode: bool = False
    ) -> str:
        """Its secret; it has answered before."""
        secret = new_secret()
        self.owner.execute(
            "INSERT INTO webhook_endpoints (merchant_id, id, livemode, url, event_types,"
            " secret_encrypted, api_version, created_at, updated_at, answered_at) VALUES (%s, %s,"
            " %s, %s, %s, pgp_sym_encrypt(%s, %s, 'cipher-algo=aes256'), '2026-11-01', now(),"
            " now(), now())",
            [
                self.id,
                UuidSource(self.clock).new(),
                livemode,
                url,
                event_types or ["*"],
                secret,
                PII_KEY,
            ],
        )
        return secret

    def message(
        self,
        event_type: str = "payment.captured",
        *,
        livemode: bool = False,
        event_id: str | None = None,
        **detail: object,
    ) -> Message:
        """One that brings an event, which is in the table of events as well."""
        event_uuid = UuidSource(self.clock).new()
        event_id = event_id or typeid("evt", event_uuid)
        self.handed += 1
        payload = f'{{"id":"{event_id}",  "name":"Zoë ☕"}}'
        content = {
            "event_id": event_id,
            "merchant_id": typeid("mer", self.id),
            "livemode": livemode,
            "sequence": 1,
            "trace_id": "trace-1",
            "payload": payload,
            **detail,
        }
        self.owner.execute(
            "INSERT INTO events (merchant_id, id, livemode, type, object_id, sequence, payload,"
            " created_at, relayed_at) VALUES (%s, %s, %s, %s, %s, 1, %s, %s, %s)",
            [
                self.id,
                event_uuid,
                livemode,
                event_type,
                event_uuid,
                payload,
                self.clock.now(),
                self.clock.now(),
            ],
        )
        body = json.dumps({"detail-type": event_type, "detail": content})
        return Message(f"message-{self.handed}", body)

    def deliver(
        self, *messages: Message, timeout_s: float = 2, left_s: float = 20
    ) -> list[Message]:
        """What the function `webhook` does with them; those that have to come again."""
        sender = Sender(timeout_s=timeout_s, allow_loopback=True)
        return deliver_batch(messages, replace(self.means, sender=sender), time_left_s=left_s)

    def deliver_due(self, *, timeout_s: float = 2) -> None:
        """What `webhook_due` does with what is due now."""
        due = self.due(timeout_s=timeout_s)
        due.step()
        finish(due, timeout_s + 5)

    def due(self, *, timeout_s: float = 2) -> DueDeliveries:
        """The loop of `webhook_due`, without its loop."""
        return DueDeliveries(
            self.store,
            Sender(timeout_s=timeout_s, allow_loopback=True),
            self.graves,
            self.clock,
            SystemClock(),
            jitter=lambda: 0.0,
        )

    def deliveries(self) -> list[dict[str, Any]]:
        return self._rows("SELECT * FROM webhook_deliveries WHERE merchant_id = %s ORDER BY id")

    def attempts(self) -> list[dict[str, Any]]:
        return self._rows(
            "SELECT * FROM webhook_attempts WHERE merchant_id = %s ORDER BY delivery_id, number"
        )

    def pauses_s(self) -> list[float]:
        """From the end of each delivery's last attempt to the next."""
        last = {each["delivery_id"]: each["duration_ms"] for each in self.attempts()}
        return [
            (each["next_retry_at"] - each["last_attempt_at"]).total_seconds()
            - last[each["id"]] / 1000
            for each in self.deliveries()
        ]

    def waiting(self) -> list[dict[str, Any]]:
        return self._rows("SELECT * FROM webhook_waiting WHERE merchant_id = %s ORDER BY due_at")

    def endpoint(self) -> dict[str, Any]:
        """The first one."""
        return self._rows("SELECT * FROM webhook_endpoints WHERE merchant_id = %s ORDER BY id")[0]

    def set_endpoint(self, **columns: object) -> None:
        """Change columns of all its endpoints."""
        for name, value in columns.items():
            self.owner.execute(
                f"UPDATE webhook_endpoints SET {name} = %s WHERE merchant_id = %s".encode(),
                [value, self.id],
            )

    def events(self) -> list[dict[str, Any]]:
        """What is in the outbox of it, but for the event that tells of its first key."""
        return self._rows(
            "SELECT * FROM outbox WHERE merchant_id = %s AND type <> 'merchant.api_key_created'"
            " ORDER BY id"
        )

    def _rows(self, sql: str) -> list[dict[str, Any]]:
        cursor = self.owner.cursor(row_factory=psycopg.rows.dict_row)
        cursor.execute(sql.encode(), [self.id])
        return cursor.fetchall()


def finish(due: DueDeliveries, within_s: float) -> None:
    """Record what is under way when it is over; nothing more is begun."""
    wait([each.future for each in due._under_way.values()], timeout=within_s)
    due._record()


def hang(handler: BaseHTTPRequestHandler) -> None:
    """Answer nothing until the sender hangs up."""
    handler.connection.recv(1)


def drip(*, first: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(first)
        pace = threading.Event()
        while not pace.wait(0.02):
            handler.wfile.write(b"x")

    return reply


def raw(*pieces: bytes) -> Reply:
    """Answer with these bytes, each as a packet of its own, and keep the connection as it is."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            handler.wfile.write(piece)
            handler.wfile.flush()
            time.sleep(0.01)

    return reply


@pytest.fixture
def new_receiver() -> Iterator[Callable[..., Receiver]]:
    made: list[Receiver] = []

    def make(tls: ssl.SSLContext | None = None, keeps_alive: bool = False) -> Receiver:
        made.append(Receiver(tls=tls, keeps_alive=keeps_alive))
        return made[-1]

    yield make
    for receiver in made:
        receiver.close()


@pytest.fixture
def receiver(new_receiver: Callable[..., Receiver]) -> Receiver:
    return new_receiver()


@pytest.fixture
def sender() -> Iterator[Sender]:
    made = Sender(timeout_s=20, allow_loopback=True)
    yield made
    made.close()


@pytest.fixture
def impatient() -> Iterator[Sender]:
    """Waits half a second for an answer."""
    made = Sender(timeout_s=0.5, allow_loopback=True)
    yield made
    made.close()


@pytest.fixture
def app_database(app_database_url: str) -> Iterator[Database]:
    database = Database(app_database_url)
    yield database
    database.close()


@pytest.fixture
def owner(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def valkey(valkey_url: str) -> Iterator[Cache]:
    cache = Cache(valkey_url, timeout_ms=2_000)
    yield cache
    cache.close()


@pytest.fixture
def new_merchant(
    owner: psycopg.Connection[Any], app_database: Database, valkey: Cache
) -> Iterator[Callable[[str], Merchant]]:
    def make(webhook_url: str) -> Merchant:
        clock, graves = TestClock(), Graves()
        ids = UuidSource(clock)
        made = create_merchant(
            owner,
            PII_KEY,
            name="Ada",
            email=f"{uuid.uuid4().hex}@example.com",
            settlement_currency="usd",
            webhook_url=webhook_url,
            clock=clock,
            ids=ids,
            allow_loopback=True,
        )
        merchant_id = parse_typeid("mer", made.id)
        assert merchant_id is not None
        assert made.webhook_secret is not None
        means = Means(
            store=PostgresDeliveryStore(app_database, ids, clock, PII_KEY),
            sender=Sender(timeout_s=2, allow_loopback=True),
            places=Places(valkey, lease_s=35),
            dead_letters=graves,
            clock=clock,
            wall=SystemClock(),
            jitter=lambda: 0.0,
        )
        merchant = Merchant(owner, means, merchant_id, made.webhook_secret, clock, graves)
        merchant.set_endpoint(answered_at=clock.now())
        return merchant

    yield make
    owner.execute("DELETE FROM webhook_waiting")  # other tests' clocks are elsewhere


@pytest.fixture
def merchant(new_merchant: Callable[[str], Merchant], receiver: Receiver) -> Merchant:
    return new_merchant(receiver.url)


@pytest.fixture
def sqs(aws_endpoint_url: str) -> Iterator[Any]:
    client = boto3.client("sqs", endpoint_url=aws_endpoint_url)
    yield client
    client.close()
