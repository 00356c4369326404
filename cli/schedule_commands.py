"""`paywright schedule`: what fires when; runs, enables and disables it."""

# ruff: noqa: PLC0415 - commands load what they need when they are called
# ruff: noqa: PLR0917 - a command's parameters are its options

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from cli.errors import Failure
from cli.options import AsJson, EndpointUrl, OnAws

app = typer.Typer(help="Schedules and scheduled rules.", no_args_is_help=True)

ScheduleName = Annotated[str, typer.Argument(help="The schedule's or the rule's name.")]
Group = Annotated[str | None, typer.Option(help="The schedule's group, where it takes one.")]


@app.command("list")
def list_(endpoint_url: EndpointUrl = None, on_aws: OnAws = False, as_json: AsJson = False) -> None:
    """List every schedule and scheduled rule, with its next and its last time."""
    from cli import schedule, schedule_view
    from cli.aws import place

    found = schedule.rows(place(endpoint_url, on_aws))
    if as_json:
        print(json.dumps([asdict(row) for row in found]))
    else:
        schedule_view.table(found)


@app.command("next")
def next_(
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


@app.command("run")
def run(
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


@app.command("enable")
def enable(
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


@app.command("disable")
def disable(
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
