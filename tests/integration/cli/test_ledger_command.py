"""`paywright ledger` and `paywright merchant fees` against any database, named by DATABASE_URL."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from cli.main import main
from cli.paths import Home
from cli.state import State, Urls
from emulator.services.process import Identity
from paywright.clock import SystemClock
from paywright.db import Database
from paywright.ids import UuidSource, typeid
from paywright.ledger.sequencer import Sequencer
from paywright.merchants.create import create_merchant
from tests.integration.ledger_sequencer.conftest import IDS, Ledger, card_sale, sale


class Command:
    """`paywright`, told of a database and nothing else."""

    def __init__(self, url: str, home: Path) -> None:
        self.env = {
            **os.environ,
            "DATABASE_URL": url,
            "PAYWRIGHT_HOME": str(home),
            "COLUMNS": "200",
            "LEDGER_HEADS_KEY": "",
        }

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run it in this process: a new one would take longer to start than the command runs."""
        out, errors = io.StringIO(), io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(errors),
        ):
            for name, value in (self.env | env).items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["paywright", *arguments])
            with pytest.raises(SystemExit) as ended:
                main()
        code = int(ended.value.code or 0)
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), errors.getvalue())

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def refused(self, *arguments: str, **env: str) -> str:
        done = self.run(*arguments, **env)
        assert done.returncode == 1, done.stdout
        (line,) = done.stderr.splitlines()
        return line.removeprefix("paywright: ")


@pytest.fixture(scope="module")
def ledger_url(servers: Any) -> str:
    return str(servers.create_database(f"ledger_cli_{IDS.new().hex[-12:]}"))


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with psycopg.connect(ledger_url, autocommit=True) as connection:
        made = Ledger(connection, IDS.new())
        made.empty()
        yield made


@pytest.fixture
def command(ledger_url: str, tmp_path: Path) -> Command:
    return Command(ledger_url, tmp_path / "home")


@pytest.fixture
def sequence(ledger_url: str) -> Iterator[Callable[[], None]]:
    database = Database(ledger_url)

    def run() -> None:
        Sequencer(database, SystemClock()).run_once()

    yield run
    database.close()


def test_a_ledger_that_holds(
    command: Command, ledger: Ledger, sequence: Callable[[], None]
) -> None:
    ledger.sale(1_000)
    sequence()
    assert command.json("ledger", "verify") == {
        "ok": True,
        "merchants": 1,
        "rows": 4,
        "problems": [],
    }
    done = command.run("ledger", "verify")
    assert (done.returncode, done.stdout) == (0, "The ledger holds: 1 merchant, 4 rows.\n")


