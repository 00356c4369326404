"""The sequencer against a real database: order, numbers, balances, and one writer at a time."""

from __future__ import annotations

import json
import random
import threading
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

import psycopg
import pytest

from paywright import db
from paywright.clock import SystemClock
from paywright.db import Database
from paywright.ledger.backlog import ledger_backlog
from paywright.ledger.balances import balance, balances, balances_at
from paywright.ledger.chain import Account
from paywright.ledger.sequencer import Sequencer
from tests.api import LambdaContext, load_function
from tests.integration.ledger_sequencer.conftest import IDS, Ledger, Line, problems_of, sale
from tests.services import Servers


class _Moving:
    """A clock that a test moves."""

    ahead = timedelta()

    def now(self) -> datetime:
        return SystemClock().now() + self.ahead


@pytest.fixture
def sequencer(ledger_database: Database) -> Sequencer:
    return Sequencer(ledger_database, SystemClock(), batch=50)


def _drain(sequencer: Sequencer) -> None:
    while sequencer.run_once():
        pass


def test_a_journal_gets_one_position_and_its_entries_numbers_and_balances(
    ledger: Ledger, sequencer: Sequencer
) -> None:
    first, second = ledger.post(sale(1_000)), ledger.post(sale(500))
    assert sequencer.run_once() is False
    assert ledger.rows("SELECT count(*) FROM ledger_unsequenced") == [(0,)]
    assert ledger.rows(
        "SELECT position, journal_id, account_type, processor, sequence, balance_after"
        " FROM ledger_chain ORDER BY position, id"
    ) == [
        (1, first, "cash", "simulator", 1, 1_000),
        (1, first, "merchant_balance", "", 1, -990),
        (1, first, "platform_fee", "", 1, -10),
        (2, second, "cash", "simulator", 2, 1_500),
        (2, second, "merchant_balance", "", 2, -1_485),
        (2, second, "platform_fee", "", 2, -15),
    ]
    hashes = ledger.rows("SELECT position, row_hash FROM ledger_chain GROUP BY 1, 2")
    assert len(hashes) == 2


def test_a_later_batch_goes_on_where_the_last_one_ended(
    ledger: Ledger, sequencer: Sequencer, ledger_database: Database
) -> None:
    for amount in (100, 200):
        ledger.post(sale(amount))
        sequencer.run_once()
    assert ledger.rows(
        "SELECT position, sequence, balance_after FROM ledger_chain WHERE account_type = 'cash'"
        " ORDER BY position"
    ) == [(1, 1, 100), (2, 2, 300)]
    assert problems_of(ledger_database) == []


def test_the_order_within_a_batch_is_that_of_the_journals_ids(
    ledger: Ledger, sequencer: Sequencer
) -> None:
    ids = [IDS.new() for _ in range(20)]
    for journal_id in random.sample(ids, len(ids)):
        ledger.post(sale(100), journal_id=journal_id)
    sequencer.run_once()
    order = ledger.rows("SELECT DISTINCT position, journal_id FROM ledger_chain ORDER BY position")
    assert order == list(enumerate(ids, start=1))


def test_no_more_than_a_batch_is_taken_at_once(ledger: Ledger, sequencer: Sequencer) -> None:
    for _ in range(60):
        ledger.post(sale(100))
    assert sequencer.run_once() is True
    assert ledger.rows("SELECT count(*) FROM ledger_unsequenced") == [(10,)]
    assert sequencer.run_once() is False
    assert ledger.rows("SELECT max(position) FROM ledger_chain") == [(60,)]


def test_merchants_and_modes_have_chains_of_their_own(
    ledger: Ledger, sequencer: Sequencer, ledger_database: Database
) -> None:
    other = IDS.new()
    ledger.post(sale(100))
    ledger.post(sale(200), livemode=True)
    ledger.post(sale(400), merchant_id=other)
    sequencer.run_once()
    assert ledger.rows("SELECT DISTINCT position FROM ledger_chain") == [(1,)]
    assert ledger.rows("SELECT count(DISTINCT row_hash) FROM ledger_chain") == [(3,)]
    live = balances(ledger_database, ledger.merchant_id, livemode=True)
    assert {item.account.account_type: item.amount_minor for item in live} == {
        "cash": 200,
        "merchant_balance": -198,
        "platform_fee": -2,
    }
    assert problems_of(ledger_database) == []


