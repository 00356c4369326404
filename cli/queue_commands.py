"""`paywright queue`: look into queues, bring dead letters back, empty a queue."""

# ruff: noqa: PLC0415 - commands load what they need when they are called

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from cli.options import AsJson, EndpointUrl, OnAws

app = typer.Typer(help="Queues and their dead letters.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The queue; a prefix of all names may be left out.")]
DeadLetters = Annotated[str, typer.Argument(help="The dead-letter queue.")]
To = Annotated[str | None, typer.Option(help="Where to; else where each message came from.")]
Limit = Annotated[int, typer.Option(help="How many messages at most.", min=1, max=1_000)]
AtMost = Annotated[int | None, typer.Option(help="How many at most; else all.", min=1)]


@app.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="With the emulator's own queues.")] = False,
    as_json: AsJson = False,
    endpoint_url: EndpointUrl = None,
    on_aws: OnAws = False,
) -> None:
    """List all queues: how deep they are, how old the oldest message is, whose dead letters."""
    from cli import queue_view, queues
    from cli.aws import place

    found = queues.Queues(place(endpoint_url, on_aws)).overview(every=every)
    if as_json:
        print(json.dumps([asdict(queue) for queue in found]))
    else:
        queue_view.table(found)


@app.command()
def peek(
    name: Name,
    limit: Limit = 10,
    as_json: AsJson = False,
    endpoint_url: EndpointUrl = None,
    on_aws: OnAws = False,
) -> None:
    """Show messages and leave them where they are."""
    from cli import queue_peek, queue_view, queues
    from cli.aws import place

    every = queues.Queues(place(endpoint_url, on_aws))
    queue = every.find(name)
    shown = queue_peek.peek(every, queue, limit)
    if shown.remark:
        print(shown.remark, file=sys.stderr)
    if as_json:
        print(json.dumps([queue_view.as_content(message) for message in shown.messages]))
    else:
        queue_view.messages(every.describe(queue), shown.messages)


@app.command()
def redrive(
    name: DeadLetters,
    to: To = None,
    limit: AtMost = None,
    endpoint_url: EndpointUrl = None,
    on_aws: OnAws = False,
) -> None:
    """Bring dead letters back to where they came from; interrupt and repeat it as you like."""
    from cli import queue_move, queues
    from cli.aws import place
    from cli.queue_view import Progress

    every = queues.Queues(place(endpoint_url, on_aws))
    source = every.find(name)
    target = every.find(to) if to else None
    with Progress() as progress:
        moved = queue_move.redrive(every, source, target, limit, progress.moved)
    print(f"{moved} messages moved from {source.name}{f' to {target.name}' if target else ''}.")


@app.command()
def purge(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    endpoint_url: EndpointUrl = None,
    on_aws: OnAws = False,
) -> None:
    """Delete every message of a queue."""
    from cli import queues
    from cli.aws import place

    every = queues.Queues(place(endpoint_url, on_aws))
    queue = every.find(name)
    depth = every.describe(queue).depth
    if not yes:
        typer.confirm(f"Delete all messages of {queue.name}, about {depth}?", abort=True)
    every.purge(queue)
    print(f"{queue.name} is empty: about {depth} messages are deleted.")
