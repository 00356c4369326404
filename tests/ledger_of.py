"""What a payment left behind: its accounts, journals and events."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import psycopg

from paywright.ids import parse_typeid


def accounts(owner: psycopg.Connection[Any], payment_id: str) -> dict[str, int]:
    """Debits less credits of a payment by account type, after its zero sums were checked."""
    rows = owner.execute(
        "SELECT account_type, currency,"
        "       sum(amount * CASE entry_type WHEN 'debit' THEN 1 ELSE -1 END)"
        " FROM ledger_entries WHERE transaction_id = %s GROUP BY 1, 2",
        [parse_typeid("txn", payment_id)],
    ).fetchall()
    by_currency: dict[str, int] = defaultdict(int)
    balances: dict[str, int] = defaultdict(int)
    for account_type, currency, amount in rows:
        by_currency[currency] += int(amount)
        balances[account_type] += int(amount)
    assert not any(by_currency.values()), "entries sum to zero in each currency"
    return balances


def kinds(owner: psycopg.Connection[Any], payment_id: str) -> list[str]:
    """The kinds of a payment's journals, in the order in which they came."""
    rows = owner.execute(
        "SELECT kind FROM journals WHERE transaction_id = %s ORDER BY created_at, id",
        [parse_typeid("txn", payment_id)],
    ).fetchall()
    return [kind for (kind,) in rows]


def events(owner: psycopg.Connection[Any], object_id: str) -> list[tuple[str, int]]:
    """Types and sequence numbers of the events about a payment or a refund."""
    uuid = parse_typeid(object_id.partition("_")[0], object_id)
    return owner.execute(
        "SELECT type, sequence FROM outbox WHERE object_id = %s ORDER BY sequence", [uuid]
    ).fetchall()
