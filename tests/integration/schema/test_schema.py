"""What the schema itself guarantees, whoever writes."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

_IMMUTABLE = ("journals", "ledger_entries", "ledger_chain", "audit_log")


@pytest.fixture
def app(app_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(app_database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def owner(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def uuid7() -> uuid.UUID:
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    return uuid.UUID(int=now_ms << 80 | 7 << 76 | 2 << 62 | uuid.uuid4().int >> 66)


_INSERT = """
INSERT INTO ledger_entries (merchant_id, id, journal_id, livemode, entry_type, account_type,
                            amount, currency, created_at)
SELECT %s, id, %s, false, side, 'merchant_balance', amount, currency, now()
  FROM unnest(%s::uuid[], %s::text[], %s::bigint[], %s::text[]) AS e (id, side, amount, currency)
"""


def post(connection: psycopg.Connection[Any], lines: list[tuple[str, int, str]]) -> uuid.UUID:
    journal = uuid7()
    sides, amounts, currencies = (list(column) for column in zip(*lines, strict=True))
    ids = [uuid7() for _ in lines]
    connection.execute(_INSERT, [uuid7(), journal, ids, sides, amounts, currencies])
    return journal


@pytest.mark.parametrize(
    "lines",
    [
        [("debit", 5, "usd"), ("credit", 4, "usd")],
        [("debit", 5, "usd")],
        [("debit", 5, "usd"), ("credit", 5, "eur")],
    ],
)
def test_an_unbalanced_journal_is_refused(
    lines: list[tuple[str, int, str]], app: psycopg.Connection[Any]
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="out of balance"):
        post(app, lines)


def test_an_unbalanced_journal_is_refused_on_a_partition_too(
    owner: psycopg.Connection[Any],
) -> None:
    partition = f"ledger_entries_{datetime.now(UTC):%Y_%m}"
    with pytest.raises(psycopg.errors.CheckViolation, match="out of balance"):
        owner.execute(
            _INSERT.replace("ledger_entries", partition),
            [uuid7(), uuid7(), [uuid7()], ["debit"], [5], ["usd"]],
        )


def test_a_journal_is_posted_once(app: psycopg.Connection[Any]) -> None:
    merchant, journal = uuid7(), uuid7()
    sql = "INSERT INTO journals VALUES (%s, %s, false, NULL, 'test', now())"
    app.execute(sql, [merchant, journal])
    with pytest.raises(psycopg.errors.UniqueViolation):
        app.execute(sql, [merchant, journal])


def partitions(owner: psycopg.Connection[Any], table: str) -> list[str]:
    rows = owner.execute(
        "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
        " WHERE inhparent = %s::regclass ORDER BY relname",
        [table],
    ).fetchall()
    assert len(rows) >= 5, "last month, this one, and three to come"
    return [row[0] for row in rows]


@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET merchant_id = merchant_id", "DELETE FROM {}", "TRUNCATE {}"]
)
@pytest.mark.parametrize("table", _IMMUTABLE)
def test_the_application_may_neither_change_nor_delete(
    table: str, statement: str, app: psycopg.Connection[Any], owner: psycopg.Connection[Any]
) -> None:
    for name in (table, *partitions(owner, table)):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute(statement.format(name))


@pytest.mark.parametrize("table", _IMMUTABLE)
def test_every_partition_refuses_changes_whoever_asks(
    table: str, owner: psycopg.Connection[Any]
) -> None:
    for partition in partitions(owner, table):
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="immutable"):
            owner.execute(f"TRUNCATE {partition}")
        guards = owner.execute(
            "SELECT tgname, tgenabled FROM pg_trigger"
            " WHERE tgrelid = %s::regclass AND tgname IN ('immutable', 'no_truncate')",
            [partition],
        ).fetchall()
        assert dict(guards) == {"immutable": "O", "no_truncate": "O"}, partition


def test_not_even_the_owner_changes_the_ledger(
    app: psycopg.Connection[Any], owner: psycopg.Connection[Any]
) -> None:
    journal = post(app, [("debit", 5, "usd"), ("credit", 5, "usd")])
    partition = f"ledger_entries_{datetime.now(UTC):%Y_%m}"
    for table in ("ledger_entries", partition):
        for statement in (
            f"UPDATE {table} SET amount = 6 WHERE journal_id = '{journal}'",
            f"DELETE FROM {table} WHERE journal_id = '{journal}'",
            f"TRUNCATE {table}",
        ):
            with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="immutable"):
                owner.execute(statement)


def test_the_application_owns_nothing_and_has_no_rights_on_partitions(
    owner: psycopg.Connection[Any],
) -> None:
    rights = owner.execute(
        "SELECT c.relname FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid"
        " WHERE c.relkind = 'r' AND (has_table_privilege('paywright_app', c.oid, 'SELECT')"
        " OR has_table_privilege('paywright_app', c.oid, 'INSERT'))"
    ).fetchall()
    assert rights == []
    owned = owner.execute(
        "SELECT count(*) FROM pg_class WHERE relowner IN"
        " (SELECT oid FROM pg_roles WHERE rolname ~ '^paywright_')"
    ).fetchone()
    assert owned == (0,)


def test_only_housekeeping_makes_partitions(
    app: psycopg.Connection[Any], housekeeping_database_url: str
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute("SELECT create_month_partitions(now(), 3)")
    with psycopg.connect(housekeeping_database_url) as housekeeping:
        made = housekeeping.execute(
            "SELECT create_month_partitions(now() + interval '5 years', 1)"
        ).fetchone()
        again = housekeeping.execute(
            "SELECT create_month_partitions(now() + interval '5 years', 1)"
        ).fetchone()
        housekeeping.rollback()
    assert made == (15,), "five tables, three months"
    assert again == (0,)


def test_a_month_without_a_partition_is_an_error_and_not_a_default(
    app: psycopg.Connection[Any],
) -> None:
    far = uuid.UUID(int=0x0FFF_0000_0000 << 80 | 7 << 76 | 2 << 62)
    with pytest.raises(psycopg.errors.CheckViolation, match="no partition"):
        app.execute("INSERT INTO journals VALUES (%s, %s, false, NULL, 'x', now())", [far, far])


def test_amounts_are_bounded_by_each_other(owner: psycopg.Connection[Any]) -> None:
    sql = (
        "INSERT INTO transactions (merchant_id, id, livemode, amount, currency, captured_amount,"
        " refunded_amount, pending_refund_amount, disputed_amount, capture_method, status,"
        " processor, settlement_currency, created_at, updated_at)"
        " VALUES (%s, %s, false, 100, 'usd', %s, %s, %s, %s, 'manual', 'captured', 'p', 'usd',"
        " now(), now())"
    )
    for captured, refunded, pending, disputed in (
        (101, 0, 0, 0),
        (100, 101, 0, 0),
        (100, 0, 101, 0),
        (100, 60, 41, 0),
        (100, 60, 0, 41),
        (100, 0, 60, 41),
        (100, 40, 30, 31),
        (90, 40, 30, 21),
        (100, -1, 0, 0),
        (100, 0, -1, 0),
    ):
        with pytest.raises(psycopg.errors.CheckViolation):
            owner.execute(sql, [uuid7(), uuid7(), captured, refunded, pending, disputed])
    owner.execute(sql, [uuid7(), uuid7(), 100, 40, 30, 30])


@pytest.mark.parametrize(
    ("domain", "refused"),
    [
        ("currency_code", "USD"),
        ("positive_amount", 0),
        ("counted_amount", -1),
        ("exchange_rate", 0),
        ("spread_bps", 1001),
        ("fraud_score", 101),
        ("method_type", "cash"),
        ("capture_method", "never"),
        ("payment_status", "lost"),
        ("void_reason", "whim"),
        ("operation_kind", "guess"),
        ("operation_state", "open"),
        ("idempotency_key", ""),
        ("idempotency_key", "k" * 256),
        ("sha256_digest", b"d" * 31),
        ("entry_type", "both"),
        ("account_type", "mattress"),
        ("actor_type", "nobody"),
    ],
)
def test_a_domain_refuses_what_no_column_may_hold(
    owner: psycopg.Connection[Any], domain: str, refused: Any
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match=domain):
        owner.execute(f"SELECT %s::{domain}", [refused])


def test_the_tables_of_every_payment_check_only_what_compares_columns(
    owner: psycopg.Connection[Any],
) -> None:
    """What one column may hold is its domain: CHECKs are read anew by every statement."""
    rows = owner.execute(
        "SELECT conname FROM pg_constraint WHERE contype = 'c' AND cardinality(conkey) < 2"
        " AND conrelid::regclass::text IN ('transactions', 'payment_operations',"
        " 'pending_operations', 'idempotency_keys', 'journals', 'ledger_entries', 'audit_log',"
        " 'ledger_unsequenced', 'outbox')"
    ).fetchall()
    assert rows == []


def test_no_index_is_on_a_column_that_an_operation_changes(
    owner: psycopg.Connection[Any],
) -> None:
    rows = owner.execute(
        "SELECT t.relname, a.attname FROM pg_index i"
        " JOIN pg_class t ON t.oid = i.indrelid"
        " JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY (i.indkey)"
        " WHERE t.relname IN ('transactions', 'payment_operations', 'idempotency_keys')"
    ).fetchall()
    assert {(table, column) for table, column in rows} == {
        ("transactions", "merchant_id"),
        ("transactions", "id"),
        ("payment_operations", "merchant_id"),
        ("payment_operations", "id"),
        ("payment_operations", "transaction_id"),
        ("idempotency_keys", "merchant_id"),
        ("idempotency_keys", "livemode"),
        ("idempotency_keys", "key"),
        ("idempotency_keys", "created_at"),
    }


def test_migrations_go_down_and_up_again(
    new_database_url: Callable[[], str],
) -> None:
    import subprocess
    import sys
    from pathlib import Path

    root = Path(__file__).parents[3]
    dbmate = Path(sys.executable).with_name("dbmate")
    url = new_database_url()
    command = [str(dbmate), "--migrations-dir", "migrations", "--no-dump-schema"]
    environment = {"DATABASE_URL": url + ("&" if "?" in url else "?") + "sslmode=disable"}
    for _ in list((root / "migrations").glob("*.sql")):
        subprocess.run([*command, "down"], cwd=root, env=environment, check=True, timeout=60)
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchone()
    assert tables == (1,), "only dbmate's own"
    subprocess.run([*command, "up"], cwd=root, env=environment, check=True, timeout=60)
