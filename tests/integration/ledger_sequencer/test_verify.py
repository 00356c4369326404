"""Tampering with any row of the ledger is found, and the row is named."""

from __future__ import annotations

import uuid

import pytest

from paywright.clock import SystemClock
from paywright.db import Database
from paywright.ledger.sequencer import Sequencer
from paywright.ledger.verify import MAX_PROBLEMS, Problem, verify
from tests.integration.ledger_sequencer.conftest import IDS, Ledger, sale


@pytest.fixture
def journals(ledger: Ledger, ledger_database: Database) -> list[uuid.UUID]:
    """Five sequenced journals of one chain, in its order, and two of others."""
    ledger.post(sale(700), livemode=True)
    ledger.post(sale(800), merchant_id=IDS.new())
    made = [ledger.post(sale(amount)) for amount in (100, 200, 300, 400, 500)]
    Sequencer(ledger_database, SystemClock()).run_once()
    assert verify(ledger_database) == []
    return made


def _first_in_chain(problems: list[Problem]) -> Problem:
    return next(problem for problem in problems if problem.position is not None)


def test_what_is_not_sequenced_yet_is_no_problem(
    ledger: Ledger, ledger_database: Database, journals: list[uuid.UUID]
) -> None:
    ledger.post(sale(100))
    assert verify(ledger_database) == []


JOURNAL_CHANGES = [
    "livemode = NOT livemode",
    "transaction_id = NULL",
    "transaction_id = merchant_id",
    "kind = 'Capture'",
    "created_at = created_at + interval '1 microsecond'",
]
ENTRY_CHANGES = [
    "journal_id = transaction_id_of_another",
    "transaction_id = merchant_id",
    "livemode = NOT livemode",
    "entry_type = CASE entry_type WHEN 'debit' THEN 'credit' ELSE 'debit' END",
    "account_type = 'fx_clearing', processor = ''",
    "processor = processor || 'x'",
    "amount = amount + 1",
    "amount = amount # 64",
    "currency = 'eur'",
    "created_at = created_at + interval '1 microsecond'",
]
LINK_CHANGES = [
    "livemode = NOT livemode",
    "journal_id = merchant_id",
    "position = position + 1",
    "position = position - 1",
    "account_type = 'fx_clearing'",
    "currency = 'eur'",
    "processor = processor || 'x'",
    "sequence = sequence + 1",
    "balance_after = balance_after # 1",
    "row_hash = set_byte(row_hash, 17, get_byte(row_hash, 17) # 1)",
    "sequenced_at = sequenced_at + interval '1 microsecond'",
]


@pytest.mark.parametrize("change", JOURNAL_CHANGES)
def test_a_changed_journal_is_found(
    ledger: Ledger, ledger_database: Database, journals: list[uuid.UUID], change: str
) -> None:
    ledger.tamper(f"UPDATE journals SET {change} WHERE id = %s", journals[2])
    problem = _first_in_chain(verify(ledger_database))
    assert (problem.merchant_id, problem.position) == (ledger.merchant_id, 3)
    if problem.table == "journals":
        assert problem.row_id == journals[2]


@pytest.mark.parametrize("change", ENTRY_CHANGES)
def test_a_changed_entry_is_found(
    ledger: Ledger, ledger_database: Database, journals: list[uuid.UUID], change: str
) -> None:
    change = change.replace("transaction_id_of_another", f"'{journals[0]}'")
    ledger.tamper(
        f"UPDATE ledger_entries SET {change} WHERE journal_id = %s AND account_type = 'cash'",
        journals[2],
    )
    problem = _first_in_chain(verify(ledger_database))
    assert (problem.merchant_id, problem.position) == (ledger.merchant_id, 3)


def test_a_change_that_keeps_the_sum_is_found(
    ledger: Ledger, ledger_database: Database, journals: list[uuid.UUID]
) -> None:
    ledger.tamper(
        "UPDATE ledger_entries SET amount = amount + 5"
        " WHERE journal_id = %s AND account_type <> 'platform_fee'",
        journals[2],
    )
    (problem,) = verify(ledger_database)
    assert (problem.table, problem.position) == ("ledger_chain", 3)
    ledger.tamper(
        "UPDATE ledger_chain SET balance_after = balance_after"
        " + CASE account_type WHEN 'cash' THEN 5 ELSE -5 END"
        " WHERE position >= 3 AND account_type <> 'platform_fee' AND merchant_id = %s",
        ledger.merchant_id,
    )
    (problem,) = verify(ledger_database)
    assert (problem.table, problem.row_id) == ("journals", journals[2])
    assert str(problem) == (
        f"journals {journals[2]} at position 3: it or one of its entries is not what was hashed"
    )


