"""The `paywright` command.

Each command loads what it needs when it is called: a start within seconds leaves no room for
modules that are not used.
"""

# ruff: noqa: PLC0415 - see above
# ruff: noqa: PLR0917 - a command's parameters are its options

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from cli import queue_commands
from cli.errors import Failure
from cli.options import AsJson, EndpointUrl, OnAws

app = typer.Typer(
    name="paywright",
    help="Run Paywright on this machine, try it out, and look after it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
merchant_app = typer.Typer(help="Merchants.", no_args_is_help=True)
app.add_typer(merchant_app, name="merchant")
clock_app = typer.Typer(help="Business time.", no_args_is_help=True)
app.add_typer(clock_app, name="clock")
schedule_app = typer.Typer(help="Schedules and scheduled rules.", no_args_is_help=True)
app.add_typer(schedule_app, name="schedule")
app.add_typer(queue_commands.app, name="queue")

ScheduleName = Annotated[str, typer.Argument(help="The schedule's or the rule's name.")]
Group = Annotated[str | None, typer.Option(help="The schedule's group, where it takes one.")]


@app.command()
def up(
    detach: Annotated[bool, typer.Option("--detach", help="Return once it is ready.")] = False,
    param: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE of a template parameter; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start everything; in the foreground with a live log, until Ctrl-C."""
    from cli import up as command

    pairs = [text.partition("=") for text in param or ()]
    if not all(name and sign for name, sign, _ in pairs):
        raise Failure(f"--param takes NAME=VALUE, not {' '.join(param or ())}.")
    parameters = {name: value for name, _, value in pairs}
    command.up(detach=detach, as_json=as_json, parameters=parameters)


@app.command()
def down() -> None:
    """Stop everything."""
    from cli import up as command

    print(command.down())


@app.command()
def status(as_json: AsJson = False) -> None:
    """Say where the running system is."""
    from cli.paths import Home
    from cli.state import require_running

    home = Home.find()
    urls = asdict(require_running(home))
    if as_json:
        print(json.dumps(urls))
        return
    from cli import clock
    from cli.database import without_password

    for name, value in urls.items():
        print(f"{name:18} {without_password(value) if '://' in value else value}")
    if offset := clock.ahead(home):
        print(f"{'clock':18} {clock.words(offset)} ahead of this machine's")


@merchant_app.command("create")
def merchant_create(
    name: Annotated[str, typer.Option(help="The merchant's name.")],
    email: Annotated[str, typer.Option(help="The merchant's e-mail address.")],
    settlement_currency: Annotated[str, typer.Option(help="ISO 4217 code, such as usd.")],
    webhook_url: Annotated[str | None, typer.Option(help="Where events are delivered.")] = None,
    rate_limit_per_min: Annotated[int | None, typer.Option(help="Requests a minute.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a merchant; its key and webhook secret are printed this once."""
    from cli import database, merchants
    from cli.paths import Home
    from cli.state import require_running

    home = Home.find()
    urls = require_running(home)
    with database.connect(urls.database_url) as connection:
        created = merchants.create(
            connection,
            home,
            urls.receiver_url,
            name=name,
            email=email,
            settlement_currency=settlement_currency,
            webhook_url=webhook_url,
            rate_limit_per_min=rate_limit_per_min,
        )
    _print(asdict(created), as_json)


@clock_app.command("show")
def clock_show(as_json: AsJson = False) -> None:
    """Say what time it is for the business, and how far that is ahead."""
    from cli import clock
    from cli.paths import Home

    home = Home.find()
    shown = clock.show(home)
    if as_json:
        print(json.dumps(shown))
    else:
        _print({"now": shown["now"], "ahead": clock.words(clock.ahead(home))}, as_json)


@clock_app.command("advance")
def clock_advance(
    step: Annotated[str, typer.Argument(help="How far: 90s, 15m, 36h, 7d, 2w, 1d12h or PT36H.")],
    as_json: AsJson = False,
) -> None:
    """Move business time forward, in every function and for every schedule at once."""
    from cli import clock
    from cli.paths import Home
    from cli.state import require_running

    by = clock.duration(step)
    home = Home.find()
    moved = clock.advance(home, require_running(home), by)
    if as_json:
        print(json.dumps(moved))
        return
    print(f"It is {moved['now']} now, {clock.words(clock.ahead(home))} ahead.")
    print(f"Schedules that became due: {moved['schedules_due']}.")


@schedule_app.command("list")
def schedule_list(
    endpoint_url: EndpointUrl = None, on_aws: OnAws = False, as_json: AsJson = False
) -> None:
    """List every schedule and scheduled rule, with its next and its last time."""
    from cli import schedule, schedule_view
    from cli.aws import place

    found = schedule.rows(place(endpoint_url, on_aws))
    if as_json:
        print(json.dumps([asdict(row) for row in found]))
    else:
        schedule_view.table(found)


@schedule_app.command("next")
def schedule_next(
    name: Annotated[str | None, typer.Argument(help="One schedule; all without it.")] = None,
    count: Annotated[int, typer.Option("-n", min=1, max=1000, help="How many times.")] = 5,
    expression: Annotated[
        str | None, typer.Option(help="Any expression, such as 'cron(0 9 ? * MON-FRI *)'.")
    ] = None,
    timezone: Annotated[str, typer.Option(help="The expression's, as Europe/Berlin.")] = "UTC",
    group: Group = None,
    endpoint_url: EndpointUrl = None,
    on_aws: OnAws = False,
    as_json: AsJson = False,
) -> None:
    """Say when a schedule, all of them, or an expression fires next."""
    from cli import schedule, schedule_view
    from cli.aws import place
    from cli.paths import Home

    if expression is not None:
        if name is not None:
            raise Failure("Give a schedule's name or an expression, not both.")
        shown = schedule.of_expression(Home.find(), expression, timezone, count)
    else:
        where = place(endpoint_url, on_aws)
        found = schedule.find(where, name, group) if name else schedule.rows(where)
        shown = schedule.upcoming(found, count)
    schedule_view.times(shown, as_json=as_json)


@schedule_app.command("run")
def schedule_run(
    name: ScheduleName,
    group: Group = None,
    endpoint_url: EndpointUrl = None,
    on_aws: OnAws = False,
    as_json: AsJson = False,
) -> None:
    """Fire a schedule now, once; it stays planned as it was."""
    from cli import schedule
    from cli.aws import place

    fired = schedule.run(place(endpoint_url, on_aws), name, group)
    if as_json:
        print(json.dumps(fired))
    for one in fired if not as_json else ():
        print(f"{one['target']} {'was reached' if one['error'] is None else one['error']}")
    if any(one["error"] is not None for one in fired):
        raise typer.Exit(1)


@schedule_app.command("enable")
def schedule_enable(
    name: ScheduleName,
    group: Group = None,
    endpoint_url: EndpointUrl = None,
    on_aws: OnAws = False,
) -> None:
    """Let a schedule fire."""
    from cli import schedule
    from cli.aws import place

    schedule.switch(place(endpoint_url, on_aws), name, group, enabled=True)
    print(f"{name} is enabled.")


@schedule_app.command("disable")
def schedule_disable(
    name: ScheduleName,
    group: Group = None,
    endpoint_url: EndpointUrl = None,
    on_aws: OnAws = False,
) -> None:
    """Let a schedule fire no more, until it is enabled again."""
    from cli import schedule
    from cli.aws import place

    schedule.switch(place(endpoint_url, on_aws), name, group, enabled=False)
    print(f"{name} is disabled.")


@app.command()
def reset(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete all local data: payments, merchants, queues, logs, secrets."""
    from cli import reset as command
    from cli.paths import Home

    home = Home.find()
    command.refuse_while_running(home)
    if not yes:
        typer.confirm(f"Delete all that Paywright keeps in {home.folder}?", abort=True)
    print(command.reset(home))


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what is wrong with this machine, and how to mend it."""
    from cli import doctor as command

    findings = command.examine()
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings]))
    else:
        command.show(findings)
    if any(finding.problem for finding in findings):
        raise typer.Exit(1)


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
    from cli.paths import Home
    from cli.samples import read_event
    from cli.state import require_running

    home = Home.find()
    urls = require_running(home)
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
    from cli.paths import Home
    from cli.state import require_running

    home = Home.find()
    arrived = command.fire(
        event, home, require_running(home), function=function, bus=bus, follow=follow
    )
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


@app.command()
def demo() -> None:
    """Play a purchase, a manual capture, a decline and a forged webhook, and tell the story."""
    from cli import demo as command
    from cli.paths import Home
    from cli.state import require_running

    home = Home.find()
    command.play(home, require_running(home))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def emulator(context: typer.Context) -> None:
    """Run the emulator alone, on any SAM template; takes what `python -m emulator` takes."""
    import os

    os.execv(  # noqa: S606 - ourselves, with the user's own arguments
        sys.executable, [sys.executable, "-m", "emulator", *context.args]
    )


def _print(content: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(content))
        return
    for name, value in content.items():
        print(f"{name:16} {'-' if value is None else value}")


def main() -> None:
    """Run the command; what goes wrong is one sentence on stderr and exit code 1."""
    from emulator.services.errors import ServiceError

    try:
        app()
    except (Failure, ServiceError) as error:
        print(f"paywright: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        import os

        # Whoever read this has gone; nor must the interpreter try to flush what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
