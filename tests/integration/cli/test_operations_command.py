"""`paywright operations` against a database, named by DATABASE_URL."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from paywright.ids import parse_typeid
from tests.api import Api
from tests.integration.cli.test_ledger_command import Command
from tests.platform import api, new_merchant, owner, platform, settings

__all__ = ["api", "new_merchant", "owner", "platform", "settings"]


@pytest.fixture
def app_database_url(new_database_url: Callable[[], str], servers: object) -> str:
    return new_database_url()


@pytest.fixture
def database_url(app_database_url: str) -> str:
    return app_database_url


def test_what_waits_for_a_person_is_shown_and_looked_at_again(
    api: Api, database_url: str, tmp_path: Path
) -> None:
    command = Command(database_url, tmp_path)
    assert "Nothing is undecided" in command.run("operations", "list").stdout
    payment_id = api.pay(api.card("4000000000003006"), 1234).json["id"]
    shown = command.run("operations", "list", COLUMNS="80").stdout
    assert payment_id in shown.split()
    assert "12.34 usd" in shown
    (listed,) = command.json("operations", "list")
    assert listed["operation_id"] in shown.split()
    assert (listed["payment_id"], listed["merchant_id"]) == (payment_id, api.merchant.id)
    assert json.loads(command.run("operations", "list", "--stuck", "--json").stdout) == []

    operation = parse_typeid("op", listed["operation_id"])
    with psycopg.connect(database_url, autocommit=True) as connection:
        for named in (listed["operation_id"], payment_id, str(operation)):
            connection.execute("UPDATE pending_operations SET needs_person = true, attempts = 51")
            found = command.json("operations", "list", "--stuck")
            assert [each["kind"] for each in found] == ["authorize"]
            done = command.run("operations", "retry", named)
            assert done.returncode == 0, done.stderr
            assert done.stdout == f"{named} is looked at within seconds.\n"
            row = connection.execute(
                "SELECT needs_person, attempts, due_at <= now() FROM pending_operations"
            ).fetchone()
            assert row == (False, 0, True), named


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ("nonsense", "is no operation's id"),
        ("mer_01kaqd1e8pe5b9n2w4tq7c3m0x", "is no operation's id and no payment's"),
        ("op_01kaqd1e8pe5b9n2w4tq7c3m0x", "no undecided operation"),
        ("txn_01kaqd1e8pe5b9n2w4tq7c3m0x", "no undecided operation"),
        ("0191d6f0-0000-7000-8000-000000000001", "no undecided operation"),
    ],
)
def test_what_is_none_is_said(operation: str, said: str, database_url: str, tmp_path: Path) -> None:
    done = Command(database_url, tmp_path).run("operations", "retry", operation)
    assert done.returncode == 1
    assert said in done.stderr
