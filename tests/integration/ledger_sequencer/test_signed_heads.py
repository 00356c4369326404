"""A chain is held against heads that were signed before: what was cut or rewritten shows."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from paywright.clock import SystemClock
from paywright.db import Database, Lost
from paywright.ledger import heads
from paywright.ledger.sequencer import Sequencer
from paywright.ledger.verify import Problem, verify
from tests.integration.ledger_sequencer.conftest import Ledger, problems_of, sale

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
