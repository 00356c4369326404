"""`paywright mail`: what was mailed, on this machine."""

# ruff: noqa: PLC0415 - commands load what they need when they are called

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from cli.options import AsJson, EndpointUrl

_PIPE_WIDTH = 200
To = Annotated[str | None, typer.Option(help="Only what went to this address.")]

app = typer.Typer(help="Mail that was sent on this machine.", no_args_is_help=True)


@app.command("list")
def list_(
    to: To = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=500)] = 20,
    as_json: AsJson = False,
    endpoint_url: EndpointUrl = None,
) -> None:
    """List what was sent, the latest first."""
    from rich.console import Console
    from rich.table import Table

    from cli import mail
    from cli.aws import place
    from cli.printed import harmless

    found = mail.mails(place(endpoint_url, on_aws=False), to=to)[:limit]
    if as_json:
        print(json.dumps([asdict(one) for one in found]))
        return
    if not found:
        print(mail.none_yet(to))
        return
    table = Table("mail", "sent", "to", "subject", box=None, pad_edge=False, header_style="bold")
    for one in found:
        values = (one.short_id, one.sent_at, ", ".join(one.to), one.subject)
        table.add_row(*map(harmless, values))
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    Console(highlight=False, markup=False, width=width).print(table)


@app.command()
def show(
    mail_id: Annotated[
        str | None, typer.Argument(help="How its id begins; the latest without.", metavar="MAIL")
    ] = None,
    to: To = None,
    html: Annotated[bool, typer.Option("--html", help="The HTML, not the text.")] = False,
    as_json: AsJson = False,
    endpoint_url: EndpointUrl = None,
) -> None:
    """Show one as it was sent."""
    from cli import mail
    from cli.aws import place
    from cli.printed import harmless

    found = mail.find(place(endpoint_url, on_aws=False), mail_id, to=to)
    if as_json:
        print(json.dumps(asdict(found)))
        return
    if html:
        print(harmless(found.html), end="")
        return
    for name, value in (
        ("From", found.sender),
        ("To", ", ".join(found.to)),
        ("Sent", found.sent_at),
        ("Subject", found.subject),
    ):
        print(f"{name}: {harmless(value)}")
    print(f"\n{harmless(found.text)}", end="")
