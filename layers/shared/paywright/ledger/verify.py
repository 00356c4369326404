"""Proves the ledger from its rows alone: zero sums, chain, balances, nothing lost or added.

Payments and what was done to them are held against it and each other (`ledger.agreement`).

Merchant by merchant, each in a snapshot of its own, so that neither memory nor the age of a
snapshot grows with the ledger. Of each chain the first broken row is named; what follows it proves
nothing any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

import psycopg

from paywright import db
from paywright.ledger.agreement import disagreements
from paywright.ledger.census import merchants
from paywright.ledger.chain import (
    Account,
    AccountHead,
    ChainHead,
    ChainKey,
    JournalRow,
    is_balanced,
    next_link,
)
from paywright.ledger.heads import SignedHead
from paywright.ledger.sequencer import entry_of

MAX_PROBLEMS = 100
OVERDUE_AFTER = timedelta(minutes=15)
"""How long a journal may wait for its place, and a hold that ran out for its release.

Both are looked for every second.
"""

_FETCH_ROWS = 5_000

_QUERIES = db.load(__file__)
_Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that is not as it must be; `position` is the link's in its chain, if it has one.

    There is no `row_id` where it is a row that is missing.
    """

    merchant_id: UUID
    livemode: bool | None
    table: str
    row_id: UUID | None
    position: int | None
    what: str

    def __str__(self) -> str:
        """One line for a person."""
        row = self.table if self.row_id is None else f"{self.table} {self.row_id}"
        place = "" if self.position is None else f" at position {self.position}"
        return f"{row}{place}: {self.what}"


@dataclass(slots=True)
class Report:
    """What was looked at, and what is wrong: at most `MAX_PROBLEMS`, the first one first."""

    merchants: int = 0
    rows: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        """Whether no more problems are noted."""
        return len(self.problems) >= MAX_PROBLEMS


def verify(
    database: db.Database,
    *,
    now: datetime,
    heads: Iterable[SignedHead] = (),
    watch: Callable[[Report], None] = lambda _: None,
    timeout_s: int = 3_600,
) -> Report:
    """Recompute the ledger; a report without problems means that all of it holds.

    What stands in a chain before its signed head (`heads`, in the order of merchants) is not hashed
    again, and the chain has to lead through the head. `watch` is told how far it is, time and
    again. Raise `db.Lost` when one merchant takes longer than `timeout_s`.
    """
    report = Report()
    signed = _Signed(heads)
    months = [row["relname"] for row in database.all(_QUERIES["months"], {})]
    asked = {"months": months, "since": now - OVERDUE_AFTER, "limit": MAX_PROBLEMS}
    for merchant_id in merchants(database):
        if report.is_full:
            break
        with database.transaction("REPEATABLE READ") as connection:
            connection.execute(_QUERIES["timeout"], {"milliseconds": str(timeout_s * 1000)})
            of_merchant = signed.up_to(merchant_id, report)
            mine = asked | {"merchant_id": merchant_id}
            _merchant(connection, mine, of_merchant, report, watch)
        report.merchants += 1
        watch(report)
    if not report.is_full:
        signed.up_to(None, report)
    # Last: where one journal holds up its merchant's others, it is the one to be named.
    for row in database.all(_QUERIES["waiting"], asked):
        place = (row["merchant_id"], row["livemode"], "journals", row["journal_id"], None)
        report.problems.append(Problem(*place, row["problem"]))
    del report.problems[MAX_PROBLEMS:]
    return report


class _Signed:
    """The signed heads, met in the order of merchants; a chain that nobody has is a problem."""

    def __init__(self, heads: Iterable[SignedHead]) -> None:
        self._heads = iter(heads)
        self._next = next(self._heads, None)

    def up_to(self, merchant_id: UUID | None, report: Report) -> dict[bool, SignedHead]:
        """The heads of a merchant by mode; None passes over all that are left."""
        found: dict[bool, SignedHead] = {}
        while (head := self._next) is not None:
            key = head.key
            if merchant_id is not None and key.merchant_id > merchant_id:
                break
            if key.merchant_id == merchant_id:
                found[key.livemode] = head
            else:
                report.problems.append(_cut(head))
            self._next = next(self._heads, None)
        return found


def _cut(signed: SignedHead) -> Problem:
    position = signed.head.position
    what = "the chain was signed here, and does not reach so far"
    return Problem(*signed.key, "ledger_chain", None, position, what)


def _merchant(
    connection: psycopg.Connection[Any],
    mine: dict[str, Any],
    signed: dict[bool, SignedHead],
    report: Report,
    watch: Callable[[Report], None],
) -> None:
    merchant_id = mine["merchant_id"]
    for row in disagreements(connection, mine):
        place = (merchant_id, row["livemode"], row["place"], row["id"], None)
        report.problems.append(Problem(*place, row["problem"]))

    def counted(rows: Iterable[_Row]) -> Iterator[_Row]:
        for row in rows:
            report.rows += 1
            if report.rows % _FETCH_ROWS == 0:
                watch(report)
            yield row

    first = {mode: signed[mode].head.position if mode in signed else 0 for mode in (False, True)}
    places = {"from_test": first[False], "from_live": first[True]}
    with connection.cursor(name="verify") as cursor:
        cursor.itersize = _FETCH_ROWS
        cursor.execute(_QUERIES["chain"], mine | places)
        for problem in _chains(counted(cursor), signed):
            report.problems.append(problem)
            if report.is_full:
                return


