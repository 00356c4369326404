"""`paywright operations`: what became of nothing yet, and what waits for a person."""

# ruff: noqa: PLC0415 - commands load what they need when they are called

from __future__ import annotations

import json
from typing import Annotated

import typer

from cli.options import AsJson

app = typer.Typer(help="Operations that are not decided.", no_args_is_help=True)


@app.command("list")
def list_(
    stuck: Annotated[bool, typer.Option("--stuck", help="Only those left to a person.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show them, those that wait for a person first."""
    from rich.console import Console
    from rich.table import Table

    from cli import operations
    from cli.place import Place
    from paywright.ids import typeid
    from paywright.money import Currency, Money

    found = operations.undecided(Place.find(), only_stuck=stuck)
    if as_json:
        print(json.dumps(found, default=str))
        return
    if not found:
        print("Nothing is undecided." if not stuck else "Nothing waits for a person.")
        return
    table = Table("operation", "kind", "payment", "amount", "processor", "looked", "next look")
    for each in found:
        table.add_row(
            str(each["operation_id"]),
            each["kind"],
            typeid("txn", each["transaction_id"]),
            str(Money(each["amount"], Currency.of(each["currency"]))),
            each["processor"],
            f"{each['attempts']} times",
            "a person decides" if each["needs_person"] else f"{each['due_at']:%Y-%m-%d %H:%M}",
        )
    Console().print(table)


@app.command()
def retry(operation: Annotated[str, typer.Argument(help="The operation's id.")]) -> None:
    """Have one looked at again at once, as if it were new."""
    from cli import operations
    from cli.place import Place
    from paywright.clock import business_clock

    place = Place.find()
    operations.retry(place, operation, business_clock(place.clock_file).now())
    print(f"{operation} is looked at within seconds.")
