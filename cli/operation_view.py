"""Undecided operations as people and programs read them, with ids as the API has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from cli.operations import UndecidedOperation
from paywright.clock import rfc3339
from paywright.ids import typeid
from paywright.money import Currency, Money


def table(found: Sequence[UndecidedOperation]) -> None:
    """Print two lines for each, whose ids are whole in 80 columns."""
    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    shown.add_column("operation\n  payment", no_wrap=True, min_width=len(_name(found[0])[-1]))
    for title in ("kind\nprocessor", "amount", "next look\nso far"):
        shown.add_column(title, overflow="fold")
    for each in found:
        shown.add_row(
            "\n".join(_name(each)),
            f"{each.kind}\n{each.processor}",
            str(Money(each.amount, Currency.of(each.currency))),
            ("a person decides" if each.needs_person else f"{each.due_at:%Y-%m-%d %H:%M}")
            + f"\n{each.attempts} times",
        )
    Console().print(shown)


def content(found: UndecidedOperation) -> dict[str, Any]:
    """The same for programs."""
    ids = {
        "operation_id": typeid("op", found.operation_id),
        "kind": found.kind,
        "merchant_id": typeid("mer", found.merchant_id),
        "payment_id": typeid("txn", found.transaction_id),
    }
    times = {"created_at": rfc3339(found.created_at), "due_at": rfc3339(found.due_at)}
    rest = {name: value for name, value in asdict(found).items() if name != "transaction_id"}
    return ids | {name: value for name, value in rest.items() if name not in ids} | times


def _name(found: UndecidedOperation) -> tuple[str, str]:
    return typeid("op", found.operation_id), f"  {typeid('txn', found.transaction_id)}"
