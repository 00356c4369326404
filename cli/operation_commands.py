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
    from cli import operation_view, operations
    from cli.place import Place

    found = operations.undecided(Place.find(), only_stuck=stuck)
    if as_json:
        print(json.dumps([operation_view.content(each) for each in found]))
    elif found:
        operation_view.table(found)
    else:
        print("Nothing waits for a person." if stuck else "Nothing is undecided.")


@app.command()
def retry(
    operation: Annotated[
        str, typer.Argument(help="An operation, op_…, or a payment with all of its, txn_….")
    ],
) -> None:
    """Have one looked at again at once, as if it were new."""
    from cli import operations
    from cli.place import Place
    from paywright.clock import business_clock

    place = Place.find()
    count = operations.retry(place, operation, business_clock(place.clock_file).now())
    several = "" if count == 1 else f" ({count} operations)"
    print(f"{operation}{several} is looked at within seconds.")
