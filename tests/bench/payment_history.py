"""Payments stored before anybody looks: copies of a real one, as many as are wanted.

Every table that an authorization writes gets its rows, with ids of this month, by turns for all
merchants. Tables are filled without their indexes, which are built at once afterwards: a row at a
time would take an hour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

_PART = 500_000
# Of each of these the copies begin a month ago at most, and stay within the partition of now.
_MADE = """
CREATE UNLOGGED TABLE made AS
WITH moments AS (
    SELECT number, greatest(date_trunc('month', now()), now() - interval '30 days')
           + (now() - greatest(date_trunc('month', now()), now() - interval '30 days'))
             * (number::double precision / %(count)s) AS at
      FROM generate_series(1, %(count)s) AS number
), merchants AS (
    SELECT merchant_id, row_number() OVER () - 1 AS place, count(*) OVER () AS all_of_them
      FROM (SELECT DISTINCT merchant_id FROM webhook_endpoints) AS those
)
SELECT number, at, merchant_id, stem || '8' || tail AS payment, stem || '9' || tail AS operation,
       stem, tail
  FROM (SELECT number, at,
               lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7'
               || lpad(to_hex(number %% 4096), 3, '0') AS stem,
               lpad(to_hex(number), 15, '0') AS tail
          FROM moments) AS ids
  JOIN merchants ON place = number %% all_of_them
"""


@dataclass(frozen=True)
class _Table:
    """How a table's rows follow from `made`; columns that are not named are the model's."""

    model: str
    """Which rows are copied, given the model payment as `%(payment)s`."""
    columns: Mapping[str, str] = field(default_factory=dict)
    where: str = "true"


_OWN = {"merchant_id": "made.merchant_id", "created_at": "made.at"}
_PAYMENT, _OPERATION = "made.payment::uuid", "made.operation::uuid"
_ONE_OF_SEVERAL = "(made.stem || to_hex(9 + model.row_number) || made.tail)::uuid"
_ENTRIES = "(SELECT id FROM ledger_entries WHERE transaction_id = %(payment)s)"
_TABLES = {
    "transactions": _Table("id = %(payment)s", {**_OWN, "id": _PAYMENT, "updated_at": "made.at"}),
    "payment_operations": _Table(
        "transaction_id = %(payment)s",
        {**_OWN, "id": _OPERATION, "transaction_id": _PAYMENT, "completed_at": "made.at"},
    ),
    "journals": _Table(
        "transaction_id = %(payment)s", {**_OWN, "id": _OPERATION, "transaction_id": _PAYMENT}
    ),
    "ledger_entries": _Table(
        "transaction_id = %(payment)s",
        {**_OWN, "id": _ONE_OF_SEVERAL, "journal_id": _OPERATION, "transaction_id": _PAYMENT},
    ),
    "ledger_chain": _Table(
        f"id IN {_ENTRIES}",
        {
            "merchant_id": "made.merchant_id",
            "id": _ONE_OF_SEVERAL,
            "journal_id": _OPERATION,
            "position": "made.number",
            "sequence": "made.number",
            "sequenced_at": "made.at",
        },
    ),
    "audit_log": _Table(
        "entity_id = %(payment)s", {**_OWN, "id": _ONE_OF_SEVERAL, "entity_id": _PAYMENT}
    ),
    "events": _Table(
        "object_id = %(payment)s",
        {**_OWN, "id": _ONE_OF_SEVERAL, "object_id": _PAYMENT, "relayed_at": "made.at"},
    ),
    "webhook_deliveries": _Table(
        "event_id IN (SELECT id FROM events WHERE object_id = %(payment)s)",
        {**_OWN, "id": _OPERATION, "event_id": _PAYMENT},
    ),
    # Keys live for a day.
    "idempotency_keys": _Table(
        "operation_id IN (SELECT id FROM payment_operations WHERE transaction_id = %(payment)s)",
        {**_OWN, "key": "made.operation", "operation_id": _OPERATION},
        "made.at > now() - interval '1 day'",
    ),
    "simulator.requests": _Table(
        "operation_id IN (SELECT id FROM payment_operations WHERE transaction_id = %(payment)s)",
        {"operation_id": _OPERATION, "reference": "made.operation"},
    ),
}


def store(database_url: str, count: int, say: Callable[[str], None]) -> None:
    """Store so many payments, copies of one that was captured and delivered."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        # Triggers would look at every row, and foreign keys at what each points to.
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET maintenance_work_mem = '1GB'")
        connection.execute("SET synchronous_commit = off")
        connection.execute("ALTER SYSTEM SET max_wal_size = '16GB'")
        connection.execute("SELECT pg_reload_conf()")
        payment = _model(connection)
        say(f"history: ids of {count:,} payments")
        psycopg.ClientCursor(connection).execute(_MADE, {"count": count})
        for name, table in _TABLES.items():
            say(f"history: {name}")
            _fill(connection, name, table, payment, count)
        connection.execute("DROP TABLE made")
        say("history: statistics")
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _model(connection: psycopg.Connection[Any]) -> Any:
    row = connection.execute(
        "SELECT t.id FROM transactions AS t JOIN events AS e ON e.object_id = t.id"
        " JOIN webhook_deliveries AS d ON d.event_id = e.id AND d.status = 'delivered'"
        " JOIN ledger_entries AS l ON l.transaction_id = t.id JOIN ledger_chain AS c ON c.id = l.id"
        " WHERE t.status = 'captured' LIMIT 1"
    ).fetchone()
    assert row is not None, "a payment went all the way before its copies are made"
    return row[0]


def _fill(
    connection: psycopg.Connection[Any], name: str, table: _Table, payment: Any, count: int
) -> None:
    target = _target(connection, name)
    indexes = _without_indexes(connection, target)
    columns = _columns(connection, target)
    model = psycopg.ClientCursor(connection)
    model.execute(
        f"CREATE TEMP TABLE model AS SELECT *, row_number() OVER () FROM {name}"
        f" WHERE {table.model}",
        {"payment": payment},
    )
    values = ", ".join(table.columns.get(column, f"model.{column}") for column in columns)
    for first in range(0, count, _PART):
        connection.execute(
            f"INSERT INTO {target} ({', '.join(columns)}) SELECT {values} FROM made, model"
            f" WHERE number > {first} AND number <= {first + _PART} AND {table.where}".encode()
        )
    connection.execute("DROP TABLE model")
    for statement in indexes:
        connection.execute(statement.encode())


def _target(connection: psycopg.Connection[Any], name: str) -> str:
    """The table itself, or its partition of this month."""
    row = connection.execute(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass"
        "   AND inhrelid::regclass::text LIKE '%%' || to_char(now(), '_YYYY_MM')",
        (name,),
    ).fetchone()
    return name if row is None else str(row[0])


def _columns(connection: psycopg.Connection[Any], table: str) -> list[str]:
    rows = connection.execute(
        "SELECT attname FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''",
        (table,),
    ).fetchall()
    return [str(name) for (name,) in rows]


def _without_indexes(connection: psycopg.Connection[Any], table: str) -> list[str]:
    """Drop a table's own indexes; what makes them again. Inherited ones and keys stay."""
    rows = connection.execute(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
        " WHERE indrelid = %(table)s::regclass"
        "   AND NOT EXISTS (SELECT 1 FROM pg_inherits WHERE inhrelid = indexrelid)"
        "   AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)",
        {"table": table},
    ).fetchall()
    for index, _ in rows:
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.SQL(index)))
    return [definition for _, definition in rows]
