"""Whatever is changed in a row of the ledger, deleted or added, verification finds and names it.

Done as a superuser with the triggers off: what no role of the platform can do.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import pytest

from paywright.clock import SystemClock
from paywright.db import Database
from paywright.ledger.sequencer import Sequencer
from paywright.ledger.verify import Problem
from tests.integration.ledger_sequencer.conftest import IDS, Ledger, problems_of, what

_POSITION = 3
_LAST_BYTE = "set_byte(uuid_send({0}), 15, get_byte(uuid_send({0}), 15) # 1)"


def _flip(column: str) -> str:
    """One bit of a UUID's last byte: it stays in its partition."""
    return f"encode({_LAST_BYTE.format(column)}, 'hex')::uuid"


# One case at least for every column: a test below compares them with the schema.
CHANGES: dict[str, dict[str, list[str]]] = {
    "journals": {
        "merchant_id": [_flip("merchant_id")],
        "id": [_flip("id")],
        "livemode": ["NOT livemode"],
        "transaction_id": ["NULL", _flip("transaction_id"), "'{other_payment}'"],
        "kind": ["'Capture'", "'refund'", "''"],
        "created_at": ["created_at + interval '1 microsecond'"],
    },
    "ledger_entries": {
        "merchant_id": [_flip("merchant_id")],
        "id": [_flip("id")],
        "journal_id": [_flip("journal_id"), "'{other_journal}'"],
        "transaction_id": ["NULL", _flip("transaction_id"), "'{other_payment}'"],
        "livemode": ["NOT livemode"],
        "entry_type": ["CASE entry_type WHEN 'debit' THEN 'credit' ELSE 'debit' END"],
        "account_type": ["'cash'"],
        "processor": ["'simulatoR'"],
        "amount": ["amount # 1", "amount # 4294967296", "amount + 1", "amount * 2"],
        "currency": ["'use'"],
        "created_at": ["created_at - interval '1 microsecond'"],
    },
    "ledger_chain": {
        "merchant_id": [_flip("merchant_id")],
        "id": [_flip("id")],
        "livemode": ["NOT livemode"],
        "journal_id": [_flip("journal_id"), "'{other_journal}'"],
        "position": ["position + 1", "position - 1", "position + 1000", "position # 4294967296"],
        "account_type": ["'cash'"],
        "currency": ["'use'"],
        "processor": ["'simulatoR'"],
        "sequence": ["sequence + 1", "sequence - 1", "sequence # 4294967296"],
        "balance_after": [
            "balance_after + 18446744073709551616",
            "-balance_after",
            "balance_after + 1",
        ],
        "row_hash": [
            f"set_byte(row_hash, {index}, get_byte(row_hash, {index}) # {bit})"
            for index, bit in ((0, 128), (17, 1), (31, 1))
        ],
        "sequenced_at": ["sequenced_at + interval '1 microsecond'"],
    },
}
CASES = [
    (table, column, change, scope)
    for table, columns in CHANGES.items()
    for column, changes in columns.items()
    for change in changes
    for scope in (("one", "all") if table == "ledger_chain" and column != "id" else ("one",))
]


@dataclass(frozen=True)
class Target:
    """The third of five journals, and what belongs to it."""

    journal: uuid.UUID
    entry: uuid.UUID
    entries: tuple[uuid.UUID, ...]
    other_journal: uuid.UUID
    other_payment: uuid.UUID

    def is_named(self, problem: Problem) -> bool:
        """Whether a problem is about a row of the journal or its place; ids may have lost a bit."""
        mine = {self.journal.int >> 1, *(entry.int >> 1 for entry in self.entries)}
        return problem.row_id is not None and problem.row_id.int >> 1 in mine


@pytest.fixture
def target(ledger: Ledger, ledger_database: Database) -> Target:
    journals = [ledger.sale(amount) for amount in (1_000, 2_000, 3_000, 4_000, 5_000)]
    ledger.post([("debit", "customer_hold", 9), ("credit", "merchant_hold", 9)], livemode=True)
    Sequencer(ledger_database, SystemClock()).run_once()
    assert problems_of(ledger_database) == []
    rows = ledger.rows(
        "SELECT id FROM ledger_entries WHERE journal_id = %s ORDER BY id", journals[2]
    )
    ((other_payment,),) = ledger.rows(
        "SELECT transaction_id FROM journals WHERE id = %s", journals[0]
    )
    ids = tuple(row[0] for row in rows)
    return Target(journals[2], ids[0], ids, journals[0], other_payment)


