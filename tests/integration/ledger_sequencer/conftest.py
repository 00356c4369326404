"""A database with a ledger of its own: sequencer and verification look at all of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from paywright.clock import SystemClock
from paywright.db import Database
from paywright.ids import UuidSource
from paywright.ledger.sequencer import Sequencer
from paywright.ledger.verify import Problem, verify
from tests.services import Servers

IDS = UuidSource(SystemClock())
Line = tuple[str, str, int]
"""Side, account type and amount; `cash` is the simulator's."""


def sale(amount: int) -> list[Line]:
    """The entries of a sale without costs."""
    fee = amount // 100
    lines = [
        ("debit", "cash", amount),
        ("credit", "merchant_balance", amount - fee),
        ("credit", "platform_fee", fee),
    ]
    return [line for line in lines if line[2]]


def card_sale(amount: int) -> list[Line]:
    """The entries of a sale by card, with the processor's cost."""
    cost, fee = amount // 50, amount // 100
    return [
        ("debit", "processor_receivable", amount - cost),
        ("debit", "processor_cost", cost),
        ("credit", "merchant_balance", amount - fee),
        ("credit", "platform_fee", fee),
    ]


def problems_of(database: Database) -> list[Problem]:
    """What is wrong with the whole ledger."""
    return verify(database, now=datetime.now(UTC)).problems


def what(problems: Iterable[Problem]) -> list[tuple[str, uuid.UUID | None, str]]:
    """Which rows are wrong, and what of them."""
    return [(problem.table, problem.row_id, problem.what) for problem in problems]


@dataclass
class Ledger:
    """The owner's view of the ledger."""

    owner: psycopg.Connection[Any]
    merchant_id: uuid.UUID

    def post(
        self,
        lines: Sequence[Line],
        *,
        merchant_id: uuid.UUID | None = None,
        livemode: bool = False,
        journal_id: uuid.UUID | None = None,
        currency: str = "usd",
        payment_id: uuid.UUID | None = None,
        kind: str = "capture",
        created_at: datetime | None = None,
    ) -> uuid.UUID:
        """Write a journal as payments do: journal, entries and list in one transaction."""
        merchant_id = merchant_id or self.merchant_id
        journal_id = journal_id or IDS.new()
        now = created_at or datetime.now(UTC)
        with self.owner.transaction():
            self.owner.execute(
                "INSERT INTO journals (merchant_id, id, livemode, transaction_id, kind, created_at)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                [merchant_id, journal_id, livemode, payment_id, kind, now],
            )
            self.owner.execute(
                "INSERT INTO ledger_entries (merchant_id, id, journal_id, transaction_id, livemode,"
                " entry_type, account_type, processor, amount, currency, created_at)"
                " SELECT %s, id, %s, %s, %s, side, account,"
                " CASE WHEN account IN ('cash', 'processor_receivable', 'processor_cost')"
                " THEN 'simulator' ELSE '' END, amount, %s, %s"
                " FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::bigint[])"
                " AS line (id, side, account, amount)",
                [
                    merchant_id,
                    journal_id,
                    payment_id,
                    livemode,
                    currency,
                    now,
                    [IDS.new() for _ in lines],
                    [line[0] for line in lines],
                    [line[1] for line in lines],
                    [line[2] for line in lines],
                ],
            )
            self.owner.execute(
                "INSERT INTO ledger_unsequenced (merchant_id, journal_id) VALUES (%s, %s)",
                [merchant_id, journal_id],
            )
        return journal_id

    def payment(self, captured: int = 0, **columns: Any) -> uuid.UUID:
        """Write a payment's row alone, captured as a whole unless `columns` say otherwise."""
        payment_id = IDS.new()
        fields = {
            "merchant_id": self.merchant_id,
            "id": payment_id,
            "livemode": False,
            "amount": captured or 1,
            "currency": "usd",
            "captured_amount": captured,
            "capture_method": "automatic",
            "status": "captured" if captured else "pending",
            "processor": "simulator",
            "settlement_currency": "usd",
            "settlement_amount": captured or None,
            "created_at": datetime.now(UTC),
            "updated_at": datetime.now(UTC),
        } | columns
        places = ", ".join(f"%({name})s" for name in fields)
        self.owner.execute(
            f"INSERT INTO transactions ({', '.join(fields)}) VALUES ({places})".encode(), fields
        )
        return payment_id

    def sale(self, amount: int, **columns: Any) -> uuid.UUID:
        """Write a payment that was captured at once, with operation and journal; their id."""
        payment_id, operation_id = self.payment(amount, **columns), IDS.new()
        self.owner.execute(
            "INSERT INTO payment_operations (merchant_id, id, transaction_id, livemode, kind,"
            " amount, currency, processor, state, created_at)"
            " VALUES (%s, %s, %s, false, 'authorize', %s, 'usd', 'simulator', 'succeeded', now())",
            [self.merchant_id, operation_id, payment_id, amount],
        )
        lines = card_sale(amount)
        return self.post(lines, payment_id=payment_id, journal_id=operation_id, kind="authorize")

    def rows(self, sql: str, *parameters: Any) -> list[Any]:
        return self.owner.execute(sql.encode(), parameters).fetchall()

    def tamper(self, sql: str, *parameters: Any) -> None:
        """Change what nothing may change: as the owner, with the triggers off."""
        with self.owner.transaction():
            self.owner.execute("SET LOCAL session_replication_role = replica")
            changed = self.owner.execute(sql.encode(), parameters).rowcount
            assert changed > 0, "there was nothing to tamper with"

    def empty(self) -> None:
        """Remove everything, with the triggers off."""
        with self.owner.transaction():
            self.owner.execute("SET LOCAL session_replication_role = replica")
            for table in (
                "ledger_chain",
                "ledger_entries",
                "journals",
                "ledger_unsequenced",
                "transactions",
                "payment_operations",
            ):
                self.owner.execute(f"DELETE FROM {table}".encode())


