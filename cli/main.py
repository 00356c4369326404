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
from typing import Annotated

import typer

from cli import (
    clock_commands,
    fee_commands,
    function_commands,
    ledger_commands,
    listen_commands,
    mail_commands,
    operation_commands,
    queue_commands,
    schedule_commands,
    webhook_commands,
)
from cli.errors import Failure
from cli.options import AsJson
from cli.printed import fields

app = typer.Typer(
    name="paywright",
    help="Run Paywright on this machine, try it out, and look after it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
merchant_app = typer.Typer(help="Merchants.", no_args_is_help=True)
app.add_typer(merchant_app, name="merchant")
app.add_typer(function_commands.app)
app.add_typer(listen_commands.app)
app.add_typer(clock_commands.app, name="clock")
app.add_typer(schedule_commands.app, name="schedule")
app.add_typer(queue_commands.app, name="queue")
app.add_typer(mail_commands.app, name="mail")
app.add_typer(webhook_commands.app, name="webhooks")
app.add_typer(ledger_commands.app, name="ledger")
app.add_typer(operation_commands.app, name="operations")
merchant_app.add_typer(fee_commands.app, name="fees")


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
    fx_spread_bps: Annotated[
        int, typer.Option(help="Kept of each conversion, in hundredths of a percent.")
    ] = 0,
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
            fx_spread_bps=fx_spread_bps,
        )
    fields(asdict(created), as_json)


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

    from cli.addressed import arguments
    from cli.paths import Home

    given = arguments(Home.find(), context.args)
    os.execv(  # noqa: S606 - ourselves, with the user's own arguments
        sys.executable, [sys.executable, "-m", "emulator", *given]
    )


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