def test_the_first_broken_row_is_named(
    command: Command, ledger: Ledger, sequence: Callable[[], None]
) -> None:
    posted = [ledger.sale(amount) for amount in (1_000, 2_000)]
    sequence()
    ledger.tamper("UPDATE journals SET kind = 'gift' WHERE id = %s", posted[0])
    merchant = typeid("mer", ledger.merchant_id)
    done = command.run("ledger", "verify", "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["ok"] is False
    assert report["problems"][-1] == {
        "merchant_id": merchant,
        "livemode": False,
        "table": "journals",
        "row_id": str(posted[0]),
        "position": 1,
        "what": "it or one of its entries is not what was hashed",
    }
    done = command.run("ledger", "verify")
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == (
        "The ledger is broken (1 merchant, 8 rows). The first broken row:"
    )
    assert f"{merchant}, test: transactions" in done.stdout.splitlines()[1]
    assert f"{merchant}, test: journals {posted[0]} at position 1: it or" in done.stdout


def test_signed_heads(
    command: Command, ledger: Ledger, sequence: Callable[[], None], tmp_path: Path
) -> None:
    ledger.sale(1_000)
    sequence()
    file = tmp_path / "heads"
    done = command.run("ledger", "heads", "export", str(file))
    assert (done.returncode, done.stdout) == (0, f"1 heads are signed in {file}.\n")
    ledger.sale(2_000)
    sequence()
    assert command.json("ledger", "verify", "--from-head", str(file))["rows"] == 8
    ledger.tamper("UPDATE ledger_chain SET row_hash = sha256('x') WHERE position = 1")
    done = command.run("ledger", "verify", "--from-head", str(file))
    assert done.returncode == 1
    assert "its hash is not what was signed" in done.stdout
    assert "exists already" in command.refused("ledger", "heads", "export", str(file))
    verify = ("ledger", "verify", "--from-head")
    assert "signature is wrong" in command.refused(
        *verify, str(file), LEDGER_HEADS_KEY="another key, of thirty-two letters"
    )
    assert "too short" in command.refused(*verify, str(file), LEDGER_HEADS_KEY="short")
    assert "cannot be read" in command.refused(*verify, str(tmp_path / "none"))
    file.write_text("{}\n")
    assert "no ledger heads" in command.refused(*verify, str(file))


def test_balances_and_entries(
    command: Command, ledger: Ledger, sequence: Callable[[], None]
) -> None:
    mine = ("--merchant", typeid("mer", ledger.merchant_id))
    assert command.json("ledger", "balances", *mine) == []
    assert command.run("ledger", "entries", *mine).stdout == "There are no entries.\n"
    before = datetime.now(UTC) - timedelta(seconds=1)
    ledger.sale(1_000)
    sequence()
    ledger.post(sale(500), livemode=True)
    assert command.json("ledger", "balances", *mine) == [
        {"account_type": name, "currency": "usd", "processor": processor, "balance": balance}
        for name, processor, balance in (
            ("merchant_balance", "", 990),
            ("platform_fee", "", 10),
            ("processor_cost", "simulator", -20),
            ("processor_receivable", "simulator", -980),
        )
    ]
    as_of = ("--as-of", before.isoformat())
    assert command.json("ledger", "balances", *mine, *as_of) == []
    shown = command.run("ledger", "balances", *mine).stdout
    assert re.search(r"^total +usd +10\.00 +10\.00$", shown, re.MULTILINE)
    found = command.json("ledger", "entries", *mine, "-n", "2")
    assert [each["account_type"] for each in found] == ["platform_fee", "merchant_balance"]
    (cost,) = command.json("ledger", "entries", *mine, "--account-type", "processor_cost")
    assert (cost["processor"], cost["amount"], cost["balance_after"]) == ("simulator", 20, -20)
    lines = command.run("ledger", "entries", *mine, "--live").stdout.splitlines()
    assert len(lines) == 4
    assert lines[-1].split()[-1] == "yet"


def test_t_accounts_of_a_payment(command: Command, ledger: Ledger) -> None:
    payment = ledger.payment(1_000)
    ledger.post(card_sale(1_000), payment_id=payment)
    done = command.run("ledger", "t-accounts", typeid("txn", payment))
    assert done.returncode == 0
    assert "merchant_balance, usd" in done.stdout
    assert "9.90 capture" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("ledger", "balances"), "Say which merchant: --merchant mer_…."),
        (("ledger", "balances", "--merchant", "me"), "me is no merchant's id: that is mer_"),
        (("ledger", "balances", "--as-of", "noon"), "--as-of: give a time as 2026"),
        (("ledger", "entries", "--payment", "1"), "--payment: an id that begins with txn_."),
        (("ledger", "t-accounts", "1"), "1 is no payment's id: it begins with txn_."),
        (
            ("ledger", "t-accounts", "txn_01kaqd1e8pe5b9n2w4tq7c3m0x"),
            "Nothing is posted for txn_01kaqd1e8pe5b9n2w4tq7c3m0x.",
        ),
        (("merchant", "fees", "list"), "Say which merchant: --merchant mer_…."),
    ],
)
def test_what_is_wrong_is_said(command: Command, arguments: list[str], sentence: str) -> None:
    assert command.refused(*arguments).startswith(sentence)


def test_a_time_to_come_is_refused(command: Command) -> None:
    mine = ("--merchant", typeid("mer", IDS.new()), "--as-of", "2999-01-01T00:00:00Z")
    assert command.refused("ledger", "balances", *mine) == "--as-of lies in the future."


def test_a_database_that_cannot_be_asked_is_said_without_its_password(
    command: Command, servers: Any
) -> None:
    nowhere = "postgresql://somebody:hidden@127.0.0.1:1/none"
    said = command.refused("ledger", "verify", DATABASE_URL=nowhere)
    assert said.startswith("The database postgresql://somebody@127.0.0.1:1/none refuses: ")
    assert "hidden" not in said
    empty = command.refused("ledger", "verify", DATABASE_URL=servers.postgres_url)
    assert empty.endswith("has no ledger: apply the migrations.")


