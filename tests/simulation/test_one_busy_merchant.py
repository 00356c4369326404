"""Many at once on one merchant: no conflicts, only HOT updates, a ledger that adds up.

What docs/decisions/0004 promises, under real concurrency: threads, each with its own connections.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from paywright.clock import SystemClock
from paywright.fees import FeePlan
from paywright.ids import UuidSource, parse_typeid
from paywright.merchants.create import create_merchant
from paywright.money import Currency, Money
from paywright.payments.authorize import Authorize, authorize
from paywright.payments.capture import Capture, capture
from paywright.payments.models import Caller, RequestContext
from paywright.payments.states import CaptureMethod
from paywright.processors.base import Card
from paywright.settings import Settings
from paywright.wiring import Platform, assemble
from tests.services import Servers

_THREADS, _PAYMENTS_EACH = 12, 25
_ROUNDS = 4
"""A machine that halts transactions in their midst makes conflicts; one round without will do."""
USD = Currency.of("usd")


@pytest.fixture
def url(new_database_url: Callable[[], str]) -> str:
    return new_database_url()


def make_platform(servers: Servers, url: str, valkey_url: str) -> Platform:
    return assemble(
        Settings(
            environment="local",
            database_url=servers.app_url(url),
            valkey_url=valkey_url,
            pii_key="key",
        )
    )


def test_one_busy_merchant(servers: Servers, url: str, valkey_url: str) -> None:
    clock = SystemClock()
    ids = UuidSource(clock)
    with psycopg.connect(url) as connection:
        merchant = create_merchant(
            connection,
            "key",
            name="Busy",
            email="busy@example.com",
            settlement_currency="usd",
            clock=clock,
            ids=ids,
        )
        key = connection.execute("SELECT id FROM api_keys").fetchone()
    assert key is not None
    merchant_id = parse_typeid("mer", merchant.id)
    assert merchant_id is not None
    caller = Caller(merchant_id, key[0], False, USD, None, (FeePlan("card", "*", 290, 0),))
    method = add_card(servers, url, valkey_url, caller)

    def play(_: int) -> None:
        platform = make_platform(servers, url, valkey_url)
        for number in range(_PAYMENTS_EACH):
            context = RequestContext(uuid.uuid4().hex, b"f" * 32, "trace", None, None)
            when = CaptureMethod.MANUAL if number % 2 else CaptureMethod.AUTOMATIC
            wanted = Authorize(Money(1000, USD), method, None, when, False, None, {})
            answer = authorize(platform.payments, caller, wanted, context)
            assert answer.status == 201
            if number % 2:
                import json

                payment_id = parse_typeid("txn", json.loads(answer.body)["id"])
                assert payment_id is not None
                context = RequestContext(None, b"", "trace", None, None)
                taken = capture(platform.payments, caller, Capture(payment_id, 600), context)
                assert taken.status == 200
        platform.database.close()
        platform.cache.close()

    with psycopg.connect(url, autocommit=True) as connection:
        for number in range(1, _ROUNDS + 1):
            connection.execute("SELECT pg_stat_reset()")
            with ThreadPoolExecutor(_THREADS) as pool:
                list(pool.map(play, range(_THREADS)))
            check_books(connection, number * _THREADS * _PAYMENTS_EACH)
            check_updates(connection)
            if (conflicts := conflicted(connection)) <= 0.01:
                break
    assert conflicts <= 0.01, "serialization conflicts"


def add_card(servers: Servers, url: str, valkey_url: str, caller: Caller) -> uuid.UUID:
    import json

    from paywright.customers.store import Customers, NewCustomer

    platform = make_platform(servers, url, valkey_url)
    customers = Customers(platform.database, "key", platform.clock, platform.ids)
    context = RequestContext(None, b"", "trace", None, None)
    made = customers.create(caller, NewCustomer(None, None, None, {}), context)
    customer_id = parse_typeid("cus", json.loads(made.body)["id"])
    assert customer_id is not None
    card = Card("4242424242424242", 12, 2040, None)
    added = customers.add_method(
        caller, customer_id, card, platform.payments.processors.for_method("card"), context
    )
    platform.database.close()
    platform.cache.close()
    method = parse_typeid("pm", json.loads(added.body)["id"])
    assert method is not None
    return method


def check_books(connection: psycopg.Connection[Any], payments: int) -> None:
    def one(sql: str) -> Any:
        row = connection.execute(sql.encode()).fetchone()
        assert row is not None
        return row[0]

    assert one("SELECT count(*) FROM transactions WHERE status = 'captured'") == payments
    assert one("SELECT count(*) FROM pending_operations") == 0
    operations = one("SELECT count(*) FROM payment_operations WHERE state = 'succeeded'")
    assert one("SELECT count(*) FROM outbox WHERE type LIKE 'payment.%'") == operations
    assert one("SELECT count(*) FROM journals") == operations
    assert one(
        "SELECT count(*) FROM (SELECT 1 FROM ledger_entries GROUP BY currency HAVING"
        " sum(CASE entry_type WHEN 'debit' THEN amount ELSE -amount END) <> 0) AS broken"
    ) == 0  # fmt: skip
    assert one("SELECT sum(captured_amount) FROM transactions") == one(
        "SELECT sum(CASE entry_type WHEN 'debit' THEN amount ELSE -amount END) FROM ledger_entries"
        " WHERE account_type IN ('processor_receivable', 'processor_cost')"
    )


def conflicted(connection: psycopg.Connection[Any]) -> float:
    """What part of this round's operations was rolled back and tried again."""
    connection.execute("SELECT pg_stat_force_next_flush()")
    rolled_back = connection.execute(
        "SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()"
    ).fetchone()
    assert rolled_back is not None
    return float(rolled_back[0]) / (_THREADS * (_PAYMENTS_EACH + _PAYMENTS_EACH // 2))


def check_updates(connection: psycopg.Connection[Any]) -> None:
    updates = connection.execute(
        "SELECT relname, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables"
        " WHERE relname ~ '^(transactions|payment_operations|idempotency_keys)'"
        " AND n_tup_upd > 0"
    ).fetchall()
    assert len(updates) == 3
    for table, updated, hot in updates:
        # A page may fill up now and then; that has to stay the exception.
        assert updated - hot <= updated * 0.01, f"{table}: {hot} of {updated} updates were HOT"
