"""What each event posts to the ledger: pure functions from amounts to balanced journals.

An entry is `Dr` or `Cr` of a positive amount in one account; the entries of a journal sum to zero
in each currency. The table that these functions follow is in docs/ledger.md.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from paywright.money import Currency, Money

Side = Literal["debit", "credit"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a journal. `processor` is '' for accounts that are not kept by processor."""

    side: Side
    account_type: str
    money: Money
    processor: str = ""


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a capture is worth in the merchant's currency, at a rate that is locked with it.

    `settled` is the mid value, `spread` what the platform keeps of it, both in that currency.
    """

    rate: Decimal
    settled: Money
    spread: Money


Journal = tuple[Entry, ...]


def authorization(amount: Money) -> Journal:
    """Hold what may be captured later (`capture: false`)."""
    return _balanced(debit("customer_hold", amount), credit("merchant_hold", amount))


def release(amount: Money) -> Journal:
    """Give back a hold or the rest of one: void, expiry, or a final capture of less."""
    return _balanced(debit("merchant_hold", amount), credit("customer_hold", amount))


def capture(
    captured: Money,
    *,
    processor: str,
    cost: Money,
    fee: Money,
    held: Money | None = None,
    conversion: Conversion | None = None,
) -> Journal:
    """Take money from the customer for the merchant.

    `cost` is the processor's, in the captured currency; `fee` the platform's, in the currency that
    the merchant settles in; `held` the part of the hold that ends with it: what is captured, and
    the rest too when the capture is final.
    """
    entries = [
        debit("processor_receivable", captured - cost, processor),
        debit("processor_cost", cost, processor),
    ]
    if conversion is None:
        entries += [credit("merchant_balance", captured - fee), credit("platform_fee", fee)]
    else:
        rest = conversion.settled - conversion.spread - fee
        entries += [
            credit("fx_clearing", captured),
            debit("fx_clearing", conversion.settled),
            credit("merchant_balance", rest),
            credit("fx_spread", conversion.spread),
            credit("platform_fee", fee),
        ]
    if held is not None:
        entries += release(held)
    return _balanced(*entries)


@dataclass(frozen=True, slots=True)
class Refunding:
    """What a refund is: `amount` for the customer, `settled` of the merchant in its currency.

    `fee_returned` is the part of the platform's fee that goes back to the merchant.
    """

    amount: Money
    settled: Money
    fee_returned: Money


def refund_requested(refund: Refunding) -> Journal:
    """Take a refund from the merchant at once; the customer is owed it."""
    return _balanced(*_owed(refund), credit("customer_refund", refund.amount))


def refund_confirmed(refund: Refunding, *, processor: str) -> Journal:
    """The processor gave the customer what was owed."""
    return _balanced(
        debit("customer_refund", refund.amount),
        credit("processor_receivable", refund.amount, processor),
    )


def refund_failed(refund: Refunding) -> Journal:
    """The processor refused: the merchant has it back, and nothing is owed."""
    return reverse(refund_requested(refund))


def refund_returned(refund: Refunding, *, processor: str) -> Journal:
    """A confirmed refund came back: so does all that was posted for it."""
    return _balanced(
        debit("processor_receivable", refund.amount, processor), *reverse(_owed(refund))
    )


def payment_returned(captured: Money, settled: Money, fee: Money, *, processor: str) -> Journal:
    """A bank took back what it had transferred; `fee` is what the merchant pays for that."""
    entries = [
        debit("merchant_balance", settled + fee),
        credit("platform_fee", fee),
        credit("processor_receivable", captured, processor),
    ]
    if settled.currency != captured.currency:
        entries += [credit("fx_clearing", settled), debit("fx_clearing", captured)]
    return _balanced(*entries)


def _owed(refund: Refunding) -> Journal:
    """What a refund takes of the merchant, up to where the customer is owed it."""
    entries = [
        debit("merchant_balance", refund.settled),
        debit("platform_fee", refund.fee_returned),
        credit("merchant_balance", refund.fee_returned),
    ]
    if refund.settled.currency != refund.amount.currency:
        entries += [credit("fx_clearing", refund.settled), debit("fx_clearing", refund.amount)]
    return tuple(entry for entry in entries if entry.money.amount != 0)


def reverse(journal: Journal) -> Journal:
    """The same entries on the other side."""
    return tuple(
        Entry("credit" if entry.side == "debit" else "debit", *_rest(entry)) for entry in journal
    )


def _rest(entry: Entry) -> tuple[str, Money, str]:
    return entry.account_type, entry.money, entry.processor


def debit(account_type: str, money: Money, processor: str = "") -> Entry:
    """A debit of an account."""
    return Entry("debit", account_type, money, processor)


def credit(account_type: str, money: Money, processor: str = "") -> Entry:
    """A credit of an account."""
    return Entry("credit", account_type, money, processor)


def _balanced(*entries: Entry) -> Journal:
    # A line of nothing is no line; one below zero would be a posting that nobody defined.
    kept = tuple(entry for entry in entries if entry.money.amount != 0)
    totals: dict[Currency, int] = defaultdict(int)
    for entry in kept:
        assert entry.money.amount > 0, f"a negative line in {entry.account_type}"
        sign = 1 if entry.side == "debit" else -1
        totals[entry.money.currency] += sign * entry.money.amount
    assert not any(totals.values()), "a journal must balance in each currency"
    return kept
