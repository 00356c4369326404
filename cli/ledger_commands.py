"""`paywright ledger`: look into the ledger, and prove that nobody changed it."""

# ruff: noqa: PLC0415 - commands load what they need when they are called
# ruff: noqa: PLR0917 - a command's parameters are its options

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cli.errors import Failure
from cli.options import AsJson

app = typer.Typer(help="The ledger.", no_args_is_help=True)
heads_app = typer.Typer(help="Signed heads of the ledger's chains.", no_args_is_help=True)
app.add_typer(heads_app, name="heads")

Merchant = Annotated[str | None, typer.Option(help="mer_…; the demo merchant without it.")]
Live = Annotated[bool, typer.Option("--live", help="Live mode; test mode without it.")]


@app.command()
def verify(
    from_head: Annotated[
        Path | None,
        typer.Option(help="A file of signed heads: what stands before them is not hashed again."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Recompute everything; name the first row that is not as it must be, and end with 1."""
    from cli import ledger, ledger_view
    from cli.place import Place
    from cli.progress import Silence, on_terminal

    place = Place.find()
    progress = on_terminal(quiet=as_json) if sys.stdout.isatty() else Silence()
    try:
        report = ledger.verify(place, from_head, progress)
    finally:
        progress.finish()
    if as_json:
        print(json.dumps(ledger_view.report_content(report)))
    else:
        ledger_view.report(report)
    if report.problems:
        raise typer.Exit(1)


@app.command()
def balances(
    merchant: Merchant = None,
    live: Live = False,
    as_of: Annotated[str | None, typer.Option(help="As 2026-11-22T20:15:04Z.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the balance of each of a merchant's accounts."""
    from cli import ledger, ledger_view
    from cli.place import Place
    from paywright.errors import InvalidField
    from paywright.http.lists import moment

    place = Place.find()
    try:
        when = None if as_of is None else moment("--as-of", as_of)
    except InvalidField as error:
        raise Failure(error.message) from error
    found = ledger.balances(place, place.merchant(merchant), livemode=live, as_of=when)
    if as_json:
        print(json.dumps([asdict(each) for each in found]))
    else:
        ledger_view.balances(found)


@app.command()
def entries(
    merchant: Merchant = None,
    live: Live = False,
    payment: Annotated[str | None, typer.Option(help="txn_…: of this payment only.")] = None,
    account_type: Annotated[
        str | None, typer.Option(help="Of accounts of this type, as merchant_balance.")
    ] = None,
    count: Annotated[int, typer.Option("-n", min=1, max=100, help="How many at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show the newest entries of a merchant, of any account."""
    from cli import ledger, ledger_view
    from cli.place import Place
    from paywright.errors import InvalidField
    from paywright.http.lists import page_of, typeid_filter

    given = {"limit": str(count), "payment_id": payment, "account_type": account_type}
    query = [(name, text) for name, text in given.items() if text is not None]
    filters = {"payment_id": typeid_filter("txn"), "account_type": lambda _, text: text}
    place = Place.find()
    try:
        page = page_of(query, prefix="le", filters=filters | {"currency": lambda _, text: text})
    except InvalidField as error:
        raise Failure(error.message.replace("payment_id", "--payment")) from error
    found = ledger.entries(place, place.merchant(merchant), livemode=live, page=page)
    if as_json:
        print(json.dumps(found))
    else:
        ledger_view.entries(found)


@app.command("t-accounts")
def t_accounts(payment: Annotated[str, typer.Argument(help="The payment, txn_….")]) -> None:
    """Draw what is posted for a payment, one T for each account."""
    from rich.console import Console

    from cli import database, ledger, ledger_view
    from cli.place import Place

    place = Place.find()
    merchant_id, payment_id = ledger.merchant_of(place, payment)
    console = Console(highlight=False)
    with database.connect(place.database_url) as connection:
        drawn = ledger_view.accounts(connection, merchant_id, payment_id)
    console.print(ledger_view.t_accounts(drawn, console.width))


@heads_app.command("export")
def heads_export(
    file: Annotated[Path, typer.Argument(help="A new file; keep it away from the database.")],
    as_json: AsJson = False,
) -> None:
    """Write where each chain stands, signed: a ledger that is cut or rewritten shows by it."""
    from cli import ledger
    from cli.place import Place

    count = ledger.export_heads(Place.find(), file)
    if as_json:
        print(json.dumps({"file": str(file), "heads": count}))
    else:
        print(f"{count} heads are signed in {file}.")