@pytest.fixture
def merchant(ledger_url: str) -> Iterator[tuple[UUID, str]]:
    clock = SystemClock()
    with psycopg.connect(ledger_url, autocommit=True) as connection:
        made = create_merchant(
            connection,
            "key",
            name="Fees",
            email=f"{IDS.new().hex}@example.com",
            settlement_currency="usd",
            clock=clock,
            ids=UuidSource(clock),
        )
        row = connection.execute("SELECT max(created_at), max(id::text) FROM merchants").fetchone()
        assert row is not None
        yield UUID(row[1]), made.id


def test_fees_are_agreed_and_noted(
    command: Command, ledger: Ledger, merchant: tuple[UUID, str]
) -> None:
    mine = ("--merchant", merchant[1])
    fees = ("merchant", "fees")
    assert command.run(*fees, "list", *mine).stdout == (
        "otherwise card: 2.9 %\notherwise bank_account: 1 %\n"
    )
    plan = ("--method", "card", "--currency", "USD", "--percent", "2.45", "--fixed", "30")
    done = command.run(*fees, "set", *mine, *plan)
    assert done.stdout == "Agreed: card, usd: 2.45 % + 0.30 usd.\n"
    assert done.stderr.startswith("Requests may see the fees of before")
    command.json(*fees, "set", *mine, "--method", "card", "--currency", "usd", "--percent", "3")
    again = ("--method", "bank_account", "--percent", "0.8", "--return-on-refund")
    command.json(*fees, "set", *mine, *again)
    assert [
        (each["method_type"], each["currency"], each["basis_points"], each["fixed_amount"])
        for each in command.json(*fees, "list", *mine)
    ] == [("bank_account", "*", 80, 0), ("card", "usd", 300, 0)]
    noted = ledger.rows(
        "SELECT changes FROM audit_log WHERE entity_type = 'fee_plan' AND entity_id = %s"
        " ORDER BY id",
        merchant[0],
    )
    before = {"basis_points": 245, "fixed_amount": 30, "returned_on_refund": False}
    after = {"basis_points": 300, "fixed_amount": 0, "returned_on_refund": False}
    assert [row[0] for row in noted[:2]] == [
        {"card usd": [None, before]},
        {"card usd": [before, after]},
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--method cash", "method: one of card, bank_account, bank_return."),
        ("--method card --percent 101", "percent: 0 to 100."),
        ("--method card --percent=-1", "percent: 0 to 100."),
        ("--method card --percent 2.999", "--percent takes a number with at most two decimals"),
        ("--method card --percent lots", "--percent takes a number with at most two decimals"),
        ("--method card --percent NaN", "--percent takes a number with at most two decimals"),
        ("--method card --fixed 30", "fixed: needs a currency; * has a percentage only."),
        ("--method card --currency usd --fixed=-1", "fixed: 0 to 99999999999."),
        ("--method card --currency xyz", "The currency is not an ISO 4217 code"),
        ("--method card --merchant mer_01kaqd1e8pe5b9n2w4tq7c3m0x", "There is no such merchant."),
    ],
)
def test_fees_that_make_no_sense_are_refused(
    command: Command, merchant: tuple[UUID, str], arguments: str, sentence: str
) -> None:
    mine = [] if "--merchant" in arguments else ["--merchant", merchant[1]]
    said = command.refused("merchant", "fees", "set", *mine, *arguments.split())
    assert said.startswith(sentence)


def test_the_doctor_finds_journals_that_stay_unsequenced(
    command: Command, ledger: Ledger, ledger_url: str, tmp_path: Path
) -> None:
    urls = Urls("", "", "", ledger_url, "", "", "")
    home = Home(tmp_path / "home")
    home.make()
    this_process = Identity.of(os.getpid())
    assert this_process is not None
    State(this_process, {}, urls).save(home)  # as if it were the system
    ledger.post(sale(100), created_at=datetime.now(UTC) - timedelta(minutes=14))
    assert "1 journals wait for their place, none of them for long" in command.run("doctor").stdout
    ledger.post(sale(100), created_at=datetime.now(UTC) - timedelta(minutes=16))
    done = command.run("doctor")
    assert done.returncode == 1
    assert "2 journals are not in sequence, one of them for 16 minutes" in done.stdout
    assert "`paywright ledger verify`" in done.stdout
