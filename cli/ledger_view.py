"""What is posted for a payment, drawn as bookkeepers do: one T for each account."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import psycopg
from rich.box import Box
from rich.padding import Padding
from rich.table import Table

from cli.errors import Failure

# Only the T itself: a line below the head, one between the sides.
_BOX = Box("    \n  │ \n ─┼ \n  │ \n  │ \n ─┼ \n  │ \n    \n")

_INDENT, _T_WIDTH = 2, 38

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
        name = f"{kind}\n({processor})" if processor else kind
        account = found.setdefault((kind, processor, currency), TAccount(name, currency))
        (account.debits if side == "debit" else account.credits).append((journal, amount))
        sums[currency] += amount if side == "debit" else -amount
    for currency, total in sums.items():
        if total:
            raise Failure(f"The ledger is out of balance by {total} {currency}.")
    return list(found.values())


def t_accounts(drawn: list[TAccount], width: int) -> Padding:
    """The accounts side by side, as many as fit into so many columns of text."""
    per_row = max(1, (width - _INDENT) // _T_WIDTH)
    grid = Table.grid(padding=(0, 2, 1, 0))
    for start in range(0, len(drawn), per_row):
        grid.add_row(*(_t(account) for account in drawn[start : start + per_row]))
    return Padding(grid, (1, 0, 0, _INDENT))


def _t(account: TAccount) -> Table:
    from paywright.money import Currency, major_units  # noqa: PLC0415 - as above

    currency = Currency.of(account.currency)

    def shown(line: tuple[str, int]) -> str:
        return f"{major_units(line[1], currency)} {line[0]}"

    title = f"{account.name}, {currency.code}"
    width = max(len(line) for line in title.splitlines()) + 2
    table = Table(title=title, title_style="bold", box=_BOX, min_width=width)
    table.add_column("debit", justify="right")
    table.add_column("credit", justify="right")
    for row in range(max(len(account.debits), len(account.credits))):
        table.add_row(
            shown(account.debits[row]) if row < len(account.debits) else "",
            shown(account.credits[row]) if row < len(account.credits) else "",
        )
    return table
