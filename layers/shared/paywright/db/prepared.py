"""Prepared statements straight on libpq, through psycopg's own bindings.

A function runs the same few statements thousands of times. psycopg's cursors decide each time
anew, in Python, how to run them, and that costs several times what is left here: values become
parameters, are sent, and the answer becomes values, all in psycopg's C code (docs/decisions/0013).
"""

from __future__ import annotations

import re
import select
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import AdaptersMap, Buffer, PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.rows import DictRow
from psycopg.types.numeric import Int8BinaryDumper

from paywright.db.arrays import ArrayDumper

_PLACEHOLDER = re.compile(rb"%(?:\((\w+)\)s|%)")
_MOST_PREPARED = 200
_DONE = frozenset({pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK})


@dataclass(frozen=True, slots=True)
class Query:
    """A statement with numbered parameters, and their names in that order."""

    sql: bytes
    names: tuple[str, ...]
    formats: tuple[PyFormat, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What one statement gave: its rows, and how many it touched."""

    rows: list[DictRow]
    touched: int


@dataclass(frozen=True, slots=True)
class _Bound:
    """A statement with its values; `name` is that of the prepared one, empty without."""

    sql: bytes
    name: bytes
    values: Sequence[Buffer | None]
    types: Sequence[int]
    formats: Sequence[pq.Format]


@lru_cache(maxsize=512)
def query(sql: bytes) -> Query:
    """Read a statement with psycopg's placeholders, `%(name)s`, and `%%` for a percent sign."""
    numbers: dict[str, int] = {}

    def numbered(match: re.Match[bytes]) -> bytes:
        if match[1] is None:
            return b"%"
        return b"$%d" % numbers.setdefault(match[1].decode(), len(numbers) + 1)

    text = _PLACEHOLDER.sub(numbered, sql)
    return Query(text, tuple(numbers), (PyFormat.AUTO,) * len(numbers))


class Session:
    """Runs statements on a connection in autocommit, one at a time; raises psycopg's errors.

    `prepare=False` is for poolers. A server that says nothing for `timeout_s` counts as away.
    """

    def __init__(
        self, connection: psycopg.Connection[Any], *, prepare: bool, timeout_s: float
    ) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._transformer = Transformer(_Context(connection))
        self._prepare = prepare
        self._timeout_ms = int(timeout_s * 1000)
        self._prepared: dict[tuple[bytes, tuple[int, ...]], bytes] = {}
        self._commands: dict[bytes, _Bound] = {}
        self._makers: dict[bytes, Callable[[Sequence[Any]], DictRow]] = {}
        self._made = 0  # prepared statements so far, forgotten ones too
        self._incoming = select.poll()
        self._incoming.register(self._pgconn.socket, select.POLLIN)

    @property
    def usable(self) -> bool:
        """Whether it is open and at rest: a word from an idle server is its farewell."""
        return (
            self._pgconn.transaction_status == pq.TransactionStatus.IDLE
            and not self._incoming.poll(0)
        )

    def execute(self, sql: bytes, parameters: Mapping[str, Any]) -> Result:
        """Run one statement, a transaction by itself."""

        def run(bound: _Bound) -> pq.abc.PGresult:
            self._send(bound)
            result = self._one_result()
            _check(result)
            return result

        return self._with(sql, parameters, run)

    def transaction(
        self, before: Sequence[bytes], sql: bytes, parameters: Mapping[str, Any]
    ) -> Result:
        """Run `before`, which begins a transaction, a statement, and COMMIT, in one round trip.

        After an error nothing has happened, unless the error came of a lost connection.
        """
        opening = [self._command(each) for each in before]
        commit = self._command(b"COMMIT")

        def run(bound: _Bound) -> pq.abc.PGresult:
            together = [*opening, bound, commit]
            self._pgconn.enter_pipeline_mode()
            for each in together:
                self._send(each)
            self._pgconn.pipeline_sync()
            results = [self._one_result() for _ in together]
            self._next_result()  # of the synchronization; no more follows it
            self._pgconn.exit_pipeline_mode()
            try:
                for result in results:
                    _check(result)
            except psycopg.Error:
                if self._pgconn.transaction_status != pq.TransactionStatus.IDLE:
                    self.execute(b"ROLLBACK", {})
                raise
            return results[-2]

        return self._with(sql, parameters, run)

    def _with(
        self, sql: bytes, parameters: Mapping[str, Any], run: Callable[[_Bound], pq.abc.PGresult]
    ) -> Result:
        """Bind a statement and run it, prepared anew where a migration changed what it returns.

        Such a statement is refused whenever it is sent, before it does anything.
        """
        bound = self._bind(query(sql), parameters)
        try:
            return self._loaded(bound, run(bound))
        except psycopg.errors.FeatureNotSupported:  # "cached plan must not change result type"
            if not bound.name:
                raise
            self._forget(bound)
        bound = self._bind(query(sql), parameters)
        return self._loaded(bound, run(bound))

    def _command(self, sql: bytes) -> _Bound:
        """A statement without parameters, bound once."""
        return self._commands.get(sql) or self._commands.setdefault(sql, self._bind(query(sql), {}))

    def _bind(self, wanted: Query, parameters: Mapping[str, Any]) -> _Bound:
        values = self._transformer.dump_sequence(
            [parameters[name] for name in wanted.names], wanted.formats
        )
        types = self._transformer.types or ()
        return _Bound(
            wanted.sql,
            self._name(wanted.sql, types),
            values,
            types,
            self._transformer.formats or (),
        )

    def _name(self, sql: bytes, types: tuple[int, ...]) -> bytes:
        """The prepared statement for values of these types, made at first use."""
        name = self._prepared.get((sql, types), b"")
        if not name and self._prepare and len(self._prepared) < _MOST_PREPARED:
            name = b"paywright_%d" % self._made
            self._made += 1
            self._pgconn.send_prepare(name, sql, types)
            _check(self._one_result())
            self._prepared[sql, types] = name
        return name

    def _forget(self, bound: _Bound) -> None:
        """Let go of a prepared statement; the next use makes another."""
        del self._prepared[bound.sql, tuple(bound.types)]
        self._makers.pop(bound.name, None)
        self._send(_Bound(b"DEALLOCATE " + bound.name, b"", (), (), ()))
        _check(self._one_result())

    def _send(self, bound: _Bound) -> None:
        if bound.name:
            self._pgconn.send_query_prepared(
                bound.name, bound.values, bound.formats, pq.Format.BINARY
            )
        else:
            self._pgconn.send_query_params(
                bound.sql, bound.values, bound.types, bound.formats, pq.Format.BINARY
            )

    def _one_result(self) -> pq.abc.PGresult:
        """The next statement's result; statements here have one each."""
        result = self._next_result()
        assert result is not None, "something was sent"
        while self._next_result() is not None:
            pass
        return result

    def _next_result(self) -> pq.abc.PGresult | None:
        while self._pgconn.flush():  # more than the socket takes at once
            self._wait(select.POLLIN | select.POLLOUT)
        while self._pgconn.is_busy():
            self._wait(select.POLLIN)
        return self._pgconn.get_result()

    def _wait(self, events: int) -> None:
        if events == select.POLLIN:
            waiting = self._incoming
        else:
            waiting = select.poll()
            waiting.register(self._pgconn.socket, events)
        if not waiting.poll(self._timeout_ms):
            self._connection.close()
            raise psycopg.OperationalError("the server did not answer in time")
        self._pgconn.consume_input()

    def _loaded(self, bound: _Bound, result: pq.abc.PGresult) -> Result:
        touched = result.command_tuples or 0
        if not result.ntuples:
            return Result([], touched)
        if bound.name:  # its columns are the same each time
            maker = self._makers.get(bound.name) or self._makers.setdefault(
                bound.name, _maker(result)
            )
        else:
            maker = _maker(result)
        self._transformer.set_pgresult(result)
        return Result(self._transformer.load_rows(0, result.ntuples, maker), touched)


class _Context:
    """How values are adapted: as psycopg does, but for two kinds that it would look into.

    Whole numbers are always bigint, so that a statement is prepared once and not for each size of
    number; arrays go as text, whose type the statement says.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self.adapters = AdaptersMap(connection.adapters)
        self.adapters.register_dumper(int, Int8BinaryDumper)
        self.adapters.register_dumper(list, ArrayDumper)


def _maker(result: pq.abc.PGresult) -> Callable[[Sequence[Any]], DictRow]:
    names = [(result.fname(column) or b"").decode() for column in range(result.nfields)]
    return lambda values: dict(zip(names, values, strict=True))


def _check(result: pq.abc.PGresult) -> None:
    if result.status == pq.ExecStatus.FATAL_ERROR:
        raise error_from_result(result)
    assert result.status in _DONE, f"unexpected result: {result.status}"
