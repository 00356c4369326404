"""Journals that cannot be sequenced: they hold up no others, and somebody is told."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

from paywright.clock import SystemClock
from paywright.db import Database
from paywright.ledger.sequencer import Sequencer
from tests.integration.ledger_sequencer.conftest import (
    IDS,
    Ledger,
    Moving,
    drain,
    problems_of,
    sale,
    waiting,
)


def test_nothing_is_taken_when_a_journal_is_out_of_balance(
    ledger: Ledger, sequencer: Sequencer, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.post(sale(100))
    ledger.tamper("UPDATE ledger_entries SET amount = amount + 1 WHERE entry_type = 'debit'")
    assert sequencer.run_once() is False
    assert waiting(ledger) == [(ledger.merchant_id, 1)]
    assert ledger.rows("SELECT count(*) FROM ledger_chain") == [(0,)]
    (told,) = caplog.records
    assert told.levelname == "ERROR"
    assert vars(told)["subject"] == str(ledger.merchant_id)
    assert "`paywright ledger verify`" in told.getMessage()
    assert "does not sum to zero" in str(told.exc_info)


def test_a_journal_holds_up_no_other_of_its_merchant_or_of_others(
    ledger: Ledger, ledger_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    clock, other = Moving(), IDS.new()
    # More than two batches that cannot be sequenced, and good ones before, between and after them.
    ledger.post(sale(100))
    bad = [ledger.post(sale(100)) for _ in range(12)]
    ledger.post(sale(100), livemode=True)
    for amount in (100, 200, 300):
        ledger.post(sale(amount), merchant_id=other)
        bad.append(ledger.post(sale(amount)))
        ledger.post(sale(amount))
    broken = "amount = amount {} 1 WHERE entry_type = 'debit' AND journal_id = ANY (%s)"
    ledger.tamper(f"UPDATE ledger_entries SET {broken.format('+')}", bad)
    sequencer = Sequencer(ledger_database, clock, batch=5)

    def told() -> list[str]:
        found = [vars(record) for record in caplog.records]
        caplog.clear()
        assert {each["subject"] for each in found} <= {str(ledger.merchant_id)}
        assert len(found) == len({each["first"][0] for each in found}), "each round tells it once"
        return [name for each in found for name in each["first"]]

    def waiting() -> list[uuid.UUID]:
        return [row[0] for row in ledger.rows("SELECT journal_id FROM ledger_unsequenced")]

    drain(sequencer)
    assert sorted(waiting()) == bad
    assert sorted(told()) == [str(each) for each in bad]
    # They are not looked at again at once, and in a minute they are.
    ledger.post(sale(200))
    clock.ahead = timedelta(seconds=59)
    drain(sequencer)
    assert (sorted(waiting()), told()) == (bad, [])
    clock.ahead = timedelta(seconds=61)
    ledger.post(sale(200))
    drain(sequencer)
    assert sorted(waiting()) == bad
    assert sorted(told()) == [str(each) for each in bad]
    ledger.tamper(f"UPDATE ledger_entries SET {broken.format('-')}", bad)
    clock.ahead = timedelta(seconds=122)
    drain(sequencer)
    assert waiting() == []
    assert problems_of(ledger_database) == []


def test_no_more_journals_are_left_aside_than_there_is_room_for(
    ledger: Ledger, ledger_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paywright.ledger.sequencer._MOST_ASIDE", 3)
    for _ in range(5):
        ledger.post(sale(100))
    ledger.tamper("UPDATE ledger_entries SET amount = amount + 1 WHERE entry_type = 'debit'")
    sequencer = Sequencer(ledger_database, SystemClock(), batch=2)
    assert [sequencer.run_once() for _ in range(3)] == [True, True, False], "it does not spin"
    assert len(sequencer._aside) == 3


def test_one_cause_that_no_journal_has_is_told_once(
    ledger: Ledger, ledger_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Moving()
    for _ in range(40):
        ledger.post(sale(100), merchant_id=IDS.new())
    sequencer = Sequencer(ledger_database, clock, batch=20)
    ledger.owner.execute("REVOKE INSERT ON ledger_chain FROM paywright_app")
    try:
        for seconds in (0, 1, 2, 59):
            clock.ahead = timedelta(seconds=seconds)
            assert sequencer.run_once() is False
        assert len(sequencer._aside) == 4 * 3, "a round tries no more of them"
        (told,) = caplog.records
        assert told.levelname == "ERROR"
        assert "whosever they are" in told.getMessage()
        assert "permission denied for table ledger_chain" in str(told.exc_info)
        clock.ahead = timedelta(seconds=61)
        sequencer.run_once()
        assert len(caplog.records) == 2, "a minute later it is told anew"
    finally:
        ledger.owner.execute("GRANT INSERT ON ledger_chain TO paywright_app")
    clock.ahead = timedelta(seconds=122)
    drain(sequencer)
    assert len(caplog.records) == 2
    assert waiting(ledger) == []
    assert problems_of(ledger_database) == []


def test_what_only_a_whole_batch_fails_of_is_told(
    ledger: Ledger, ledger_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(20):
        ledger.post(sale(100))
    ledger.owner.execute(
        "CREATE FUNCTION too_many() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF (SELECT count(DISTINCT journal_id) > 8 FROM added) THEN RAISE 'more than 8'; END IF;"
        " RETURN NULL; END $$"
    )
    ledger.owner.execute(
        "CREATE TRIGGER too_many AFTER INSERT ON ledger_chain REFERENCING NEW TABLE AS added"
        " FOR EACH STATEMENT EXECUTE FUNCTION too_many()"
    )
    try:
        drain(Sequencer(ledger_database, SystemClock(), batch=20))
    finally:
        ledger.owner.execute("DROP FUNCTION too_many CASCADE")
    (told,) = caplog.records
    assert told.levelname == "WARNING"
    assert "more than 8" in str(told.exc_info)
    assert waiting(ledger) == []
    assert problems_of(ledger_database) == []
