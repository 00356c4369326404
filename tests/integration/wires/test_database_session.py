"""Statements on a real PostgreSQL: what comes back is what was sent, and errors leave it usable."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import psycopg
import pytest

from paywright.db import Database
from paywright.db.connection import Lost, Statement, with_retries


@pytest.fixture(params=[False, True], ids=["direct", "pooler"])
def database(app_database_url: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    opened = Database(app_database_url, pooler=request.param)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("cast", "value"),
    [
        ("text", "with 'quotes', \\ and %"),
        ("text", None),
        ("boolean", True),
        ("integer", -7),
        ("bigint", 2**62),
        ("numeric", Decimal("1.100")),
        ("uuid", UUID("0191d6f0-0000-7000-8000-000000000001")),
        ("timestamptz", datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("bytea", b"\x00\xff"),
        ("jsonb", '{"a": [1]}'),
        ("text[]", ["", "NULL", 'a"b', "c\\d", "{e,f}", "ü", None, "with space"]),
        ("uuid[]", [UUID(int=1), None]),
        ("bigint[]", [1, -2, None]),
        ("boolean[]", [True, False]),
        ("timestamptz[]", [datetime(2026, 1, 1, tzinfo=UTC), None]),
        ("bytea[]", [b"", b'\x00\xff\\"', None]),
        ("text[]", []),
    ],
)
def test_values_come_back_as_they_went(database: Database, cast: str, value: Any) -> None:
    sql = f"SELECT %(value)s::{cast} AS value, 5 %% 3 AS rest".encode()
    for _ in range(2):  # prepared, then used again
        row = database.one(sql, {"value": value})
        expected = {"a": [1]} if cast == "jsonb" else value
        assert row == {"value": expected, "rest": 2}


def test_an_error_leaves_the_connection_usable(database: Database) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        database.one(b"SELECT 1 / %(zero)s::int AS never", {"zero": 0})
    before = database.connection().info.backend_pid
    assert database.one(b"SELECT pg_backend_pid() AS pid", {}) == {"pid": before}


@pytest.fixture
def table(owner: Any) -> str:
    name = f"kept_{uuid4().hex}"
    owner.execute(f"CREATE TABLE {name} (n bigint)")
    owner.execute(f"GRANT ALL ON {name} TO PUBLIC")
    return name


def test_a_failed_transaction_is_rolled_back(database: Database, table: str) -> None:
    sql = f"""
        WITH kept AS (INSERT INTO {table} VALUES (1) RETURNING n)
        SELECT 1 / %(divisor)s::int AS one FROM kept
    """.encode()
    with pytest.raises(psycopg.errors.DivisionByZero):
        database.serializable(Statement(sql, {"divisor": 0}))
    assert database.all(f"SELECT n FROM {table}".encode(), {}) == []
    assert database.serializable(Statement(sql, {"divisor": 1})) == [{"one": 1}]
    assert database.all(f"SELECT n FROM {table}".encode(), {}) == [{"n": 1}]


def test_a_conflict_is_told_and_tried_again(database: Database, table: str, owner: Any) -> None:
    """Each counts what the other adds to, at the same time: the one who commits last must not."""
    attempts = []

    def count_slowly() -> list[dict[str, Any]]:
        attempts.append(1)
        sql = f"""
            WITH slowly AS MATERIALIZED (SELECT pg_sleep(0.5))
            INSERT INTO {table} SELECT (SELECT count(*) FROM {table}) FROM slowly RETURNING n
        """.encode()
        return database.serializable(Statement(sql, {}))

    owner.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
    owner.execute(f"INSERT INTO {table} SELECT count(*) FROM {table}")
    commit = threading.Timer(0.2, owner.execute, ("COMMIT",))
    commit.start()
    assert with_retries(count_slowly) == [{"n": 1}]
    commit.join()
    assert len(attempts) == 2


def test_a_transaction_is_not_left_by_mistake(database: Database) -> None:
    """Run by itself, a statement would have to end the transaction around it."""
    with database.transaction() as connection:
        pid = connection.info.backend_pid
        with pytest.raises(AssertionError, match="its connection"):
            database.one(b"SELECT 1 AS one", {})
    assert database.one(b"SELECT pg_backend_pid() AS pid", {}) == {"pid": pid}


def test_a_connection_that_the_server_closed_is_opened_anew(database: Database, owner: Any) -> None:
    first = database.connection().info.backend_pid
    owner.execute("SELECT pg_terminate_backend(%s, 5000)", (first,))
    row = database.one(b"SELECT pg_backend_pid() AS pid", {})
    assert row is not None
    assert row["pid"] != first


def test_a_server_that_falls_silent_counts_as_away(app_database_url: str) -> None:
    with _between(app_database_url) as (url, fall_silent):
        database = Database(url, statement_timeout_ms=100, grace_s=0.9)
        assert database.one(b"SELECT 1 AS one", {}) == {"one": 1}
        fall_silent.set()
        began = time.monotonic()
        with pytest.raises(Lost):
            database.one(b"SELECT 1 AS one", {})
        assert time.monotonic() - began < 20
        fall_silent.clear()
        assert database.one(b"SELECT 2 AS two", {}) == {"two": 2}
        database.close()


@contextmanager
def _between(url: str) -> Iterator[tuple[str, threading.Event]]:
    """A way to the server that can be made to swallow what the server says."""
    parts = urlsplit(url)
    listener = socket.create_server(("127.0.0.1", 0))
    silent = threading.Event()

    def pass_on(source: socket.socket, target: socket.socket, muted: threading.Event) -> None:
        with source, target:
            while data := _received(source):
                if not muted.is_set():
                    target.sendall(data)

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection((parts.hostname or "", parts.port or 5432))
            never = threading.Event()
            for arguments in ((client, server, never), (server, client, silent)):
                threading.Thread(target=pass_on, args=arguments, daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    netloc = f"{parts.username}:{parts.password}@127.0.0.1:{listener.getsockname()[1]}"
    try:
        yield urlunsplit(parts._replace(netloc=netloc)), silent
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def _received(source: socket.socket) -> bytes:
    try:
        return source.recv(65_536)
    except OSError:
        return b""


@pytest.mark.parametrize("change", ["ADD COLUMN more text", "RENAME COLUMN n TO m"])
def test_a_table_may_change_under_a_warm_connection(
    database: Database, table: str, owner: Any, change: str
) -> None:
    """A migration runs while functions are warm, with `SELECT *` prepared."""
    owner.execute(f"INSERT INTO {table} VALUES (1), (2)")
    select = f"SELECT * FROM {table} WHERE ctid > %(from)s::tid ORDER BY ctid".encode()
    insert = f"INSERT INTO {table} VALUES (3) RETURNING {table}.*".encode()
    everything = {"from": "(0,0)"}
    pid = database.connection().info.backend_pid
    assert database.all(select, everything) == [{"n": 1}, {"n": 2}]
    assert database.serializable(Statement(insert, {})) == [{"n": 3}]
    owner.execute(f"ALTER TABLE {table} {change}")
    columns = {"m"} if "RENAME" in change else {"n", "more"}
    for _ in range(2):
        assert {frozenset(row) for row in database.all(select, everything)} == {frozenset(columns)}
        assert set(database.serializable(Statement(insert, {}))[0]) == columns
    assert len(database.all(select, everything)) == 5, "each was inserted once"
    assert database.connection().info.backend_pid == pid
    left = database.all(b"SELECT statement FROM pg_prepared_statements", {})
    assert sum("ORDER BY ctid" in row["statement"] for row in left) <= 1


def test_what_is_really_not_supported_is_told(database: Database) -> None:
    for _ in range(3):
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            database.run(b"DO $$ BEGIN RAISE feature_not_supported; END $$", {})


def test_a_rollback_forgets_no_statement(database: Database) -> None:
    statement = b"SELECT %(number)s::integer AS number"
    for _ in range(5):
        assert database.one(statement, {"number": 1}) == {"number": 1}

    def break_off() -> None:
        with database.transaction() as connection:
            for _ in range(5):  # often enough for psycopg to prepare it, were it allowed to
                connection.execute("SELECT 2")
            raise LookupError

    with pytest.raises(LookupError):
        break_off()
    assert database.one(statement, {"number": 3}) == {"number": 3}
