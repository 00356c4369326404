"""`paywright webhooks`: deliveries, followed, looked at and sent again."""

# ruff: noqa: PLC0415 - commands load what they need when they are called
# ruff: noqa: PLR0917 - a command's parameters are its options

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import Failure
from cli.options import AsJson

if TYPE_CHECKING:
    from rich.console import Console

    from cli.place import Place
    from cli.webhooks import Line, Wanted

app = typer.Typer(help="Webhooks to merchants' endpoints.", no_args_is_help=True)

Merchant = Annotated[str | None, typer.Option(help="Only of this merchant, mer_…")]
Endpoint = Annotated[str | None, typer.Option(help="Only to this endpoint, whe_…")]
Failed = Annotated[bool, typer.Option("--failed", help="Only what failed.")]

_PIPE_WIDTH = 200


@app.command("list")
def list_(
    merchant: Merchant = None,
    endpoint: Endpoint = None,
    failed: Failed = False,
    since: Annotated[str, typer.Option(help="Begun within this time: 2h, 7d.")] = "24h",
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=1_000)] = 20,
    as_json: AsJson = False,
) -> None:
    """List deliveries, the latest first."""
    from rich.console import Console
    from rich.table import Table

    from cli import webhooks
    from cli.clock import duration
    from cli.place import Place
    from cli.printed import harmless

    place = Place.find()
    wanted = _wanted(place, merchant, endpoint, only_failed=failed)
    found = webhooks.deliveries(place, wanted, duration(since), limit)
    if as_json:
        print(json.dumps([asdict(line) for line in found]))
        return
    if not found:
        print("There are no such deliveries.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("delivery", "at", "event", "receiver", "status", "attempts", "answer"):
        table.add_column(title, overflow="fold")
    for line in found:
        values = (line.delivery_id, line.at, line.event_type or line.event_id, line.receiver)
        more = (line.status, str(line.attempt), line.outcome)
        colour = {"delivered": "", "failed": "red", "pending": "yellow"}[line.status]
        table.add_row(*map(harmless, values + more), style=colour)
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    Console(highlight=False, markup=False, width=width).print(table)


@app.command()
def tail(
    merchant: Merchant = None,
    endpoint: Endpoint = None,
    failed: Failed = False,
    as_json: AsJson = False,
) -> None:
    """Follow deliveries as they are attempted, until Ctrl-C."""
    from rich.console import Console

    from cli import webhooks
    from cli.place import Place
    from cli.signals import until_signal

    place = Place.find()
    wanted = _wanted(place, merchant, endpoint, only_failed=failed)
    out = Console(highlight=False, soft_wrap=True)

    def tell(line: Line) -> None:
        if as_json:
            print(json.dumps(asdict(line)), flush=True)
        else:
            _show(out, line)

    with until_signal() as stop:
        webhooks.tail(
            place, wanted, tell, lambda text: print(text, file=sys.stderr, flush=True), stop
        )


@app.command()
def resend(
    delivery: Annotated[
        str | None, typer.Argument(help="The delivery, whd_…, or an event, evt_…")
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="With --failed: all of this endpoint, whe_…")
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="What failed at the endpoint.")] = False,
    since: Annotated[str, typer.Option(help="Begun within this time: 2h, 7d.")] = "24h",
    merchant: Annotated[
        str | None,
        typer.Option(help="Of an event: its merchant, mer_…, so that it is found at once"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send one delivery again, all that failed at an endpoint, or an event to all who lack it."""
    from cli import webhooks
    from cli.clock import duration
    from cli.place import Place

    if (delivery is None) == (endpoint is None) or failed != (endpoint is not None):
        raise Failure(
            "Give a delivery, an event, or --endpoint with --failed: `paywright webhooks resend "
            "whd_…`, `paywright webhooks resend evt_…`, or `paywright webhooks resend "
            "--endpoint whe_… --failed --since 2h`."
        )
    is_event = delivery is not None and delivery.startswith("evt_")
    if merchant is not None and not is_event:
        raise Failure("--merchant goes with an event: `paywright webhooks resend evt_…`.")
    place = Place.find()
    if delivery is not None and is_event:
        count = webhooks.relay_again(
            place, delivery, None if merchant is None else place.merchant(merchant)
        )
        said = f"No endpoint is left that wanted {delivery} and has not got it: nothing is sent."
        if count:
            lack = (
                "1 endpoint that wanted it and has"
                if count == 1
                else (f"{count} endpoints that wanted it and have")
            )
            said = f"{delivery} is sent to {lack} not got it."
        print(json.dumps({"event_id": delivery, "endpoints": count}) if as_json else said)
        return
    if delivery is not None:
        content = webhooks.resend(place, delivery)
        print(json.dumps(content) if as_json else f"{delivery} is sent again.")
        return
    assert endpoint is not None, "one of the two is given"
    count = webhooks.resend_failed(place, endpoint, duration(since))
    print(json.dumps({"resent": count}) if as_json else f"{count} deliveries are sent again.")


def _wanted(
    place: Place, merchant: str | None, endpoint: str | None, *, only_failed: bool
) -> Wanted:
    from cli import webhooks

    return webhooks.Wanted(
        None if merchant is None else place.merchant(merchant),
        None if endpoint is None else webhooks.endpoint_id(endpoint),
        only_failed,
    )


def _show(out: Console, line: Line) -> None:
    from rich.text import Text

    from cli.printed import harmless

    out.print(
        Text.assemble(
            (line.at[11:23], "dim"),
            f"  {line.merchant_id}  {line.event_type or line.event_id:<24}  ",
            f"{harmless(line.receiver):<32}  ",
            (f"#{line.attempt}  {harmless(line.outcome)}", "green" if line.is_well else "red"),
            f"  {line.duration_ms} ms",
        )
    )
