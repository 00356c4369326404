"""Exchange rates as data, and what is done with them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from paywright.ledger.postings import Conversion
from paywright.money import Currency, Money

MAX_SPREAD_BPS = 1_000
"""The most that a merchant can be charged for a conversion: 10 %."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`value` units of the quote currency for one of the base, as `source` had it at `at`."""

    value: Decimal
    source: str
    at: datetime


def convert(captured: Money, into: Currency, rate: Rate, spread_bps: int = 0) -> Conversion:
    """What a capture is worth at a rate, and the part of it that the platform keeps.

    Each is rounded half-even once. `spread_bps` are hundredths of a percent.
    """
    settled = captured.convert(rate.value, into)
    return Conversion(rate=rate.value, settled=settled, spread=settled.share(spread_bps))


def refund_share(
    payment_settled: Money,
    payment_captured: Money,
    refunded_before: Money,
    settled_refunded_before: Money,
    amount: Money,
) -> Money:
    """What a refund of `amount` takes back of a converted payment, in the settlement currency.

    The locked rate is what the captures came to: settled for captured. All refunds up to this one
    together are rounded half-even once, so that each is exact to a minor unit and the one that
    refunds the last of the capture takes the remainder: they sum exactly back. Where one before
    failed after all, and its share with it, no share is negative or more than what is left.
    Raise ValueError for a refund of more than the rest.
    """
    refunded = refunded_before + amount
    if amount.amount <= 0 or refunded.amount > payment_captured.amount:
        raise ValueError("a refund is positive and at most the rest of the capture")
    left = payment_settled - settled_refunded_before
    if refunded == payment_captured:
        return left
    exact = Fraction(payment_settled.amount * refunded.amount, payment_captured.amount)
    due = round(exact) - settled_refunded_before.amount  # round() of a Fraction is half-even
    return Money(min(max(due, 0), left.amount), payment_settled.currency)