def test_balances_are_exact_before_during_and_after_sequencing(
    ledger: Ledger, sequencer: Sequencer, ledger_database: Database
) -> None:
    cash = Account(ledger.merchant_id, False, "cash", "usd", "simulator")
    hold = Account(ledger.merchant_id, False, "merchant_hold", "usd", "")
    assert balance(ledger_database, cash) == 0
    assert balances(ledger_database, ledger.merchant_id, livemode=False) == []
    for number in range(1, 101):
        ledger.post(sale(100))
        assert balance(ledger_database, cash) == number * 100
    ledger.post([("debit", "customer_hold", 70), ("credit", "merchant_hold", 70)])
    expected = balances(ledger_database, ledger.merchant_id, livemode=False)
    assert {item.account.account_type: item.amount_minor for item in expected} == {
        "cash": 10_000,
        "customer_hold": 70,
        "merchant_balance": -9_900,
        "merchant_hold": -70,
        "platform_fee": -100,
    }
    while sequencer.run_once():
        assert balances(ledger_database, ledger.merchant_id, livemode=False) == expected
    assert balances(ledger_database, ledger.merchant_id, livemode=False) == expected
    assert balance(ledger_database, cash) == 10_000
    assert balance(ledger_database, hold) == -70
    stranger = Account(IDS.new(), False, "cash", "usd", "simulator")
    assert balance(ledger_database, stranger) == 0


def test_balances_hold_while_others_write_and_sequence(
    ledger: Ledger, sequencer: Sequencer, servers: Servers, own_database_url: str
) -> None:
    """A reader sees each journal once, whichever side of the sequencer it is on."""
    cash = Account(ledger.merchant_id, False, "cash", "usd", "simulator")
    reader = Database(servers.app_url(own_database_url))
    posted = 0
    done = threading.Event()
    wrong: list[tuple[int, int, int]] = []

    def read() -> None:
        while not done.is_set():
            before = posted
            seen = balance(reader, cash)
            after = posted + 1  # one may be committed and not yet counted
            if not before * 100 <= seen <= after * 100:
                wrong.append((before, seen, after))

    def sequence() -> None:
        while not done.is_set():
            sequencer.run_once()

    threads = [threading.Thread(target=read), threading.Thread(target=sequence)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(150):
            ledger.post(sale(100))
            posted += 1
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert balance(reader, cash) == 15_000
    reader.close()


def test_a_second_sequencer_leaves_while_one_is_at_work(
    ledger: Ledger, sequencer: Sequencer, own_database_url: str
) -> None:
    ledger.post(sale(100))
    with psycopg.connect(own_database_url) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtext('ledger sequencer'))")
        assert sequencer.run_once() is False
        assert ledger.rows("SELECT count(*) FROM ledger_unsequenced") == [(1,)]
    sequencer.run_once()
    assert ledger.rows("SELECT count(*) FROM ledger_unsequenced") == [(0,)]


def test_many_sequencers_at_once_make_one_chain(
    ledger: Ledger, servers: Servers, own_database_url: str, ledger_database: Database
) -> None:
    for _ in range(200):
        ledger.post(sale(100))
    databases = [Database(servers.app_url(own_database_url)) for _ in range(4)]
    failures: list[BaseException] = []

    def drain(database: Database) -> None:
        sequencer = Sequencer(database, SystemClock(), batch=7)
        try:
            for _ in range(40):
                sequencer.run_once()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=drain, args=(database,)) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for database in databases:
        database.close()
    _drain(Sequencer(ledger_database, SystemClock()))
    assert failures == []
    assert problems_of(ledger_database) == []
    assert ledger.rows("SELECT count(DISTINCT position), max(position) FROM ledger_chain") == [
        (200, 200)
    ]


def _waiting(ledger: Ledger) -> list[tuple[uuid.UUID, int]]:
    return ledger.rows("SELECT merchant_id, count(*) FROM ledger_unsequenced GROUP BY 1")


