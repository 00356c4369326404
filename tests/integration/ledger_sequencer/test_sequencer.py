"""The sequencer against a real database: order, numbers, balances, and one writer at a time."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from datetime import timedelta

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
from tests.integration.ledger_sequencer.conftest import (
    IDS,
    Ledger,
    Line,
    Moving,
    drain,
    problems_of,
    sale,
    waiting,
)
from tests.services import Servers


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

    def sequence(database: Database) -> None:
        sequencer = Sequencer(database, SystemClock(), batch=7)
        try:
            for _ in range(40):
                sequencer.run_once()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=sequence, args=(database,)) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for database in databases:
        database.close()
    drain(Sequencer(ledger_database, SystemClock()))
    assert failures == []
    assert problems_of(ledger_database) == []
    assert ledger.rows("SELECT count(DISTINCT position), max(position) FROM ledger_chain") == [
        (200, 200)
    ]


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
    assert waiting(ledger) == []
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
    clock = Moving()
    posted = SystemClock().now()
    for minutes in (1, 7, 3):
        ledger.post(sale(100), created_at=posted - timedelta(minutes=minutes))
    ledger_backlog(ledger_database, clock).tell()
    told = json.loads(capsys.readouterr().out)
    assert told["UnsequencedJournals"] == 3
    assert 7 * 60 <= told["UnsequencedAgeSeconds"] < 8 * 60
    names = [each["Name"] for each in told["_aws"]["CloudWatchMetrics"][0]["Metrics"]]
    assert names == ["UnsequencedJournals", "UnsequencedAgeSeconds"]
    drain(Sequencer(ledger_database, clock))
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
