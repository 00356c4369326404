"""A merchant and what mails it, with clocks to move, and a mailbox to look into."""

from __future__ import annotations

import json
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from psycopg.rows import dict_row

from paywright.clock import SystemClock
from paywright.db import Database
from paywright.events.entry import from_row
from paywright.ids import UuidSource, parse_typeid, typeid
from paywright.merchants.create import create_merchant
from paywright.money import Currency
from paywright.notifications import preferences
from paywright.notifications.letters import Letter
from paywright.notifications.mailer import Mailer, Outcome
from paywright.notifications.notify import Received, notify_batch
from paywright.notifications.queue import received
from paywright.notifications.store import PostgresNotifications
from paywright.payments.models import Caller, RequestContext
from tests.platform import PII_KEY, owner, platform, settings

__all__ = ["owner", "platform", "settings"]

CLOCK = SystemClock()
IDS = UuidSource(CLOCK)
SAMPLES = Path(__file__).parents[3] / "events"
SENDER = "platform@example.com"


@dataclass
class MovedClock:
    """A clock that a test moves."""

    ahead: timedelta = timedelta(0)

    def now(self) -> datetime:
        return CLOCK.now() + self.ahead


@dataclass
class Merchant:
    """A merchant, and what notifies it."""

    owner: psycopg.Connection[Any]
    database: Database
    id: uuid.UUID
    email: str
    api_key: str
    aws_url: str
    wall: MovedClock = field(default_factory=MovedClock)
    clock: MovedClock = field(default_factory=MovedClock)

    @property
    def store(self) -> PostgresNotifications:
        return PostgresNotifications(self.database, self.clock, PII_KEY, wall=self.wall)

    def record(self, kind: str = "dispute_opened", *, attempt: int = 1) -> dict[str, Any]:
        """A record of the queue, as the sample of a kind has it, about a new event."""
        text = (SAMPLES / f"notifications_{kind}.json").read_text()
        for name, value in {
            "${MERCHANT}": typeid("mer", self.id),
            "${EVENT}": typeid("evt", IDS.new()),
            "${NOW}": "2026-11-22T20:00:00Z",
            "${TRACE}": "0" * 32,
        }.items():
            text = text.replace(name, value)
        record: dict[str, Any] = json.loads(text)["Records"][0]
        record["attributes"]["ApproximateReceiveCount"] = str(attempt)
        return record | {"messageId": uuid.uuid4().hex}

    def message(self, kind: str = "dispute_opened", *, attempt: int = 1) -> Received:
        return received(self.record(kind, attempt=attempt))

    def notify(self, *messages: Received, mail: Any = None, left_s: float = 20) -> list[int | None]:
        """The seconds until each is due again, None for what is done."""
        undone = notify_batch(
            messages,
            store=self.store,
            mail=mail or Mailer(SENDER, boto3.client("ses", endpoint_url=self.aws_url)),
            time_left_s=lambda: left_s,
        )
        return [undone.get(message) for message in messages]

    def mails(self, address: str | None = None) -> list[dict[str, Any]]:
        """What came into the merchant's mailbox, or another one."""
        with urllib.request.urlopen(f"{self.aws_url}/_ministack/ses/messages") as answer:
            found = json.loads(answer.read())["messages"].values()
        sent = [mail for mails in found for mail in mails]
        return [mail for mail in sent if mail["To"] == [address or self.email]]

    def rows(self) -> list[tuple[Any, ...]]:
        return self.owner.execute(
            "SELECT status, attempts, error, message_id FROM notifications WHERE merchant_id = %s",
            [self.id],
        ).fetchall()

    def events(self) -> list[Received]:
        """What is in the outbox about it, oldest first, as the queue has it."""
        cursor = self.owner.cursor(row_factory=dict_row)
        cursor.execute(
            "SELECT id, merchant_id, livemode, type, sequence, payload::text AS payload, trace_id"
            " FROM outbox WHERE merchant_id = %s ORDER BY id",
            [self.id],
        )
        entries = [from_row(row) for row in cursor]
        bodies = [
            json.dumps({"detail-type": entry.detail_type, "detail": json.loads(entry.detail)})
            for entry in entries
        ]
        return [received(self.record() | {"body": body}) for body in bodies]

    def prefer(self, **wanted: Any) -> Any:
        """Change preferences as a request does; what the audit row tells."""
        key = self.owner.execute(
            "SELECT id FROM api_keys WHERE merchant_id = %s", [self.id]
        ).fetchone()
        assert key is not None
        caller = Caller(self.id, key[0], False, Currency.of("usd"), None, ())
        preferences.change(
            self.database,
            caller,
            preferences.ChangeNotifications(**wanted),
            RequestContext(None, b"", "trace", "127.0.0.1", "tests"),
            pii_key=PII_KEY,
            clock=self.clock,
            ids=IDS,
        )
        row = self.owner.execute(
            "SELECT changes FROM audit_log WHERE merchant_id = %s ORDER BY id DESC LIMIT 1",
            [self.id],
        ).fetchone()
        assert row is not None
        return row[0]


@pytest.fixture
def new_merchant(
    owner: psycopg.Connection[Any], app_database_url: str, aws_endpoint_url: str
) -> Iterator[Callable[[], Merchant]]:
    ses = boto3.client("ses", endpoint_url=aws_endpoint_url)
    ses.verify_email_identity(EmailAddress=SENDER)
    database = Database(app_database_url)

    def make() -> Merchant:
        email = f"{uuid.uuid4().hex}@example.com"
        made = create_merchant(
            owner,
            PII_KEY,
            name="Zoë",
            email=email,
            settlement_currency="usd",
            clock=CLOCK,
            ids=IDS,
        )
        merchant_id = parse_typeid("mer", made.id)
        assert merchant_id is not None
        return Merchant(owner, database, merchant_id, email, made.api_key, aws_endpoint_url)

    yield make
    database.close()
    ses.close()


@pytest.fixture
def merchant(new_merchant: Callable[[], Merchant]) -> Merchant:
    return new_merchant()


class Refusing:
    """A way to SES on which something happens."""

    def __init__(self, then: Callable[[], Outcome]) -> None:
        self._then = then
        self.sent = 0

    def send(self, address: str, letter: Letter) -> Outcome:
        self.sent += 1
        return self._then()
