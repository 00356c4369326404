"""`paywright listen`: events on their way to a developer's own server."""

# ruff: noqa: PLC0415 - commands load what they need when they are called

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from cli.listen import Forwarded

app = typer.Typer()


@app.command()
def listen(
    forward_to: Annotated[str, typer.Option(help="Your server, http://localhost:8000/hooks.")],
    events: Annotated[
        list[str] | None,
        typer.Option(help="Which: payment.captured, payment.*, or *; may be repeated."),
    ] = None,
    merchant: Annotated[
        str | None, typer.Option(help="mer_…; the demo merchant without it.")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Of live mode, not of test mode.")] = False,
    print_json: Annotated[
        bool, typer.Option("--print-json", help="Print each event as a line of JSON.")
    ] = False,
) -> None:
    """Forward events to your server as they happen, once each, until Ctrl-C."""
    from rich.console import Console

    from cli import listen as command
    from cli.place import Place
    from cli.signals import until_signal
    from paywright.ids import typeid

    place = Place.find()
    url, wanted = command.target(forward_to), command.filters(events or ())
    merchant_id = place.merchant(merchant)
    command.require_merchant(place, merchant_id)
    secret = command.secret_of(place)
    shown = Console(stderr=print_json, highlight=False, soft_wrap=True)

    def said(text: str) -> None:
        shown.print(text, style="dim", markup=False)

    def told(event: Forwarded) -> None:
        if print_json:
            print(command.as_content(event), flush=True)
        _line(shown, event)

    listener = command.Listener(
        place, merchant_id, url, secret, told, said, event_types=wanted, livemode=live
    )
    said(f"Forwarding {', '.join(wanted)} of {typeid('mer', merchant_id)} to {url}")
    shown.print(f"Signing secret: {secret}", markup=False)
    with until_signal() as stop:
        listener.run(stop)
    said(f"{listener.forwarded} forwarded, {listener.failed} not taken.")
    sys.stdout.flush()


def _line(shown: Console, event: Forwarded) -> None:
    from rich.text import Text

    answer = event.answer
    is_taken = answer.status is not None and 200 <= answer.status <= 299
    outcome = str(answer.status) if answer.error is None else answer.error
    shown.print(
        Text.assemble(
            (f"{event.at.astimezone():%H:%M:%S}", "dim"),
            f"  {event.type:<24}  {event.id}  ",
            (f"{outcome}  {answer.duration_ms} ms", "green" if is_taken else "red"),
        )
    )
