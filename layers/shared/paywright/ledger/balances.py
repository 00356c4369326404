"""Balances, exact at every moment: the last row of the chain and what is not sequenced yet.

A balance is debits less credits in the currency's minor unit: what the platform owes a merchant
stands on the credit side, so `merchant_balance` is negative when the merchant has money to come.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from paywright import db
from paywright.clock import rfc3339
from paywright.ledger.chain import Account

_QUERIES = db.load(__file__)

TERMS = {
    "available": "merchant_balance",
    "pending": "merchant_hold",
    "reserved": "merchant_reserve",
    "disputed": "dispute_reserve",
    "refunding": "customer_refund",
    "paying_out": "payout_clearing",
}
"""What a merchant's balance is made of, and the account that each part is the balance of."""

MERCHANT_ACCOUNTS = (*TERMS.values(), "platform_fee", "fx_spread")
"""The accounts that a merchant sees: what it has, and what it was charged.

The rest is between the platform, its processors and its bank.
"""


@dataclass(frozen=True, slots=True)
class Balance:
    """The balance of one account."""

    account: Account
    amount_minor: int


def balances(database: db.Database, merchant_id: UUID, *, livemode: bool) -> list[Balance]:
    """The balance of every account of a merchant, by type, currency and processor."""
    rows = database.all(_QUERIES["balances"], {"merchant_id": merchant_id, "livemode": livemode})
    return [
        Balance(
            Account(merchant_id, livemode, row["account_type"], row["currency"], row["processor"]),
            int(row["balance"]),
        )
        for row in rows
    ]


def balances_at(
    database: db.Database, merchant_id: UUID, *, livemode: bool, as_of: datetime
) -> list[Balance]:
    """The balances after the last journal that was sequenced at `as_of` or before.

    The answer for a moment is always the same: one that the sequencer is still writing is waited
    for. `as_of` must not lie in the future.
    """
    database.all(_QUERIES["await_sequencer"], {})
    parameters = {"merchant_id": merchant_id, "livemode": livemode, "as_of": as_of}
    return [
        Balance(
            Account(merchant_id, livemode, row["account_type"], row["currency"], row["processor"]),
            int(row["balance"]),
        )
        for row in database.all(_QUERIES["balances_at"], parameters)
    ]


def balance_object(
    found: Iterable[Balance], *, settlement_currency: str, livemode: bool, as_of: datetime | None
) -> dict[str, Any]:
    """The balance object of the API: per currency, from the merchant's side, so credits count up.

    A merchant that owes has a negative balance. The settlement currency is there from the start.
    """
    terms = {account_type: name for name, account_type in TERMS.items()}
    sums: dict[str, dict[str, int]] = {settlement_currency: dict.fromkeys(TERMS, 0)}
    for each in found:
        name = terms.get(each.account.account_type)
        if name is not None:
            of_currency = sums.setdefault(each.account.currency, dict.fromkeys(TERMS, 0))
            of_currency[name] -= each.amount_minor
    return {
        "object": "balance",
        "as_of": None if as_of is None else rfc3339(as_of),
        "balances": [{"currency": code, **sums[code]} for code in sorted(sums)],
        "livemode": livemode,
    }


def balance(database: db.Database, account: Account) -> int:
    """The balance of one account; 0 when nothing was ever posted to it."""
    row = database.one(_QUERIES["balance"], account._asdict())
    assert row is not None, "an aggregate always has a row"
    return int(row["balance"])
