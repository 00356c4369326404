"""One connection for each execution environment: a function serves one request at a time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from psycopg.rows import DictRow, dict_row

from paywright.db.prepared import Result, Session
from paywright.errors import ServiceUnavailable

Parameters = Mapping[str, Any]
Row = DictRow
T = TypeVar("T")

_SERIALIZABLE = (
    b"BEGIN ISOLATION LEVEL SERIALIZABLE",
    b"SET LOCAL enable_seqscan = off",
    b"SET LOCAL enable_bitmapscan = off",
)
_RETRYABLE = ("40001", "40P01")  # serialization failure, deadlock: nothing happened, try again
_NOT_LOST = (*_RETRYABLE, "39000")  # pgcrypto's, of damaged data or another key: it did answer


class Lost(ServiceUnavailable):
    """The database cannot be reached, or the connection broke with the outcome unknown."""


@dataclass(frozen=True)
class Statement:
    """One SQL statement with its parameters."""

    sql: bytes
    parameters: Parameters


class Database:
    """A lazily opened connection in autocommit, checked before it is used again.

    No session state is kept, so that a pooler may stand between: pass `pooler=True` then, and
    statements are not prepared. Raise `Lost` when the server is away, or silent for
    `grace_s` beyond its own limit for a statement.
    """

    def __init__(
        self,
        url: str,
        *,
        pooler: bool = False,
        connect_timeout_s: int = 5,
        statement_timeout_ms: int = 5_000,
        grace_s: float = 5.0,
        application_name: str = "paywright",
    ) -> None:
        self._url = url
        self._prepare = not pooler
        self._timeout_s = statement_timeout_ms / 1000 + grace_s
        self._options: dict[str, Any] = {
            "connect_timeout": connect_timeout_s,
            "application_name": application_name,
            # Statements are prepared by the session alone: what psycopg prepared itself it would
            # forget with DEALLOCATE ALL after a rollback, and the session's with it.
            "prepare_threshold": None,
        }
        if not pooler:
            self._options["options"] = f"-c statement_timeout={statement_timeout_ms}"
        self._connection: psycopg.Connection[Row] | None = None
        self._session: Session | None = None
        self._in_transaction = False

    def connection(self) -> psycopg.Connection[Row]:
        """The connection, opened or opened anew when the server closed it meanwhile."""
        self._usable_session()
        assert self._connection is not None, "it was opened"
        return self._connection

    def all(self, sql: bytes, parameters: Parameters) -> list[Row]:
        """Run one statement by itself and return its rows."""
        return self._execute(sql, parameters).rows

    def one(self, sql: bytes, parameters: Parameters) -> Row | None:
        """Run one statement by itself and return its first row, if it has one."""
        rows = self._execute(sql, parameters).rows
        return rows[0] if rows else None

    def run(self, sql: bytes, parameters: Parameters) -> int:
        """Run one statement by itself and return how many rows it touched."""
        return self._execute(sql, parameters).touched

    @contextmanager
    def transaction(self, isolation: str = "READ COMMITTED") -> Iterator[psycopg.Connection[Row]]:
        """A transaction of several statements; it commits unless an exception leaves it."""
        connection = self.connection()
        self._in_transaction = True
        try:
            with _lost, connection.transaction():
                if isolation != "READ COMMITTED":
                    connection.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}".encode())
                yield connection
        finally:
            self._in_transaction = False

    def serializable(self, statement: Statement) -> list[Row]:
        """Run one statement SERIALIZABLE, in one round trip; the caller retries conflicts.

        Sequential and bitmap scans are off: on a table that is small or was never analysed the
        planner likes them, and they lock pages or all of it against everybody's writes.
        """
        session = self._usable_session()
        with _lost:
            return session.transaction(_SERIALIZABLE, statement.sql, statement.parameters).rows

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = self._session = None

    def _execute(self, sql: bytes, parameters: Parameters) -> Result:
        session = self._usable_session()
        with _lost:
            return session.execute(sql, parameters)

    def _usable_session(self) -> Session:
        assert not self._in_transaction, "inside a transaction, its connection is the one to use"
        session = self._session
        if session is None or not session.usable:
            self.close()
            with _lost:
                connection = psycopg.connect(
                    self._url, autocommit=True, row_factory=dict_row, **self._options
                )
            session = Session(connection, prepare=self._prepare, timeout_s=self._timeout_s)
            self._connection, self._session = connection, session
        return session


def with_retries(
    attempt: Callable[[], T], *, deadline_s: float = 5.0, first_delay_ms: float = 2.0
) -> T:
    """Call until no serialization failure or deadlock comes, with jitter, up to a deadline."""
    give_up = time.monotonic() + deadline_s
    delay_s = first_delay_ms / 1000
    while True:
        try:
            return attempt()
        except psycopg.Error as error:
            if error.sqlstate not in _RETRYABLE or time.monotonic() + delay_s > give_up:
                raise
        time.sleep(delay_s * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
        delay_s = min(delay_s * 2, 0.2)


class _LostTo:
    """Turns psycopg's error for a server that is away into ours; the rest passes."""

    def __enter__(self) -> None:
        """Nothing is kept: one object serves all."""

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, psycopg.OperationalError) and error.sqlstate not in _NOT_LOST:
            raise Lost(ServiceUnavailable.__doc__) from error


_lost = _LostTo()
