"""Journals balance in every currency, whatever the amounts."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paywright.ledger import postings
from paywright.ledger.postings import Conversion, Journal
from paywright.money import Currency, Money

USD, EUR = Currency.of("usd"), Currency.of("eur")


def totals(journal: Journal) -> Counter[str]:
    sums: Counter[str] = Counter()
    for entry in journal:
        assert entry.money.amount > 0
        sign = 1 if entry.side == "debit" else -1
        sums[entry.money.currency.code] += sign * entry.money.amount
    return sums


@given(st.integers(1, 10**11), st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_capture_balances(amount: int, cost_bp: int, fee_bp: int) -> None:
    captured = Money(amount, USD)
    journal = postings.capture(
        captured,
        processor="p",
        cost=captured.share(cost_bp),
        fee=captured.share(fee_bp),
        held=Money(amount + 7, USD),
    )
    assert not any(totals(journal).values())


@given(st.integers(1, 10**11), st.decimals("0.0001", "10000", places=6))
def test_a_converted_capture_balances_in_both_currencies(amount: int, rate: Decimal) -> None:
    captured = Money(amount, USD)
    settled = captured.convert(rate, EUR)
    spread = settled.share(50)
    journal = postings.capture(
        captured,
        processor="p",
        cost=captured.share(180),
        fee=(settled - spread).share(290),
        conversion=Conversion(rate, settled, spread),
    )
    assert not any(totals(journal).values())


def test_a_hold_and_its_release_cancel_out() -> None:
    both = postings.authorization(Money(5, USD)) + postings.release(Money(5, USD))
    by_account: Counter[str] = Counter()
    for entry in both:
        by_account[entry.account_type] += (1 if entry.side == "debit" else -1) * entry.money.amount
    assert not any(by_account.values())


def test_a_fee_above_the_capture_is_a_defect() -> None:
    with pytest.raises(AssertionError, match="negative"):
        postings.capture(Money(5, USD), processor="p", cost=Money(0, USD), fee=Money(6, USD))
