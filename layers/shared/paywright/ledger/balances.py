"""Balances, exact at every moment: the last row of the chain and what is not sequenced yet.

A balance is debits less credits in the currency's minor unit: what the platform owes a merchant
stands on the credit side, so `merchant_balance` is negative when the merchant has money to come.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from paywright import db
from paywright.ledger.chain import Account

_QUERIES = db.load(__file__)


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
            row["balance"],
        )
        for row in rows
    ]


def balance(database: db.Database, account: Account) -> int:
    """The balance of one account; 0 when nothing was ever posted to it."""
    row = database.one(_QUERIES["balance"], account._asdict())
    assert row is not None, "an aggregate always has a row"
    return int(row["balance"])