class _Broken(Exception):
    def __init__(self, table: str, row_id: UUID, what: str) -> None:
        super().__init__(what)
        self.table, self.row_id, self.what = table, row_id, what


def _chains(rows: Iterable[_Row], signed: Mapping[bool, SignedHead]) -> Iterator[Problem]:
    unmet = dict(signed)
    for key, of_chain in groupby(
        rows, lambda row: ChainKey(row["merchant_id"], row["chain_livemode"])
    ):
        yield from _chain(key, of_chain, unmet.pop(key.livemode, None))
    for head in unmet.values():
        yield _cut(head)


def _chain(key: ChainKey, rows: Iterable[_Row], signed: SignedHead | None) -> Iterator[Problem]:
    walk: _Walk | None = _Walk(key)
    awaited = signed
    for position, group in groupby(rows, lambda row: row["position"]):
        if position is None:
            yield from _loose(key, group)
            continue
        if walk is None:
            continue
        try:
            if awaited is not None:
                walk.begin(list(group), awaited)
                awaited = None
            else:
                walk.link(list(group))
        except _Broken as broken:
            walk, awaited = None, None
            yield Problem(*key, broken.table, broken.row_id, position, broken.what)
    if awaited is not None:
        yield _cut(awaited)


def _loose(key: ChainKey, rows: Iterable[_Row]) -> Iterator[Problem]:
    # Entries outside the chain are fine as long as their journal waits for the sequencer.
    for row in rows:
        what = None
        if row["kind"] is None:
            what = "its journal does not exist"
        elif row["journal_livemode"] != row["livemode"]:
            what = "it is of another mode than its journal"
        elif row["journal_transaction_id"] != row["transaction_id"]:
            what = "it is of another payment than its journal"
        elif not row["listed"]:
            what = "it is not in the chain"
        if what is not None:
            yield Problem(*key, "ledger_entries", row["id"], None, what)


class _Walk:
    """How far a chain has been proven: its last link, its accounts after it, and its moment."""

    def __init__(self, key: ChainKey) -> None:
        self._key = key
        self._head = ChainHead()
        self._accounts: dict[Account, AccountHead] = {}
        self._moment: datetime | None = None

    def begin(self, rows: Sequence[_Row], signed: SignedHead) -> None:
        """Stand at a signed head; raise _Broken unless these rows are it."""
        for row in rows:
            if row["position"] != signed.head.position:
                what = f"position {signed.head.position} is missing, where the chain was signed"
                raise _Broken("ledger_chain", row["link_id"], what)
            if row["row_hash"] != signed.head.hash:
                raise _Broken("ledger_chain", row["link_id"], "its hash is not what was signed")
        self._head, self._accounts = signed.head, dict(signed.accounts)
        self._moment = rows[0]["sequenced_at"]

    def link(self, rows: Sequence[_Row]) -> None:
        """Go on to the link of these rows; raise _Broken naming the first that is wrong."""
        first = rows[0]
        for row in rows:
            self._check(row, first)
        journal = JournalRow(
            chain=ChainKey(self._key.merchant_id, first["journal_livemode"]),
            id=first["link_journal_id"],
            transaction_id=first["journal_transaction_id"],
            kind=first["kind"],
            created_at=first["journal_created_at"],
            entries=tuple(entry_of(row) for row in rows),
        )
        if not is_balanced(journal):
            raise _Broken("journals", journal.id, "its entries do not sum to zero")
        moment = first["sequenced_at"]
        link = next_link(journal, self._head, self._accounts, sequenced_at=moment)
        for row, account_head in zip(rows, link.heads, strict=True):
            if row["sequence"] != account_head.sequence:
                raise _Broken("ledger_chain", row["link_id"], "its sequence is not the next")
            if row["balance_after"] != account_head.balance:
                raise _Broken("ledger_chain", row["link_id"], "its balance is not the sum")
        if first["row_hash"] != link.head.hash:
            raise _Broken("journals", journal.id, "it or one of its entries is not what was hashed")
        self._head, self._moment = link.head, moment

    def _check(self, row: _Row, first: _Row) -> None:
        def broken(what: str) -> _Broken:
            return _Broken("ledger_chain", row["link_id"], what)

        position = self._head.position + 1
        if row["position"] != position:
            raise broken(f"position {position} is missing before it")
        if row["link_journal_id"] != first["link_journal_id"]:
            raise broken("two journals share its position")
        if row["id"] is None:
            raise broken("its entry does not exist")
        if row["kind"] is None:
            raise broken("its journal does not exist")
        if row["listed"]:
            raise broken("its journal waits to be sequenced once more")
        if row["row_hash"] != first["row_hash"] or row["sequenced_at"] != first["sequenced_at"]:
            raise broken("hash or time differ from those of its journal's other rows")
        if self._moment is not None and row["sequenced_at"] < self._moment:
            raise broken("it was sequenced before the one before it")
        entry = (row["journal_id"], row["livemode"], row["livemode"])
        if entry != (row["link_journal_id"], row["chain_livemode"], row["journal_livemode"]):
            raise broken("its entry is of another journal or mode")
        account = (row["account_type"], row["currency"], row["processor"])
        if account != (row["link_account_type"], row["link_currency"], row["link_processor"]):
            raise broken("its entry is of another account")
