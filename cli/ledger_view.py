"""What is posted for a payment, drawn as bookkeepers do: one T for each account."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import psycopg
from rich.box import Box
from rich.columns import Columns
from rich.padding import Padding
from rich.table import Table

from cli.errors import Failure

# Only the T itself: a line below the head, one between the sides.
_BOX = Box("    \n  │ \n ─┼ \n  │ \n  │ \n ─┼ \n  │ \n    \n")

_ENTRIES = """
    SELECT e.account_type, e.processor, e.currency, e.entry_type, e.amount, j.kind
      FROM ledger_entries e
      JOIN journals j ON j.merchant_id = e.merchant_id AND j.id = e.journal_id
     WHERE e.merchant_id = %s AND e.transaction_id = %s
     ORDER BY e.id
"""


@dataclass
class TAccount:
    """One account: what was debited and credited, in the order of posting, in minor units."""

    name: str
    currency: str
    debits: list[tuple[str, int]] = field(default_factory=list)
    credits: list[tuple[str, int]] = field(default_factory=list)


def accounts(connection: psycopg.Connection, merchant_id: str, payment_id: str) -> list[TAccount]:
    """The accounts that a payment's journals touch; Failure if they do not balance."""
    from paywright.ids import parse_typeid  # noqa: PLC0415 - only a demo needs it

    key = (parse_typeid("mer", merchant_id), parse_typeid("txn", payment_id))
    found: dict[tuple[str, str, str], TAccount] = {}
    sums: dict[str, int] = defaultdict(int)
    for kind, processor, currency, side, amount, journal in connection.execute(_ENTRIES, key):
        name = f"{kind} ({processor})" if processor else kind
        account = found.setdefault((kind, processor, currency), TAccount(name, currency))
        (account.debits if side == "debit" else account.credits).append((journal, amount))
        sums[currency] += amount if side == "debit" else -amount
    for currency, total in sums.items():
        if total:
            raise Failure(f"The ledger is out of balance by {total} {currency}.")
    return list(found.values())


def t_accounts(drawn: list[TAccount]) -> Padding:
    """The accounts side by side, as many as the terminal is wide."""
    return Padding(Columns([_t(account) for account in drawn], padding=(0, 3)), (1, 0, 0, 4))


def _t(account: TAccount) -> Table:
    from paywright.money import Currency, major_units  # noqa: PLC0415 - as above

    currency = Currency.of(account.currency)

    def shown(line: tuple[str, int]) -> str:
        return f"{major_units(line[1], currency)} {line[0]}"

    title = f"{account.name}, {currency.code}"
    table = Table(title=title, title_style="bold", box=_BOX, min_width=len(title) + 2)
    table.add_column("debit", justify="right", min_width=10)
    table.add_column("credit", justify="right", min_width=10)
    for row in range(max(len(account.debits), len(account.credits))):
        table.add_row(
            shown(account.debits[row]) if row < len(account.debits) else "",
            shown(account.credits[row]) if row < len(account.credits) else "",
        )
    return table
