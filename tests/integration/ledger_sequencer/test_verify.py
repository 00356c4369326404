"""What verification proves beyond single rows: chains, payments, waiting journals, signed heads."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from paywright.clock import SystemClock
from paywright.db import Database, Lost
from paywright.ledger import heads
from paywright.ledger.sequencer import Sequencer
from paywright.ledger.verify import MAX_PROBLEMS, UNSEQUENCED_LIMIT, Problem, verify
from tests.integration.ledger_sequencer.conftest import IDS, Ledger, card_sale, problems_of, sale


@pytest.fixture
def journals(ledger: Ledger, ledger_database: Database) -> list[uuid.UUID]:
    """Five sequenced journals of one chain, in its order, and two of others."""
    ledger.post(sale(700), livemode=True)
    ledger.post(sale(800), merchant_id=IDS.new())
    made = [ledger.post(sale(amount)) for amount in (100, 200, 300, 400, 500)]
    Sequencer(ledger_database, SystemClock()).run_once()
    assert problems_of(ledger_database) == []
    return made


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
        (journal_id, "is to be sequenced but does not exist"),
        (posted, "has no entries"),
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


def _what(problems: list[Problem]) -> list[tuple[str, uuid.UUID | None, str]]:
    return [(problem.table, problem.row_id, problem.what) for problem in problems]


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
    now = datetime(2026, 11, 22, 12, tzinfo=UTC) + UNSEQUENCED_LIMIT
    if age_limit_passed:
        now += timedelta(seconds=1)
    expected = [("journals", posted, "has waited to be sequenced since 2026-11-22T12:00:00Z")]
    found = verify(ledger_database, now=now).problems
    assert _what(found) == (expected if age_limit_passed else [])


def test_a_journal_whose_payment_is_missing_is_found(
    ledger: Ledger, ledger_database: Database
) -> None:
    posted = ledger.sale(1_000)
    ((payment,),) = ledger.rows("SELECT id FROM transactions")
    assert problems_of(ledger_database) == []
    ledger.tamper("DELETE FROM transactions")
    assert _what(problems_of(ledger_database)) == [
        ("journals", posted, f"its payment {payment} does not exist")
    ]


def test_a_journal_outlives_the_month_of_its_payment(
    ledger: Ledger, ledger_database: Database
) -> None:
    ancient = uuid.UUID("0188d000-0000-7000-8000-000000000001")  # of a month long detached
    ledger.post(sale(1_000), payment_id=ancient)
    assert problems_of(ledger_database) == []


def test_a_payment_of_another_mode_is_found(ledger: Ledger, ledger_database: Database) -> None:
    payment = ledger.payment(captured=1_000, livemode=True)
    posted = ledger.post(card_sale(1_000), payment_id=payment)
    assert ("journals", posted, "its payment is of another mode") in _what(
        problems_of(ledger_database)
    )


_LINES: dict[str, list[tuple[str, str, int]]] = {
    "hold": [("debit", "customer_hold", 500), ("credit", "merchant_hold", 500)],
    "release": [("debit", "merchant_hold", 500), ("credit", "customer_hold", 500)],
    "part": [("debit", "merchant_hold", 200), ("credit", "customer_hold", 200)],
    "request": [("debit", "merchant_balance", 300), ("credit", "customer_refund", 300)],
    "fee back": [("debit", "platform_fee", 3), ("credit", "merchant_balance", 3)],
    "confirm": [("debit", "customer_refund", 300), ("credit", "processor_receivable", 300)],
    "come back": [("debit", "processor_receivable", 300), ("credit", "merchant_balance", 300)],
}


@pytest.mark.parametrize(
    ("columns", "posted"),
    [
        ({"amount": 500, "status": "authorized"}, [("authorize", "hold")]),
        ({"amount": 500, "status": "voided"}, [("authorize", "hold"), ("void", "release")]),
        (
            {
                "amount": 500,
                "status": "authorized",
                "captured_amount": 200,
                "settlement_amount": 200,
            },
            [("authorize", "hold"), ("capture", 200), ("capture", "part")],
        ),
        (
            {
                "captured_amount": 900,
                "refunded_amount": 300,
                "settlement_amount": 900,
                "settlement_refunded_amount": 300,
                "fee_share_amount": 3,
                "fee_returned_amount": 3,
            },
            [
                ("capture", 900),
                ("refund_requested", "request"),
                ("refund_requested", "fee back"),
                ("refund", "confirm"),
            ],
        ),
        (
            {
                "captured_amount": 900,
                "settlement_amount": 900,
                "pending_refund_amount": 300,
                "settlement_refunded_amount": 300,
            },
            [("capture", 900), ("refund_requested", "request")],
        ),
        (
            {"captured_amount": 900, "settlement_amount": 900},
            [
                ("capture", 900),
                ("refund_requested", "request"),
                ("refund", "confirm"),
                ("refund_return", "come back"),
            ],
        ),
    ],
)
def test_payments_agree_with_what_is_posted_for_them(
    ledger: Ledger,
    ledger_database: Database,
    columns: dict[str, Any],
    posted: list[tuple[str, str | int]],
) -> None:
    fields = {"amount": 900, "status": "captured"} | columns
    payment = ledger.payment(0, **({"settlement_amount": None} | fields))
    for kind, what in posted:
        lines = card_sale(what) if isinstance(what, int) else _LINES[what]
        ledger.post(lines, payment_id=payment, kind=kind)
    assert problems_of(ledger_database) == []


def test_a_converted_payment_agrees_on_both_sides(
    ledger: Ledger, ledger_database: Database
) -> None:
    payment = ledger.payment(captured=1_000, settlement_currency="eur", settlement_amount=900)
    lines = [("debit", "processor_receivable", 1_000), ("credit", "fx_clearing", 1_000)]
    ledger.post(lines, payment_id=payment)
    settled = [("debit", "fx_clearing", 900), ("credit", "merchant_balance", 900)]
    ledger.post(settled, payment_id=payment, currency="eur")
    assert problems_of(ledger_database) == []
    ledger.tamper("UPDATE transactions SET settlement_amount = 901")
    assert _what(problems_of(ledger_database)) == [
        ("transactions", payment, "its settlement_amount is 901, in the ledger it is 900")
    ]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("captured_amount = 999", "its captured_amount is 999, in the ledger it is 1000"),
        (
            "pending_refund_amount = 1",
            "its pending_refund_amount is 1, in the ledger it is 0",
        ),
        (
            "settlement_refunded_amount = 1",
            "its settlement_refunded_amount is 1, in the ledger it is 0",
        ),
        (
            "fee_share_amount = 1, fee_returned_amount = 1",
            "its fee_returned_amount is 1, in the ledger it is 0",
        ),
        ("refunded_amount = 1", "its refunded_amount is 1, in the ledger it is 0"),
        ("settlement_amount = NULL", "its settlement_amount is 0, in the ledger it is 1000"),
        ("amount = 1500, status = 'authorized'", "its held amount is 500, in the ledger it is 0"),
    ],
)
def test_a_payment_that_does_not_agree_is_found(
    ledger: Ledger, ledger_database: Database, change: str, what: str
) -> None:
    ledger.sale(1_000)
    ((payment,),) = ledger.rows("SELECT id FROM transactions")
    ledger.tamper(f"UPDATE transactions SET {change}")
    assert _what(problems_of(ledger_database)) == [("transactions", payment, what)]


def test_a_payment_without_a_journal_is_found(ledger: Ledger, ledger_database: Database) -> None:
    payment = ledger.payment(captured=700)
    ledger.post(sale(1), merchant_id=IDS.new())
    problem = problems_of(ledger_database)[0]
    assert (problem.row_id, problem.what) == (
        payment,
        "its captured_amount is 700, in the ledger it is 0",
    )


_KEY = b"k" * 32


@pytest.fixture
def signed(
    ledger: Ledger, ledger_database: Database, journals: list[uuid.UUID], tmp_path: Path
) -> Path:
    """Heads signed after the five journals; two more are sequenced after that."""
    file = tmp_path / "heads"
    assert heads.export(ledger_database, _KEY, file, now=datetime.now(UTC)) == 3
    for amount in (600, 700):
        ledger.post(sale(amount))
    Sequencer(ledger_database, SystemClock()).run_once()
    return file


def _since(database: Database, file: Path) -> list[Problem]:
    return verify(database, now=datetime.now(UTC), heads=heads.read(file, _KEY)).problems


def test_a_chain_goes_on_from_its_signed_head(
    ledger: Ledger, ledger_database: Database, journals: list[uuid.UUID], signed: Path
) -> None:
    report = verify(ledger_database, now=datetime.now(UTC), heads=heads.read(signed, _KEY))
    assert (report.problems, report.rows) == ([], (3 + 2) * 3), "each head, and what follows"
    ledger.tamper("UPDATE journals SET kind = 'x' WHERE id = %s", journals[1])
    assert _since(ledger_database, signed) == [], "what stands before is not hashed again"
    ledger.tamper(
        "UPDATE ledger_chain SET balance_after = balance_after + 1 WHERE position = 6"
        " AND account_type = 'cash'"
    )
    (problem,) = _since(ledger_database, signed)
    assert (problem.position, problem.what) == (6, "its balance is not the sum")


def test_a_ledger_that_was_hashed_anew_misses_its_signed_head(
    ledger: Ledger, ledger_database: Database, journals: list[uuid.UUID], signed: Path
) -> None:
    """Whoever may change everything makes a chain that holds in itself, but not that one."""
    ledger.tamper("UPDATE journals SET kind = 'gift' WHERE id = %s", journals[0])
    ledger.tamper("DELETE FROM ledger_chain")
    ledger.tamper(
        "INSERT INTO ledger_unsequenced (merchant_id, journal_id)"
        " SELECT merchant_id, id FROM journals"
    )
    Sequencer(ledger_database, SystemClock()).run_once()
    assert problems_of(ledger_database) == []
    found = [each for each in _since(ledger_database, signed) if each.livemode is False]
    mine = next(each for each in found if each.merchant_id == ledger.merchant_id)
    assert (mine.table, mine.position, mine.what) == (
        "ledger_chain",
        5,
        "its hash is not what was signed",
    )


@pytest.mark.parametrize("whose", ["this merchant's", "everybody's"])
def test_a_tail_that_was_cut_without_a_trace_is_found_by_its_signed_head(
    ledger: Ledger, ledger_database: Database, journals: list[uuid.UUID], signed: Path, whose: str
) -> None:
    only = f" merchant_id = '{ledger.merchant_id}'" if whose == "this merchant's" else " true"
    entries = f"(SELECT id FROM ledger_chain WHERE position >= 5 AND {only})"
    if whose == "everybody's":
        entries = "(SELECT id FROM ledger_chain)"
    ledger.tamper(f"DELETE FROM ledger_entries WHERE id IN {entries}")
    ledger.tamper(
        "DELETE FROM journals AS j WHERE NOT EXISTS"
        " (SELECT FROM ledger_entries AS e WHERE e.journal_id = j.id)"
    )
    ledger.tamper(
        "DELETE FROM ledger_chain AS l WHERE NOT EXISTS"
        " (SELECT FROM ledger_entries AS e WHERE e.id = l.id)"
    )
    assert problems_of(ledger_database) == []
    what = "the chain was signed here, and does not reach so far"
    found = _since(ledger_database, signed)
    assert {(each.merchant_id, each.what) for each in found} >= {(ledger.merchant_id, what)}
    assert len(found) == (1 if whose == "this merchant's" else 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace(b'"position":5', b'"position":4'), "signature is wrong"),
        (lambda text: text.replace(b"livemode", b"LIVEMODE", 1), "signature is wrong"),
        (lambda text: text.rpartition(b'{"signature')[0], "signature is missing"),
        (lambda text: b"".join(text.splitlines(keepends=True)[:1]), "signature is missing"),
        (lambda _: b"", "no ledger heads"),
        (lambda _: b"\xff\x00", "no ledger heads"),
        (lambda _: b"[]\n{}", "no ledger heads"),
    ],
)
def test_heads_that_were_changed_are_refused(signed: Path, change: Any, message: str) -> None:
    list(heads.read(signed, _KEY))
    with pytest.raises(heads.BadHeads, match="signature is wrong"):
        heads.read(signed, b"K" * 32)
    signed.write_bytes(change(signed.read_bytes()))
    with pytest.raises(heads.BadHeads, match=message):
        heads.read(signed, _KEY)


def test_heads_are_not_written_over_others(ledger_database: Database, signed: Path) -> None:
    with pytest.raises(FileExistsError):
        heads.export(ledger_database, _KEY, signed, now=datetime.now(UTC))


def test_nothing_is_left_of_heads_that_could_not_be_finished(tmp_path: Path) -> None:
    nowhere = Database("postgresql://nobody@127.0.0.1:1/none", connect_timeout_s=1)
    with pytest.raises(Lost):
        heads.export(nowhere, _KEY, tmp_path / "heads", now=datetime.now(UTC))
    assert list(tmp_path.iterdir()) == []