@pytest.fixture(scope="session")
def own_database_url(servers: Servers) -> str:
    """A database that no other kind of test writes journals to; each test empties it."""
    return servers.create_database(f"ledger_{uuid.uuid4().hex[:12]}")


@pytest.fixture
def ledger(own_database_url: str) -> Iterator[Ledger]:
    with psycopg.connect(own_database_url, autocommit=True) as connection:
        made = Ledger(connection, IDS.new())
        made.empty()
        yield made


@pytest.fixture
def ledger_database(servers: Servers, own_database_url: str) -> Iterator[Database]:
    """As the application's role, which may only insert."""
    database = Database(servers.app_url(own_database_url))
    yield database
    database.close()


@pytest.fixture
def journals(ledger: Ledger, ledger_database: Database) -> list[uuid.UUID]:
    """Five sequenced journals of one chain, in its order, and two of others."""
    ledger.post(sale(700), livemode=True)
    ledger.post(sale(800), merchant_id=IDS.new())
    made = [ledger.post(sale(amount)) for amount in (100, 200, 300, 400, 500)]
    Sequencer(ledger_database, SystemClock()).run_once()
    assert problems_of(ledger_database) == []
    return made


class Moving:
    """A clock that a test moves."""

    ahead = timedelta()

    def now(self) -> datetime:
        return SystemClock().now() + self.ahead


@pytest.fixture
def sequencer(ledger_database: Database) -> Sequencer:
    """A sequencer of small batches."""
    return Sequencer(ledger_database, SystemClock(), batch=50)


def drain(sequencer: Sequencer) -> None:
    """Sequence all that waits."""
    while sequencer.run_once():
        pass


def waiting(ledger: Ledger) -> list[tuple[uuid.UUID, int]]:
    """How many journals of each merchant wait."""
    return ledger.rows("SELECT merchant_id, count(*) FROM ledger_unsequenced GROUP BY 1")