def test_every_column_has_a_case(ledger: Ledger) -> None:
    for table, columns in CHANGES.items():
        rows = ledger.rows(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s", table
        )
        assert {row[0] for row in rows} == set(columns), table


@pytest.mark.parametrize(("table", "column", "change", "scope"), CASES)
def test_a_changed_column_is_found_and_its_row_named(
    ledger: Ledger,
    ledger_database: Database,
    target: Target,
    table: str,
    column: str,
    change: str,
    scope: str,
) -> None:
    value = (
        change.format(other_journal=target.other_journal, other_payment=target.other_payment)
        if "{" in change
        else change
    )
    where = "id" if table == "journals" or scope == "one" else "journal_id"
    row = target.journal if table == "journals" or scope == "all" else target.entry
    ledger.tamper(f"UPDATE {table} SET {column} = {value} WHERE {where} = %s", row)
    found = problems_of(ledger_database)
    assert found, "nothing was found"
    assert any(
        problem.table in {"journals", "ledger_entries", "ledger_chain"}
        and (
            target.is_named(problem)
            or (problem.merchant_id, problem.position) == (ledger.merchant_id, _POSITION)
            # A link that claims another's place shows where two meet, or where it is missing.
            or (column in {"position", "livemode"} and problem.position in {2, 4})
        )
        for problem in found
    ), found
    assert {found[0].merchant_id.int >> 1} == {ledger.merchant_id.int >> 1}


@pytest.mark.parametrize("table", list(CHANGES))
def test_a_deleted_row_is_found(
    ledger: Ledger, ledger_database: Database, target: Target, table: str
) -> None:
    row = target.journal if table == "journals" else target.entry
    ledger.tamper(f"DELETE FROM {table} WHERE id = %s", row)
    found = problems_of(ledger_database)
    expected = {
        "journals": "its journal does not exist",
        "ledger_entries": "its entry does not exist",
        "ledger_chain": "it is not in the chain",
    }
    named = [problem for problem in found if problem.what == expected[table]]
    assert named
    assert target.is_named(named[0])


def test_an_added_journal_is_found(
    ledger: Ledger, ledger_database: Database, target: Target
) -> None:
    ledger.tamper(
        "INSERT INTO journals SELECT merchant_id, %s, livemode, transaction_id, kind, created_at"
        " FROM journals WHERE id = %s",
        added := IDS.new(),
        target.journal,
    )
    assert what(problems_of(ledger_database)) == [
        ("journals", added, "has no entries"),
        ("journals", added, "no operation, refund or dispute of its payment caused it"),
    ]


@pytest.mark.parametrize("lines", [1, 2])
def test_added_entries_are_found_also_when_they_balance(
    ledger: Ledger, ledger_database: Database, target: Target, lines: int
) -> None:
    added = [IDS.new() for _ in range(lines)]
    for entry, side in zip(added, ("debit", "credit"), strict=False):
        ledger.tamper(
            "INSERT INTO ledger_entries (merchant_id, id, journal_id, transaction_id, livemode,"
            " entry_type, account_type, amount, currency, created_at)"
            " SELECT merchant_id, %s, journal_id, transaction_id, livemode, %s, 'merchant_balance',"
            " 5, currency, created_at FROM ledger_entries WHERE id = %s",
            entry,
            side,
            target.entry,
        )
    found = problems_of(ledger_database)
    assert {problem.row_id for problem in found if problem.what == "it is not in the chain"} == {
        *added
    }
    assert ("does not sum to zero" in {problem.what for problem in found}) == (lines == 1)


@pytest.mark.parametrize("position", ["position", "position + 100"])
def test_an_added_link_is_found(
    ledger: Ledger, ledger_database: Database, target: Target, position: str
) -> None:
    ledger.tamper(
        "INSERT INTO ledger_chain SELECT merchant_id, %s, livemode, journal_id,"
        f" {position}, account_type, currency, processor, sequence, balance_after, row_hash,"
        " sequenced_at FROM ledger_chain WHERE id = %s",
        added := IDS.new(),
        target.entry,
    )
    (problem,) = problems_of(ledger_database)
    assert (problem.table, problem.row_id) == ("ledger_chain", added)


def test_an_added_journal_with_entries_is_found(
    ledger: Ledger, ledger_database: Database, target: Target
) -> None:
    added = ledger.post([("debit", "customer_hold", 9), ("credit", "merchant_hold", 9)])
    ledger.tamper("DELETE FROM ledger_unsequenced WHERE journal_id = %s", added)
    found = problems_of(ledger_database)
    assert [(problem.table, problem.what) for problem in found] == [
        ("ledger_entries", "it is not in the chain")
    ] * 2
