"""A merchant's ledger entries, a page at a time, as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from paywright.clock import rfc3339
from paywright.db import Database, load
from paywright.http.lists import Found, Page, found_of
from paywright.ids import typeid
from paywright.ledger.balances import MERCHANT_ACCOUNTS
from paywright.payments.models import Caller

_SQL = load(__file__)


def find_entries(database: Database, caller: Caller, page: Page) -> Found:
    """The entries of a page, of the accounts that a merchant sees."""
    return entry_rows(
        database,
        caller.merchant_id,
        livemode=caller.livemode,
        page=page,
        visible=MERCHANT_ACCOUNTS,
    )


def entry_rows(
    database: Database,
    merchant_id: UUID,
    *,
    livemode: bool,
    page: Page,
    visible: Sequence[str] | None,
) -> Found:
    """The entries of a page whose filters are `account_type`, `currency` and `payment_id`.

    `visible` are the types of account that are shown; all of them where it is None.
    """
    account_type = page.filters["account_type"]
    shown = visible if account_type is None else [account_type]
    parameters = page.parameters() | {
        "merchant_id": merchant_id,
        "livemode": livemode,
        "is_backwards": page.is_backwards,
        "account_types": None if shown is None else list(shown),
    }
    name = "newer" if page.is_backwards else "older"
    if page.filters["payment_id"] is not None:
        name = "of_payment"
    return found_of(database.all(_SQL[name], parameters))


def shown_entry(row: Mapping[str, Any]) -> dict[str, Any]:
    """The entry object of a row; what its place in the ledger gives is null until it has one."""
    sequenced_at, payment_id = row["sequenced_at"], row["transaction_id"]
    return {
        "id": typeid("le", row["id"]),
        "object": "ledger_entry",
        "journal_id": typeid("jrn", row["journal_id"]),
        "payment_id": None if payment_id is None else typeid("txn", payment_id),
        "kind": row["kind"],
        "account_type": row["account_type"],
        "side": row["entry_type"],
        "amount": row["amount"],
        "currency": row["currency"],
        "sequence": row["sequence"],
        # The chain counts debits less credits; what a merchant has stands on the credit side.
        "balance_after": None if sequenced_at is None else -int(row["balance_after"]),
        "sequenced_at": None if sequenced_at is None else rfc3339(sequenced_at),
        "created_at": rfc3339(row["created_at"]),
        "livemode": row["livemode"],
    }