@pytest.mark.parametrize("scope", ["one row", "the whole link"])
@pytest.mark.parametrize("change", LINK_CHANGES)
def test_a_changed_link_is_found(
    ledger: Ledger,
    ledger_database: Database,
    journals: list[uuid.UUID],
    change: str,
    scope: str,
) -> None:
    only = " AND account_type = 'merchant_balance'" if scope == "one row" else ""
    ledger.tamper(f"UPDATE ledger_chain SET {change} WHERE journal_id = %s{only}", journals[2])
    problem = next(
        problem
        for problem in verify(ledger_database)
        if problem.position is not None and problem.livemode is False
    )
    assert problem.merchant_id == ledger.merchant_id
    assert problem.position in {2, 3, 4}


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ("journals", "its journal does not exist"),
        ("ledger_entries", "its entry does not exist"),
        ("ledger_chain", "position 3 is missing before it"),
    ],
)
def test_a_missing_row_is_found(
    ledger: Ledger, ledger_database: Database, journals: list[uuid.UUID], table: str, what: str
) -> None:
    column = "id" if table == "journals" else "journal_id"
    ledger.tamper(f"DELETE FROM {table} WHERE {column} = %s", journals[2])
    problems = verify(ledger_database)
    assert _first_in_chain(problems).what == what


def test_a_cut_tail_leaves_its_entries_behind(
    ledger: Ledger, ledger_database: Database, journals: list[uuid.UUID]
) -> None:
    ledger.tamper("DELETE FROM ledger_chain WHERE journal_id = %s", journals[4])
    problems = verify(ledger_database)
    assert {problem.what for problem in problems} == {"it is not in the chain"}
    assert len(problems) == 3


def test_a_journal_that_is_listed_once_more_is_found(
    ledger: Ledger, ledger_database: Database, journals: list[uuid.UUID]
) -> None:
    ledger.tamper(
        "INSERT INTO ledger_unsequenced (merchant_id, journal_id) VALUES (%s, %s)",
        ledger.merchant_id,
        journals[1],
    )
    (problem,) = verify(ledger_database)
    assert problem.what == "its journal waits to be sequenced once more"


def test_orphans_are_found(ledger: Ledger, ledger_database: Database) -> None:
    journal_id = IDS.new()
    ledger.tamper(
        "INSERT INTO ledger_unsequenced (merchant_id, journal_id) VALUES (%s, %s)",
        ledger.merchant_id,
        journal_id,
    )
    posted = ledger.post(sale(100))
    ledger.tamper("DELETE FROM ledger_entries WHERE journal_id = %s", posted)
    assert [(problem.row_id, problem.what) for problem in verify(ledger_database)] == [
        (journal_id, "is to be sequenced but does not exist"),
        (posted, "has no entries"),
    ]


def test_a_journal_out_of_balance_is_found_before_it_is_sequenced(
    ledger: Ledger, ledger_database: Database
) -> None:
    posted = ledger.post(sale(100))
    ledger.tamper("UPDATE ledger_entries SET amount = amount + 1 WHERE entry_type = 'debit'")
    (problem,) = verify(ledger_database)
    assert (problem.row_id, problem.what) == (posted, "does not sum to zero")


def test_a_chain_that_was_cut_out_and_closed_again_is_found(
    ledger: Ledger, ledger_database: Database, journals: list[uuid.UUID]
) -> None:
    """Everything of a journal is removed and the later positions are moved up."""
    for table in ("ledger_chain", "ledger_entries"):
        ledger.tamper(f"DELETE FROM {table} WHERE journal_id = %s", journals[2])
    ledger.tamper("DELETE FROM journals WHERE id = %s", journals[2])
    ledger.tamper(
        "UPDATE ledger_chain SET position = position - 1, sequence = sequence - 1,"
        " balance_after = balance_after - CASE account_type"
        " WHEN 'cash' THEN 300 WHEN 'platform_fee' THEN -3 ELSE -297 END"
        " WHERE merchant_id = %s AND NOT livemode AND position > 3",
        ledger.merchant_id,
    )
    (problem,) = verify(ledger_database)
    assert (problem.row_id, problem.position) == (journals[3], 3)


def test_the_list_of_problems_is_limited(ledger: Ledger, ledger_database: Database) -> None:
    for _ in range(50):
        ledger.post(sale(100))
    ledger.tamper("DELETE FROM ledger_unsequenced")
    assert len(verify(ledger_database)) == MAX_PROBLEMS
