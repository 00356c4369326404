"""What verification proves beyond single rows: chains, waiting journals, journals' payments."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from paywright.db import Database
from paywright.ledger.verify import MAX_PROBLEMS, Problem, verify
from tests.integration.ledger_sequencer.conftest import IDS, Ledger, problems_of, sale, what


def _first_in_chain(problems: list[Problem]) -> Problem:
    return next(problem for problem in problems if problem.position is not None)


def test_what_is_not_sequenced_yet_is_no_problem(
    ledger: Ledger, ledger_database: Database, journals: list[uuid.UUID]
) -> None:
    ledger.post(sale(100))
    assert problems_of(ledger_database) == []


def test_a_change_that_keeps_the_sum_is_found(
    ledger: Ledger, ledger_database: Database, journals: list[uuid.UUID]
) -> None:
    ledger.tamper(
        "UPDATE ledger_entries SET amount = amount + 5"
        " WHERE journal_id = %s AND account_type <> 'platform_fee'",
        journals[2],
    )
    (problem,) = problems_of(ledger_database)
    assert (problem.table, problem.position) == ("ledger_chain", 3)
    ledger.tamper(
        "UPDATE ledger_chain SET balance_after = balance_after"
        " + CASE account_type WHEN 'cash' THEN 5 ELSE -5 END"
        " WHERE position >= 3 AND account_type <> 'platform_fee' AND merchant_id = %s",
        ledger.merchant_id,
    )
    (problem,) = problems_of(ledger_database)
    assert (problem.table, problem.row_id) == ("journals", journals[2])
    assert str(problem) == (
        f"journals {journals[2]} at position 3: it or one of its entries is not what was hashed"
    )


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
    problems = problems_of(ledger_database)
    assert _first_in_chain(problems).what == what


def test_a_cut_tail_leaves_its_entries_behind(
    ledger: Ledger, ledger_database: Database, journals: list[uuid.UUID]
) -> None:
    ledger.tamper("DELETE FROM ledger_chain WHERE journal_id = %s", journals[4])
    problems = problems_of(ledger_database)
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
    (problem,) = problems_of(ledger_database)
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
    assert [(problem.row_id, problem.what) for problem in problems_of(ledger_database)] == [
        (posted, "has no entries"),
        (journal_id, "is to be sequenced but does not exist"),
    ]


def test_a_journal_out_of_balance_is_found_before_it_is_sequenced(
    ledger: Ledger, ledger_database: Database
) -> None:
    posted = ledger.post(sale(100))
    ledger.tamper("UPDATE ledger_entries SET amount = amount + 1 WHERE entry_type = 'debit'")
    (problem,) = problems_of(ledger_database)
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
    (problem,) = problems_of(ledger_database)
    assert (problem.row_id, problem.position) == (journals[3], 3)


def test_the_list_of_problems_is_limited(ledger: Ledger, ledger_database: Database) -> None:
    for _ in range(50):
        ledger.post(sale(100))
    ledger.tamper("DELETE FROM ledger_unsequenced")
    assert len(problems_of(ledger_database)) == MAX_PROBLEMS


def test_a_report_says_how_much_was_looked_at(
    ledger: Ledger, ledger_database: Database, journals: list[uuid.UUID]
) -> None:
    told: list[int] = []
    report = verify(
        ledger_database,
        now=datetime.now(UTC),
        watch=lambda so_far: told.append(so_far.merchants),
    )
    assert (report.merchants, report.rows, report.problems) == (2, 7 * 3, [])
    assert told == [1, 2]


@pytest.mark.parametrize("age_limit_passed", [False, True])
def test_what_waits_too_long_is_a_problem(
    ledger: Ledger, ledger_database: Database, age_limit_passed: bool
) -> None:
    posted = ledger.post(sale(100), created_at=datetime(2026, 11, 22, 12, tzinfo=UTC))
    now = datetime(2026, 11, 22, 12, 15, tzinfo=UTC)
    if age_limit_passed:
        now += timedelta(seconds=1)
    expected = [("journals", posted, "has waited to be sequenced since 2026-11-22T12:00:00Z")]
    found = verify(ledger_database, now=now).problems
    assert what(found) == (expected if age_limit_passed else [])


def test_the_journal_that_holds_up_others_is_named_before_them(
    ledger: Ledger, ledger_database: Database
) -> None:
    posted = [ledger.post(sale(100)) for _ in range(MAX_PROBLEMS + 1)]
    broken = posted[-1]
    ledger.tamper(
        "UPDATE ledger_entries SET amount = amount + 1"
        " WHERE journal_id = %s AND entry_type = 'debit'",
        broken,
    )
    found = verify(ledger_database, now=datetime.now(UTC) + timedelta(hours=1)).problems
    assert len(found) == MAX_PROBLEMS
    assert what(found[:1]) == [("journals", broken, "does not sum to zero")]


def test_what_is_of_a_missing_payment_is_found(ledger: Ledger, ledger_database: Database) -> None:
    posted = ledger.sale(1_000)
    ((payment,),) = ledger.rows("SELECT id FROM transactions")
    assert problems_of(ledger_database) == []
    ledger.tamper("DELETE FROM transactions")
    missing = f"its payment {payment} does not exist"
    assert what(problems_of(ledger_database)) == [
        ("journals", posted, missing),
        ("payment_operations", posted, missing),
    ]
    for table in ("ledger_entries", "ledger_unsequenced", "journals"):
        ledger.tamper(f"DELETE FROM {table}")
    assert what(problems_of(ledger_database)) == [("payment_operations", posted, missing)]


def test_a_journal_outlives_the_month_of_its_payment(
    ledger: Ledger, ledger_database: Database
) -> None:
    ancient = uuid.UUID("0188d000-0000-7000-8000-000000000001")  # of a month long detached
    ledger.sale(1_000)
    ledger.tamper("DELETE FROM transactions")
    for table in ("ledger_entries", "journals", "payment_operations"):
        ledger.tamper(f"UPDATE {table} SET transaction_id = %s", ancient)
    assert problems_of(ledger_database) == []


def test_a_payment_of_another_mode_is_found(ledger: Ledger, ledger_database: Database) -> None:
    posted = ledger.sale(1_000, livemode=True)
    other = "its payment is of another mode"
    assert what(problems_of(ledger_database)) == [
        ("journals", posted, other),
        ("payment_operations", posted, other),
    ]
