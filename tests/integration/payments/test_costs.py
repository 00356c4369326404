"""What processors keep is data: by processor, method and currency, posted beside the fee."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from paywright.payments.notices import hear_notices
from paywright.settings import Settings
from paywright.wiring import assemble
from tests.api import Api
from tests.clock_file import ClockFile
from tests.ledger_of import accounts

LEDGER = Path(__file__).parents[3] / "docs" / "ledger.md"


def account(api: Api) -> str:
    body = {"account_number": "000123456789", "routing_number": "110000000", "country": "US"}
    body |= {"currency": "usd", "account_holder_name": "Ada"}
    path = f"/v1/customers/{api.customer()}/payment_methods"
    return str(api.post(path, {"type": "bank_account", "bank_account": body}).json["id"])


@pytest.mark.parametrize(("amount", "cost"), [(10_000, 80), (1_000_000, 500)])
def test_a_bank_accounts_fee_and_cost_where_nothing_was_agreed(
    amount: int,
    cost: int,
    owner: psycopg.Connection[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    clock = ClockFile(tmp_path / "clock")
    monkeypatch.setenv("CLOCK_FILE", str(tmp_path / "clock"))
    platform, api = request.getfixturevalue("platform"), request.getfixturevalue("api")
    payment = api.pay(account(api), amount).json
    clock.advance(timedelta(days=10))
    hear_notices(platform.payments)
    booked = accounts(owner, payment["id"])
    assert (booked["platform_fee"], booked["processor_cost"]) == (-amount // 100, cost)
    assert booked["merchant_balance"] == amount // 100 - amount


def test_costs_that_are_given_are_posted(
    owner: psycopg.Connection[Any],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """With the example of the documentation."""
    shown = re.search(r"ProcessorCosts='(.*)'", LEDGER.read_text())
    assert shown is not None
    assert settings.processor_costs
    monkeypatch.setenv("PROCESSOR_COSTS", shown[1])
    request.getfixturevalue("platform")
    api = request.getfixturevalue("api")
    for currency, cost in (("usd", 140 + 10), ("eur", 200)):
        payment = api.pay(api.card(), 10_000, currency=currency).json
        assert accounts(owner, payment["id"])["processor_cost"] == cost


def test_costs_of_a_processor_that_does_not_exist_are_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.processor_costs
    monkeypatch.setenv("PROCESSOR_COSTS", '[{"processor": "simulater", "method_type": "card"}]')
    with pytest.raises(ValueError, match=r"simulater is no processor; there are bank_transfer, s"):
        assemble(Settings())
