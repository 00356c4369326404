"""`paywright clock`: what time it is for the business, and later."""

# ruff: noqa: PLC0415 - commands load what they need when they are called

from __future__ import annotations

import json
from typing import Annotated

import typer

from cli.options import AsJson
from cli.printed import fields

app = typer.Typer(help="Business time.", no_args_is_help=True)


@app.command("show")
def show(as_json: AsJson = False) -> None:
    """Say what time it is for the business, and how far that is ahead."""
    from cli import clock
    from cli.paths import Home

    home = Home.find()
    shown = clock.show(home)
    if as_json:
        print(json.dumps(shown))
    else:
        fields({"now": shown["now"], "ahead": clock.words(clock.ahead(home))}, as_json)


@app.command("advance")
def advance(
    step: Annotated[str, typer.Argument(help="How far: 90s, 15m, 36h, 7d, 2w, 1d12h or PT36H.")],
    as_json: AsJson = False,
) -> None:
    """Move business time forward, in every function and for every schedule at once."""
    from cli import clock
    from cli.addressed import addressed
    from cli.paths import Home

    by = clock.duration(step)
    home = Home.find()
    moved = clock.advance(home, addressed(home), by)
    if as_json:
        print(json.dumps(moved))
        return
    print(f"It is {moved['now']} now, {clock.words(clock.ahead(home))} ahead.")
    print(f"Schedules that became due: {moved['schedules_due']}.")
