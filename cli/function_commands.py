"""`paywright invoke`, `fire` and `logs`: functions, called and read."""

# ruff: noqa: PLC0415 - commands load what they need when they are called
# ruff: noqa: PLR0917 - a command's parameters are its options

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli.errors import Failure

app = typer.Typer()


@app.command()
def invoke(
    name: Annotated[str, typer.Argument(help="The function, as in template.yaml.")],
    event: Annotated[str, typer.Option(help="A file with the event in JSON; - reads stdin.")],
    log: Annotated[bool, typer.Option("--log", help="Print the end of its log to stderr.")] = False,
    queue: Annotated[
        bool, typer.Option("--async", help="Queue the event and do not wait for its end.")
    ] = False,
) -> None:
    """Run one function with an event and print what it returns; a schedule's event is queued.

    Ends with 1 if the function fails, or cannot be invoked.
    """
    from cli import invoke as command
    from cli.addressed import addressed
    from cli.paths import Home
    from cli.samples import read_event

    home = Home.find()
    urls = addressed(home)
    content = read_event(event, home, urls)
    wait = not (queue or command.is_scheduled(content))
    result = command.invoke(urls.lambda_url, name, content, wait=wait)
    if log and result.log_tail:
        print(result.log_tail.rstrip(), file=sys.stderr)
    print(result.payload)
    if result.function_error:
        raise typer.Exit(1)


@app.command()
def fire(
    event: Annotated[str, typer.Argument(help="A file with the event in JSON; - reads stdin.")],
    function: Annotated[
        str | None, typer.Option(help="Queue it for this function, whatever it is.")
    ] = None,
    bus: Annotated[
        str | None, typer.Option(help="The bus of an EventBridge event, if there are several.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on showing the log until Ctrl-C.")
    ] = False,
) -> None:
    """Send an event the way it would arrive: as a request, or by its queue, bus or schedule."""
    from cli import fire as command
    from cli.addressed import addressed
    from cli.paths import Home

    home = Home.find()
    arrived = command.fire(event, home, addressed(home), function=function, bus=bus, follow=follow)
    if not arrived:
        raise typer.Exit(1)


@app.command()
def logs(
    function: Annotated[
        str | None, typer.Argument(help="One function's lines only; or gateway, emulator.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    trace: Annotated[
        str | None,
        typer.Option(help="All of one trace: X-Trace-Id, or a request's, payment's, event's id."),
    ] = None,
    request: Annotated[str | None, typer.Option(help="One request's or invocation's id.")] = None,
    since: Annotated[str | None, typer.Option(help="An age such as 10m or 2h, or a time.")] = None,
    level: Annotated[str | None, typer.Option(help="This level and above, as WARNING.")] = None,
    count: Annotated[
        int | None, typer.Option("-n", min=1, help="The last lines only (100 unless asked more).")
    ] = None,
    as_json: Annotated[
        bool | None,
        typer.Option("--json/--no-json", help="JSON lines; as it is unless at a terminal."),
    ] = None,
) -> None:
    """Show what functions, gateway and emulator have said."""
    from cli import logs as command
    from cli.logview import LEVELS
    from cli.paths import Home

    if level is not None and level.upper() not in LEVELS:
        raise Failure(f"--level is one of {', '.join(LEVELS)}, not {level}.")
    wanted = command.Wanted(
        function=function,
        level=level.upper() if level else None,
        since=command.moment(since) if since else None,
        trace=trace,
        request=request,
        count=count,
    )
    command.show(Home.find(), wanted, follow=follow, as_json=as_json)
