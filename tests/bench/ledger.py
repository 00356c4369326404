"""The ledger alone: how fast journals get their place, what a balance costs beside a history."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg

from cli import database as setup
from cli.paths import MIGRATIONS
from emulator.services import Postgres
from paywright.clock import SystemClock
from paywright.db import Database
from paywright.ids import UuidSource
from paywright.ledger.balances import balances, balances_at
from paywright.ledger.sequencer import Sequencer
from tests.bench.figures import percentile
from tests.bench.runs import Run

BENCH = "ledger"
_HISTORY, _WAITING, _TO_SEQUENCE = 1_000_000, 10_000, 60_000
_ENTRIES = 4  # of a sale
_SPREADS = {"one merchant": 1, "1,000 merchants": 1_000}
_READS = 200

# Ids are of consecutive microseconds up to now, as if all of it had been posted just before.
_JOURNALS = """
CREATE TEMP TABLE made AS
SELECT number, (%(merchants)s::uuid[])[1 + number %% %(count)s] AS merchant_id,
       (lpad(to_hex(%(ms)s + number / 1000), 12, '0') || '7' || lpad(to_hex(number %% 1000), 3, '0')
        || '8' || lpad(to_hex(number), 15, '0'))::uuid AS id
  FROM generate_series(1, %(journals)s) AS number;
INSERT INTO journals (merchant_id, id, livemode, transaction_id, kind, created_at)
SELECT merchant_id, id, false, id, 'authorize', now() FROM made;
INSERT INTO ledger_entries (merchant_id, id, journal_id, transaction_id, livemode, entry_type,
                            account_type, processor, amount, currency, created_at)
SELECT merchant_id, overlay(id::text PLACING line.digit FROM 20 FOR 1)::uuid, id, id, false,
       line.side, line.account, line.processor, line.amount, 'usd', now()
  FROM made,
       (VALUES ('8', 'debit', 'processor_receivable', 'simulator', 982),
               ('9', 'debit', 'processor_cost', 'simulator', 18),
               ('a', 'credit', 'merchant_balance', '', 971),
               ('b', 'credit', 'platform_fee', '', 29))
       AS line (digit, side, account, processor, amount)
"""
_WAIT = """
INSERT INTO ledger_unsequenced (merchant_id, journal_id) SELECT merchant_id, id FROM made
"""
# A history in sequence, at once: a balance never looks at hashes.
_CHAIN = """
INSERT INTO ledger_chain (merchant_id, id, livemode, journal_id, position, account_type, currency,
                          processor, sequence, balance_after, row_hash, sequenced_at)
SELECT entry.merchant_id, entry.id, false, made.id, place.number, entry.account_type, 'usd',
       entry.processor, place.number,
       place.number * CASE entry_type WHEN 'debit' THEN amount ELSE -amount END, sha256(''),
       now() - interval '1 day' * (1 - made.number::double precision / %(journals)s)
  FROM made JOIN ledger_entries AS entry
    ON entry.merchant_id = made.merchant_id AND entry.journal_id = made.id
 CROSS JOIN LATERAL (SELECT (made.number - 1) / %(count)s + 1 AS number) AS place
"""


def measure(run: Run) -> None:
    """Fill a database of its own, then sequence and read."""
    run.say("ledger: starting PostgreSQL")
    server = Postgres(
        data_dir=run.folder / "postgres",
        log=run.folder / "postgres.log",
        password=secrets.token_hex(16),
        preferred_port=0,
    )
    server.start()
    try:
        server.wait_ready()
        url = server.database_url("bench")
        setup.migrate(url, MIGRATIONS)
        _sequencing(run, url)
        _reading(run, url)
    finally:
        server.stop()
    for label in _SPREADS:
        rate = run.figures.median(BENCH, "entries sequenced", label)
        wanted = f"sequencer, {label}: at least 5,000 entries a second"
        run.figures.expect(wanted, rate, "/s", at_least=5_000)
    for label in _SPREADS:
        read = run.figures.median(BENCH, "balance read, p50", f"now, {label}")
        run.figures.expect(f"balance read, {label}: p50 at most 5 ms", read, "ms", at_most=5)


def _sequencing(run: Run, url: str) -> None:
    ids = UuidSource(SystemClock())
    for label, count in _SPREADS.items():
        for number in range(run.rounds):
            run.say(f"ledger: sequencing, {label}, round {number + 1} of {run.rounds}")
            _post(url, [ids.new() for _ in range(count)], _TO_SEQUENCE, _WAIT)
            database = Database(url)
            sequencer = Sequencer(database, SystemClock())
            start = time.perf_counter()
            while sequencer.run_once():
                pass
            rate = _TO_SEQUENCE / (time.perf_counter() - start)
            database.close()
            run.figures.add(BENCH, "entries sequenced", "/s", label, rate)


def _reading(run: Run, url: str) -> None:
    ids = UuidSource(SystemClock())
    for label, count in _SPREADS.items():
        run.say(f"ledger: posting {_HISTORY:,} entries, {label}")
        merchants = [ids.new() for _ in range(count)]
        _post(url, merchants, _HISTORY, _CHAIN)
        _post(url, merchants, _WAITING, _WAIT)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
        _read(run, url, label, merchants)
        with psycopg.connect(url) as connection:
            connection.execute("DELETE FROM ledger_unsequenced")
    run.figures.remark(
        f"ledger: balances read beside {_HISTORY:,} entries in sequence and {_WAITING:,} that wait;"
        " with one merchant all of them are its own."
    )


def _read(run: Run, url: str, label: str, merchants: list[UUID]) -> None:
    database = Database(url)
    past = datetime.now(UTC) - timedelta(hours=9)
    reads: dict[str, Callable[[UUID], object]] = {
        "now": lambda each: balances(database, each, livemode=False),
        "nine hours ago": lambda each: balances_at(database, each, livemode=False, as_of=past),
    }
    for when, read in reads.items():
        run.say(f"ledger: reading the balance {when}, {label}")
        took_ms = []
        for number in range(_READS):
            start = time.perf_counter()
            found = read(merchants[number % len(merchants)])
            took_ms.append((time.perf_counter() - start) * 1000)
            assert found, "there is a balance"
        for percent in (50, 99):
            value = percentile(took_ms, percent)
            quantity = f"balance read, p{percent}"
            run.figures.add(BENCH, quantity, "ms", f"{when}, {label}", value)
    database.close()


def _post(url: str, merchants: list[UUID], entries: int, then: str) -> None:
    """Post so many entries, four to a journal, the merchants by turns."""
    ms = int(time.time() * 1000) - entries // _ENTRIES // 1000 - 1
    parameters = {
        "merchants": merchants,
        "count": len(merchants),
        "journals": entries // _ENTRIES,
        "ms": ms,
    }
    with psycopg.ClientCursor(psycopg.connect(url)) as cursor:
        cursor.execute(f"{_JOURNALS};{then}".encode(), parameters)
        cursor.connection.commit()
        cursor.connection.close()
