"""One payment of each kind, made as merchants make it, to be changed as only a superuser can."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from paywright.ids import parse_typeid
from paywright.ledger.verify import verify
from paywright.payments.expiry import expire_due
from paywright.payments.notices import hear_notices
from paywright.processors.base import Unavailable
from paywright.processors.simulator import Simulator
from paywright.wiring import Platform
from tests.api import Api
from tests.clock_file import ClockFile
from tests.integration.ledger_sequencer.conftest import what

BEFORE = datetime(2026, 1, 1, tzinfo=UTC)
"""Nothing has waited for the sequencer by then: it does not run here."""

_TABLES = (
    "transactions",
    "refunds",
    "payment_operations",
    "pending_operations",
    "authorization_expiries",
    "journals",
    "ledger_entries",
    "ledger_unsequenced",
)


Broken = tuple[str, str, str, str]
"""The payment, what is changed, the table of the row that is named, and what is said of it."""


@dataclass(frozen=True)
class Made:
    """One payment of each kind, by what became of it."""

    platform: Platform
    owner: psycopg.Connection[Any]
    ids: dict[str, UUID]

    def problems(self) -> list[tuple[str, UUID | None, str]]:
        """What verification finds."""
        return what(verify(self.platform.database, now=BEFORE).problems)

    @contextmanager
    def changed(self, statement: str, payment: UUID) -> Iterator[None]:
        """A change that lasts for a moment, made with the triggers off."""
        tables = [table for table in _TABLES if table in statement]
        self.owner.execute("SET session_replication_role = replica")
        for table in tables:
            self.owner.execute(f"CREATE TEMP TABLE kept_{table} AS TABLE {table}".encode())
        touched = self.owner.execute(statement.encode(), {"id": payment}).rowcount
        assert touched > 0, f"there was nothing to change: {statement}"
        try:
            yield
        finally:
            for table in tables:
                self.owner.execute(f"DELETE FROM {table}".encode())
                self.owner.execute(f"INSERT INTO {table} TABLE kept_{table}".encode())
                self.owner.execute(f"DROP TABLE kept_{table}".encode())

    def row(self, table: str, payment: str) -> UUID:
        """The row of a table that is the payment's newest."""
        if table == "transactions":
            return self.ids[payment]
        key = "operation_id" if table == "pending_operations" else "id"
        sql = f"SELECT {key} FROM {table} WHERE transaction_id = %s ORDER BY {key} DESC"
        found = self.owner.execute(sql.encode(), [self.ids[payment]]).fetchone()
        assert found is not None
        return UUID(str(found[0]))


def _done(reply: Any) -> Any:
    assert reply.status in (200, 201), reply.text
    return reply.json


def _make(api: Api, platform: Platform, clock: ClockFile, patch: pytest.MonkeyPatch) -> Any:
    """Make them; yield names and ids."""
    account = {"routing_number": "110000000", "country": "US", "currency": "usd"}
    account |= {"account_holder_name": "Ada"}

    def pay(card: str = "4242424242424242", amount: int = 1_000, **fields: Any) -> str:
        return str(_done(api.pay(api.card(card), amount, **fields))["id"])

    def transfer(number: str) -> str:
        body = {"type": "bank_account", "bank_account": {**account, "account_number": number}}
        path = f"/v1/customers/{api.customer()}/payment_methods"
        return str(_done(api.pay(_done(api.post(path, body))["id"], 1_000))["id"])

    def then(payment: str, operation: str, **body: Any) -> str:
        _done(api.post(f"/v1/payments/{payment}/{operation}", body))
        return payment

    yield "returned", transfer("000555555559")
    yield "not confirmed", transfer("000222222227")
    yield "expired", pay(capture=False)
    yield "refund came back", then(pay("4000000000005126"), "refund", amount=400)
    for _ in range(2):
        clock.advance(timedelta(days=7, seconds=1))
        hear_notices(platform.payments)
        assert expire_due(platform.payments) in (0, 1)
    yield "sold", pay()
    yield "converted", then(pay(currency="eur"), "refund", amount=300)
    yield "held", pay(capture=False)
    yield (
        "captured in part",
        then(pay(capture_method="manual_multiple"), "capture", amount=300, final=False),
    )
    yield "captured", then(pay(capture=False), "capture", amount=600)
    yield "voided", then(pay(capture=False), "void")
    yield "refunded in part", then(pay(), "refund", amount=400)
    yield "refunded", then(pay(), "refund")
    yield "refund pending", then(pay("4000000000007726"), "refund", amount=400)
    yield "refund unknown", then(pay("4000000000003071"), "refund", amount=400)
    yield "unknown", pay("4000000000003006")
    yield "transferring", transfer("000123456789")
    yield "declined", api.pay(api.card("4000000000000002")).json["error"]["payment_id"]

    def unavailable(*_: Any, **__: Any) -> None:
        raise Unavailable

    failed = pay()
    with patch.context() as away:
        away.setattr(Simulator, "refund", unavailable)
        assert api.post(f"/v1/payments/{failed}/refund", {"amount": 400}).status == 503
    yield "refund failed", failed


@pytest.fixture
def make(
    api: Api,
    platform: Platform,
    owner: psycopg.Connection[Any],
    clock: ClockFile,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[], Made]:
    def all_of_them() -> Made:
        # 2.9 % and a fixed fee that stays; a refund gives back its share.
        owner.execute(
            "INSERT INTO fee_plans VALUES (%s, 'card', '*', 290, 7, true)",
            [parse_typeid("mer", api.merchant.id)],
        )
        owner.execute("UPDATE merchants SET fx_spread_bps = 150")
        ids = {}
        for name, text in _make(api, platform, clock, monkeypatch):
            payment_id = parse_typeid("txn", text)
            assert payment_id is not None
            ids[name] = payment_id
        return Made(platform, owner, ids)

    return all_of_them


def find(made: Made, cases: Sequence[Broken]) -> None:
    """Make each change by itself: the row is named, first, and what is wrong with it."""
    assert made.problems() == []
    for payment, change, table, said in cases:
        row = made.row(table, payment)
        with made.changed(change, made.ids[payment]):
            found = made.problems()
        assert found[:1] == [(table, row, said)], f"{payment}: {change}"
    assert made.problems() == [], "all of it was put back"
