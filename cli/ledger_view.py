"""The ledger as people read it: T-accounts as bookkeepers draw them, balances, entries, proofs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from rich.box import Box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from cli.errors import Failure

if TYPE_CHECKING:
    from cli.ledger import AccountBalance
    from paywright.ledger.verify import Problem, Report

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


def balances(found: Sequence[AccountBalance]) -> None:
    """Print a trial balance: what each account owes or has, and that both sides are the same."""
    if not found:
        print("Nothing is posted.")
        return
    table = _table("account", "processor", "currency")
    for title in ("debit", "credit"):
        table.add_column(title, justify="right")
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for each in sorted(found, key=lambda each: each.currency):
        is_credit = each.balance > 0
        amount = abs(each.balance)
        totals[each.currency][is_credit] += amount
        sides = ["", ""]
        sides[is_credit] = _major(amount, each.currency)
        table.add_row(each.account_type, each.processor, each.currency, *sides)
    for currency, sides_of in sorted(totals.items()):
        shown = (_major(total, currency) for total in sides_of)
        table.add_row("total", "", currency, *shown, style="bold")
    _console().print(table)


def entries(found: Sequence[dict[str, Any]]) -> None:
    """Print a line for each entry, the newest first."""
    if not found:
        print("There are no entries.")
        return
    table = _table("time", "what", "account", "payment")
    for title in ("debit", "credit", "balance after"):
        table.add_column(title, justify="right")
    for each in found:
        amount = _major(each["amount"], each["currency"])
        after = each["balance_after"]
        processor = f" ({each['processor']})" if each["processor"] else ""
        table.add_row(
            each["created_at"],
            each["kind"],
            f"{each['account_type']}{processor}, {each['currency']}",
            each["payment_id"] or "",
            amount if each["side"] == "debit" else "",
            amount if each["side"] == "credit" else "",
            "not yet" if after is None else _major(after, each["currency"]),
        )
    _console().print(table)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def report(found: Report) -> None:
    """Print that the ledger holds, or what is wrong with it, the first row first."""
    looked = f"{_counted(found.merchants, 'merchant')}, {_counted(found.rows, 'row')}"
    if not found.problems:
        print(f"The ledger holds: {looked}.")
        return
    print(f"The ledger is broken ({looked}). The first broken row:")
    for number, problem in enumerate(found.problems):
        if number == 1:
            print("and after that:")
        mode = {None: "", True: ", live", False: ", test"}[problem.livemode]
        print(f"  {_content(problem)['merchant_id']}{mode}: {problem}")


def report_content(found: Report) -> dict[str, Any]:
    """The same for programs."""
    return {
        "ok": not found.problems,
        "merchants": found.merchants,
        "rows": found.rows,
        "problems": [_content(problem) for problem in found.problems],
    }


def _content(problem: Problem) -> dict[str, Any]:
    from paywright.ids import typeid  # noqa: PLC0415 - as above

    row_id = None if problem.row_id is None else str(problem.row_id)
    merchant = {"merchant_id": typeid("mer", problem.merchant_id), "row_id": row_id}
    return asdict(problem) | merchant


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in columns:
        table.add_column(title, overflow="fold")
    return table


def _major(amount: int, code: str) -> str:
    from paywright.money import Currency, major_units  # noqa: PLC0415 - as above

    return major_units(amount, Currency.of(code))


def _console() -> Console:
    console = Console(highlight=False)
    # A program that reads this gets whole lines, whatever the terminal's width.
    return console if console.is_terminal else Console(highlight=False, width=200)
