"""What a payment left behind: its accounts, journals and events."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import psycopg

from paywright.ids import parse_typeid

Line = tuple[str, str, str, int, str]
"""Side, account type, processor (or ''), amount and currency."""


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


def journal(owner: psycopg.Connection[Any], payment_id: str, kind: str) -> list[Line]:
    """Every line of the payment's only journal of a kind, in the order of posting."""
    rows = owner.execute(
        "SELECT e.journal_id, e.entry_type, e.account_type, e.processor, e.amount, e.currency"
        " FROM journals j"
        " JOIN ledger_entries e ON e.merchant_id = j.merchant_id AND e.journal_id = j.id"
        " WHERE j.transaction_id = %s AND j.kind = %s ORDER BY e.id",
        [parse_typeid("txn", payment_id), kind],
    ).fetchall()
    assert len({row[0] for row in rows}) <= 1, "there are several"
    return [row[1:] for row in rows]


def events(owner: psycopg.Connection[Any], object_id: str) -> list[tuple[str, int]]:
    """Types and sequence numbers of the events about a payment or a refund."""
    uuid = parse_typeid(object_id.partition("_")[0], object_id)
    return owner.execute(
        "SELECT type, sequence FROM outbox WHERE object_id = %s ORDER BY sequence", [uuid]
    ).fetchall()
