"""What merchants pay and what processors keep, by method and currency."""

from __future__ import annotations

import json
from typing import Any

import pytest

from paywright.fees import SIMULATED_COSTS, CostPlan, FeePlan, cost_of, fee_of
from paywright.money import Currency, Money
from paywright.settings import Settings

USD, EUR, JPY = (Currency.of(code) for code in ("usd", "eur", "jpy"))


def test_fees_go_by_currency_then_by_the_plan_for_all_then_by_the_platforms() -> None:
    plans = (FeePlan("card", "usd", 100, 30), FeePlan("card", "*", 200, 0))
    assert fee_of(Money(10_000, USD), plans, "card").total.amount == 130
    assert fee_of(Money(10_000, EUR), plans, "card").total.amount == 200
    assert fee_of(Money(10_000, EUR), (), "card").total.amount == 290
    assert fee_of(Money(10, USD), plans, "card").total.amount == 10, "never more than the amount"


def test_bank_accounts_have_a_plan_of_their_own() -> None:
    cards = (FeePlan("card", "usd", 500, 30),)
    assert fee_of(Money(10_000, USD), cards, "bank_account").total.amount == 100
    agreed = (*cards, FeePlan("bank_account", "*", 50, 0))
    assert fee_of(Money(10_000, USD), agreed, "bank_account").total.amount == 50


@pytest.mark.parametrize(
    ("amount", "processor", "method", "cost"),
    [
        (Money(10_000, USD), "one", "card", 140 + 10),
        (Money(10_000, EUR), "one", "card", 250),
        (Money(10_000, JPY), "one", "card", 200),
        (Money(10_000, USD), "one", "bank_account", 80),
        (Money(10_000_000, USD), "one", "bank_account", 500),
        (Money(10_000, USD), "two", "card", 300),
        (Money(10_000, USD), "two", "bank_account", 0),
        (Money(10_000, USD), "three", "card", 0),
        (Money(5, USD), "one", "card", 5),
        (Money(0, USD), "one", "card", 0),
    ],
)
def test_costs_go_by_processor_method_and_currency(
    amount: Money, processor: str, method: str, cost: int
) -> None:
    plans = (
        CostPlan("one", "card", "*", 200),
        CostPlan("one", "card", "usd", 140, 10),
        CostPlan("one", "card", "eur", 300, 0, at_most=250),
        CostPlan("one", "bank_account", "usd", 80, at_most=500),
        CostPlan("two", "card", "*", 300),
    )
    assert cost_of(amount, plans, processor, method) == Money(cost, amount.currency)


def settings(monkeypatch: pytest.MonkeyPatch, costs: str) -> Settings:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1/none")
    monkeypatch.setenv("VALKEY_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("PII_KEY", "a-key-of-tests")
    monkeypatch.setenv("PROCESSOR_COSTS", costs)
    return Settings()


def test_costs_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings(monkeypatch, "").processor_costs == SIMULATED_COSTS
    given = [{"processor": "p", "method_type": "card", "currency": "usd", "fixed_amount": 10}]
    assert settings(monkeypatch, json.dumps(given)).processor_costs == (
        CostPlan("p", "card", "usd", 0, 10),
    )


CARD = {"processor": "p", "method_type": "card"}


@pytest.mark.parametrize(
    ("plans", "says"),
    [
        ([CARD | {"percent": 2}], "percent"),
        ([CARD | {"basis_points": -1}], "0 to 10000"),
        ([CARD | {"basis_points": 10_001}], "0 to 10000"),
        ([CARD | {"basis_points": 1.5}], "basis_points"),
        ([CARD | {"fixed_amount": 30}], "need a currency"),
        ([CARD | {"at_most": 30}], "need a currency"),
        ([CARD | {"currency": "usd", "fixed_amount": -1}], "amounts are"),
        ([CARD | {"currency": "usd", "at_most": 10**20}], "amounts are"),
        ([CARD | {"currency": "USD"}], "small letters"),
        ([CARD | {"currency": "zzz"}], "zzz"),
        ([CARD | {"method_type": "cheque"}], "card or bank_account"),
        ([CARD, CARD | {"basis_points": 1}], "two plans"),
    ],
)
def test_costs_that_cannot_be_meant_are_refused(
    plans: list[dict[str, Any]], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=says):
        settings(monkeypatch, json.dumps(plans))