def test_nothing_is_taken_when_a_journal_is_out_of_balance(
    ledger: Ledger, sequencer: Sequencer, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.post(sale(100))
    ledger.tamper("UPDATE ledger_entries SET amount = amount + 1 WHERE entry_type = 'debit'")
    assert sequencer.run_once() is False
    assert _waiting(ledger) == [(ledger.merchant_id, 1)]
    assert ledger.rows("SELECT count(*) FROM ledger_chain") == [(0,)]
    (told,) = caplog.records
    assert told.levelname == "ERROR"
    assert vars(told)["subject"] == str(ledger.merchant_id)
    assert "`paywright ledger verify`" in told.getMessage()
    assert "does not sum to zero" in str(told.exc_info)


def test_a_journal_holds_up_no_other_of_its_merchant_or_of_others(
    ledger: Ledger, ledger_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    clock, other = _Moving(), IDS.new()
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

    _drain(sequencer)
    assert sorted(waiting()) == bad
    assert sorted(told()) == [str(each) for each in bad]
    # They are not looked at again at once, and in a minute they are.
    ledger.post(sale(200))
    clock.ahead = timedelta(seconds=59)
    _drain(sequencer)
    assert (sorted(waiting()), told()) == (bad, [])
    clock.ahead = timedelta(seconds=61)
    ledger.post(sale(200))
    _drain(sequencer)
    assert sorted(waiting()) == bad
    assert sorted(told()) == [str(each) for each in bad]
    ledger.tamper(f"UPDATE ledger_entries SET {broken.format('-')}", bad)
    clock.ahead = timedelta(seconds=122)
    _drain(sequencer)
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
    clock = _Moving()
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
    _drain(sequencer)
    assert len(caplog.records) == 2
    assert _waiting(ledger) == []
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
        _drain(Sequencer(ledger_database, SystemClock(), batch=20))
    finally:
        ledger.owner.execute("DROP FUNCTION too_many CASCADE")
    (told,) = caplog.records
    assert told.levelname == "WARNING"
    assert "more than 8" in str(told.exc_info)
    assert _waiting(ledger) == []
    assert problems_of(ledger_database) == []


def test_balances_beyond_the_largest_bigint_are_exact(
    ledger: Ledger, sequencer: Sequencer, ledger_database: Database
) -> None:
    most = 2**63 - 1
    cash = Account(ledger.merchant_id, False, "cash", "irr", "simulator")
    lines: list[Line] = [("debit", "cash", most), ("credit", "merchant_balance", most)]
    for number in (1, 2, 3):
        ledger.post(lines, currency="irr")
        assert balance(ledger_database, cash) == number * most, "while it waits"
        sequencer.run_once()
        assert balance(ledger_database, cash) == number * most
    assert _waiting(ledger) == []
    expected = {"cash": 3 * most, "merchant_balance": -3 * most}
    for found in (
        balances(ledger_database, ledger.merchant_id, livemode=False),
        balances_at(ledger_database, ledger.merchant_id, livemode=False, as_of=SystemClock().now()),
    ):
        assert {each.account.account_type: each.amount_minor for each in found} == expected
    assert problems_of(ledger_database) == []


def test_what_waits_shows_as_metrics_and_for_how_long(
    ledger: Ledger, ledger_database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = _Moving()
    posted = SystemClock().now()
    for minutes in (1, 7, 3):
        ledger.post(sale(100), created_at=posted - timedelta(minutes=minutes))
    ledger_backlog(ledger_database, clock).tell()
    told = json.loads(capsys.readouterr().out)
    assert told["UnsequencedJournals"] == 3
    assert 7 * 60 <= told["UnsequencedAgeSeconds"] < 8 * 60
    names = [each["Name"] for each in told["_aws"]["CloudWatchMetrics"][0]["Metrics"]]
    assert names == ["UnsequencedJournals", "UnsequencedAgeSeconds"]
    _drain(Sequencer(ledger_database, clock))
    assert ledger_backlog(ledger_database, clock).look() == (0, 0.0)


def test_a_lost_database_is_told_as_such() -> None:
    nowhere = Database("postgresql://nobody@127.0.0.1:1/none", connect_timeout_s=1)
    with pytest.raises(db.Lost):
        Sequencer(nowhere, SystemClock()).run_once()


def test_the_function_sequences(
    monkeypatch: pytest.MonkeyPatch,
    ledger: Ledger,
    ledger_database: Database,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in {
        "DATABASE_URL": ledger_database._url,
        "VALKEY_URL": "redis://127.0.0.1:1/0",
        "PII_KEY": "a-key-of-tests",
    }.items():
        monkeypatch.setenv(name, value)
    ledger.post(sale(100))
    capsys.readouterr()
    app = load_function("ledger")
    app._parts.cache_clear()
    try:
        assert app.handler({}, LambdaContext()) is None
    finally:
        app._parts()[0]._database.close()
        app._parts.cache_clear()
    assert ledger.rows("SELECT count(*) FROM ledger_unsequenced") == [(0,)]
    assert '"UnsequencedJournals":1' in capsys.readouterr().out


def test_the_application_cannot_change_the_chain(
    ledger: Ledger, sequencer: Sequencer, ledger_database: Database
) -> None:
    ledger.post(sale(100))
    sequencer.run_once()
    statements: list[Callable[[], object]] = [
        lambda: ledger_database.run(b"UPDATE ledger_chain SET balance_after = 0", {}),
        lambda: ledger_database.run(b"DELETE FROM ledger_chain", {}),
        lambda: ledger_database.run(b"TRUNCATE ledger_chain", {}),
    ]
    for statement in statements:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            statement()
