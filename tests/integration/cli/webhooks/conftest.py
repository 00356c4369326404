"""`paywright webhooks` against a database of its own, with merchants and their deliveries."""

from __future__ import annotations

import getpass
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from paywright.clock import SystemClock
from paywright.ids import UuidSource, parse_typeid, typeid
from paywright.merchants.create import create_merchant
from tests.integration.cli.test_ledger_command import Command
from tests.platform import PII_KEY

CLOCK = SystemClock()
IDS = UuidSource(CLOCK)
OPERATOR = ("admin", getpass.getuser())


@dataclass
class Merchant:
    """A merchant with one endpoint, and deliveries as a test wants them."""

    connection: psycopg.Connection[Any]
    id: uuid.UUID
    endpoint: uuid.UUID

    @property
    def public_id(self) -> str:
        return typeid("mer", self.id)

    @property
    def endpoint_id(self) -> str:
        return typeid("whe", self.endpoint)

    def add_endpoint(self, event_type: str) -> None:
        self.connection.execute(
            "INSERT INTO webhook_endpoints (merchant_id, id, livemode, url, event_types,"
            " secret_encrypted, api_version, created_at, updated_at)"
            " SELECT merchant_id, gen_random_uuid(), livemode, url, ARRAY[%s], secret_encrypted,"
            " api_version, created_at, updated_at FROM webhook_endpoints WHERE id = %s",
            [event_type, self.endpoint],
        )

    def event(self) -> uuid.UUID:
        event_id = IDS.new()
        self.connection.execute(
            "INSERT INTO events (merchant_id, id, livemode, type, object_id, sequence, payload,"
            " created_at, relayed_at) VALUES (%s, %s, false, 'payment.captured', %s, 1, '{}',"
            " now(), now())",
            [self.id, event_id, IDS.new()],
        )
        return event_id

    def delivery(self, status: str, *answers: int | str, ago: timedelta = timedelta(0)) -> str:
        """A delivery with attempts: what was answered to each, or why nothing was."""
        delivery_id, at = IDS.new(), CLOCK.now() - ago
        if ago:
            delivery_id = uuid.UUID(
                int=int(at.timestamp() * 1000) << 80 | IDS.new().int & 2**80 - 1
            )
        self.connection.execute(
            "INSERT INTO webhook_deliveries (merchant_id, id, livemode, event_id, endpoint_id,"
            " status, attempts, tries, last_attempt_at, last_response_code, last_error, created_at)"
            " VALUES (%s, %s, false, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                *(self.id, delivery_id, self.event(), self.endpoint, status),
                *(len(answers), len(answers), at),
                *(_code(answers[-1]), _error(answers[-1]), at),
            ],
        )
        for number, answer in enumerate(answers, 1):
            before = timedelta(milliseconds=len(answers) - number)
            self.attempt(delivery_id, number, answer, at - before)
        return typeid("whd", delivery_id)

    def attempt(self, delivery_id: uuid.UUID, number: int, answer: int | str, at: datetime) -> None:
        self.connection.execute(
            "INSERT INTO webhook_attempts (merchant_id, delivery_id, number, endpoint_id, at,"
            " status_code, error, duration_ms) VALUES (%s, %s, %s, %s, %s, %s, %s, 17)",
            [
                *(self.id, delivery_id, number, self.endpoint, at),
                *(_code(answer), _error(answer)),
            ],
        )

    def waiting(self) -> set[str]:
        rows = self.connection.execute(
            "SELECT delivery_id FROM webhook_waiting WHERE merchant_id = %s", [self.id]
        )
        return {typeid("whd", row[0]) for row in rows}


def audited(merchant: Merchant, about: str) -> list[tuple[Any, ...]]:
    """What was done to objects of a kind, and by whom."""
    return merchant.connection.execute(
        "SELECT action, actor_type, actor_id FROM audit_log"
        " WHERE merchant_id = %s AND entity_type = %s ORDER BY id",
        [merchant.id, about],
    ).fetchall()


def _code(answer: int | str) -> int | None:
    return answer if isinstance(answer, int) else None


def _error(answer: int | str) -> str | None:
    return answer if isinstance(answer, str) else None


@pytest.fixture
def url(new_database_url: Callable[[], str], servers: object) -> str:
    return new_database_url()


@pytest.fixture
def command(url: str, tmp_path: Path) -> Command:
    return Command(url, tmp_path / "home")


@pytest.fixture
def new_merchant(url: str) -> Iterator[Callable[[], Merchant]]:
    with psycopg.connect(url, autocommit=True) as connection:

        def make() -> Merchant:
            made = create_merchant(
                connection,
                PII_KEY,
                name="Test",
                email=f"{uuid.uuid4().hex}@example.com",
                settlement_currency="usd",
                webhook_url="https://shop.example:8443/hooks?token=secret",
                clock=CLOCK,
                ids=IDS,
            )
            merchant_id = parse_typeid("mer", made.id)
            assert merchant_id is not None
            row = connection.execute(
                "SELECT id FROM webhook_endpoints WHERE merchant_id = %s", [merchant_id]
            ).fetchone()
            assert row is not None
            return Merchant(connection, merchant_id, row[0])

        yield make


@pytest.fixture
def merchant(new_merchant: Callable[[], Merchant]) -> Merchant:
    return new_merchant()
