"""Proves the ledger from its rows alone: zero sums, chain, balances, nothing lost or added.

Of each chain the first broken row is named; what follows it proves nothing any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from uuid import UUID

from paywright import db
from paywright.ledger.chain import (
    Account,
    AccountHead,
    ChainHead,
    ChainKey,
    JournalRow,
    is_balanced,
    next_link,
)
from paywright.ledger.sequencer import entry_of

MAX_PROBLEMS = 100
_FETCH_ROWS = 5_000

_QUERIES = db.load(__file__)
_Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that is not as it must be; `position` is the link's in its chain, if it has one."""

    merchant_id: UUID
    livemode: bool | None
    table: str
    row_id: UUID
    position: int | None
    what: str

    def __str__(self) -> str:
        """One line for a person."""
        place = "" if self.position is None else f" at position {self.position}"
        return f"{self.table} {self.row_id}{place}: {self.what}"


class _Broken(Exception):
    def __init__(self, table: str, row_id: UUID, what: str) -> None:
        super().__init__(what)
        self.table, self.row_id, self.what = table, row_id, what


def verify(database: db.Database, *, timeout_s: int = 3_600) -> list[Problem]:
    """Recompute the whole ledger in one snapshot; an empty list means that all of it holds.

    At most `MAX_PROBLEMS` are returned. Raise `db.Lost` when it takes longer than `timeout_s`.
    """
    problems: list[Problem] = []
    with database.transaction("REPEATABLE READ") as connection:
        connection.execute(_QUERIES["timeout"], {"milliseconds": str(timeout_s * 1000)})
        for row in connection.execute(_QUERIES["journals"], {"limit": MAX_PROBLEMS}):
            problems.append(
                Problem(
                    row["merchant_id"], row["livemode"], "journals", row["id"], None, row["problem"]
                )
            )
        with connection.cursor(name="verify") as cursor:
            cursor.itersize = _FETCH_ROWS
            cursor.execute(_QUERIES["chain"])
            for problem in _chains(cursor):
                problems.append(problem)
                if len(problems) >= MAX_PROBLEMS:
                    break
    return problems[:MAX_PROBLEMS]


def _chains(rows: Iterable[_Row]) -> Iterator[Problem]:
    for key, of_chain in groupby(
        rows, lambda row: ChainKey(row["merchant_id"], row["chain_livemode"])
    ):
        yield from _chain(key, of_chain)


def _chain(key: ChainKey, rows: Iterable[_Row]) -> Iterator[Problem]:
    head = ChainHead()
    accounts: dict[Account, AccountHead] = {}
    intact = True
    for position, group in groupby(rows, lambda row: row["position"]):
        if position is None:
            yield from _loose(key, group)
        elif intact:
            try:
                head = _link(key, list(group), head, accounts)
            except _Broken as broken:
                intact = False
                yield Problem(*key, broken.table, broken.row_id, position, broken.what)


def _loose(key: ChainKey, rows: Iterable[_Row]) -> Iterator[Problem]:
    # Entries outside the chain are fine as long as their journal waits for the sequencer.
    for row in rows:
        what = None
        if row["kind"] is None:
            what = "its journal does not exist"
        elif row["journal_livemode"] != row["livemode"]:
            what = "it is of another mode than its journal"
        elif not row["listed"]:
            what = "it is not in the chain"
        if what is not None:
            yield Problem(*key, "ledger_entries", row["id"], None, what)


def _link(
    key: ChainKey, rows: Sequence[_Row], before: ChainHead, accounts: dict[Account, AccountHead]
) -> ChainHead:
    """The head after the link of these rows; raise _Broken naming the first that is wrong."""
    first = rows[0]
    for row in rows:
        _row(row, first, before)
    journal = JournalRow(
        chain=ChainKey(key.merchant_id, first["journal_livemode"]),
        id=first["link_journal_id"],
        transaction_id=first["journal_transaction_id"],
        kind=first["kind"],
        created_at=first["journal_created_at"],
        entries=tuple(entry_of(row) for row in rows),
    )
    if not is_balanced(journal):
        raise _Broken("journals", journal.id, "its entries do not sum to zero")
    link = next_link(journal, before, accounts, sequenced_at=first["sequenced_at"])
    for row, account_head in zip(rows, link.heads, strict=True):
        if row["sequence"] != account_head.sequence:
            raise _Broken("ledger_chain", row["link_id"], "its sequence is not the next")
        if row["balance_after"] != account_head.balance:
            raise _Broken("ledger_chain", row["link_id"], "its balance is not the sum")
    if first["row_hash"] != link.head.hash:
        raise _Broken("journals", journal.id, "it or one of its entries is not what was hashed")
    return link.head


def _row(row: _Row, first: _Row, before: ChainHead) -> None:
    def broken(what: str) -> _Broken:
        return _Broken("ledger_chain", row["link_id"], what)

    if row["position"] != before.position + 1:
        raise broken(f"position {before.position + 1} is missing before it")
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
    entry = (row["journal_id"], row["livemode"], row["livemode"])
    if entry != (row["link_journal_id"], row["chain_livemode"], row["journal_livemode"]):
        raise broken("its entry is of another journal or mode")
    account = (row["account_type"], row["currency"], row["processor"])
    if account != (row["link_account_type"], row["link_currency"], row["link_processor"]):
        raise broken("its entry is of another account")
