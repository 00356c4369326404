"""Queues and messages as people read them."""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.printed import harmless
from cli.queue_peek import Message
from cli.queues import Queue

_WIDE = 200
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_SHOWN_ELSEWHERE = frozenset(
    {"SentTimestamp", "ApproximateReceiveCount", "DeadLetterQueueSourceArn", "SenderId"}
    | {"ApproximateFirstReceiveTimestamp"}
)


def table(queues: Sequence[Queue]) -> None:
    """Print a line for each queue; dead letters that wait for somebody stand out."""
    if not queues:
        print("There are no queues.")
        return
    shown = Table(box=None, pad_edge=False, header_style="bold")
    shown.add_column("queue", overflow="fold")
    for title in ("visible", "in flight", "delayed", "oldest"):
        shown.add_column(title, justify="right")
    shown.add_column("dead letters", overflow="fold")
    for queue in queues:
        shown.add_row(
            queue.name,
            str(queue.visible),
            str(queue.in_flight),
            str(queue.delayed),
            "-" if queue.oldest_s is None else duration(queue.oldest_s),
            _letters(queue),
            style="bold red" if queue.dead_letters_of and queue.depth else "",
        )
    _console().print(shown)


def messages(queue: Queue, found: Sequence[Message]) -> None:
    """Print messages one after the other: what they are, why they are here, what they say."""
    if not found:
        hidden = f", {queue.in_flight} in flight" if queue.in_flight else ""
        print(f"{queue.name} has no message to show{hidden}.")
    console = _console()
    for number, message in enumerate(found, 1):
        console.print(Text(f"{number}. {message.id}", style="bold"))
        for name, value in _facts(message):
            console.print(Text(f"   {name}: {value}", style="dim"), soft_wrap=True)
        for line in pretty(message.body).splitlines():
            console.print(Text(f"   {line}"), soft_wrap=True)


def as_content(message: Message) -> dict[str, Any]:
    """A message for programs, with binary attributes in base64."""
    content = asdict(message)
    for value in content["message_attributes"].values():
        if "BinaryValue" in value:
            value["BinaryValue"] = _base64(value["BinaryValue"])
    return content


def pretty(body: str) -> str:
    """A body with its JSON laid out; no character of it can steer a terminal."""
    try:
        return harmless(json.dumps(json.loads(body), indent=2, ensure_ascii=False))
    except (ValueError, RecursionError):  # lists too deep
        return harmless(body)


def duration(seconds: float) -> str:
    """A time in its largest whole unit."""
    for unit, size in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return "0 s"


class Progress:
    """One line on stderr at a terminal; nothing elsewhere."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr)

    def moved(self, count: int, total: int | None) -> None:
        """Show how far it is."""
        if sys.stderr.isatty():
            of = "" if total is None else f" of {total}"
            print(f"\r\x1b[K{count}{of} moved", end="", file=sys.stderr, flush=True)


def _letters(queue: Queue) -> str:
    if queue.dead_letters_of:
        return f"of {', '.join(queue.dead_letters_of)}"
    if queue.dead_letter_queue:
        return f"to {queue.dead_letter_queue} after {queue.max_receives} receives"
    return ""


def _facts(message: Message) -> list[tuple[str, str]]:
    """What is known of a message besides its body."""
    attributes = message.attributes
    facts = [("state", message.state.replace("_", " "))] if message.state != "visible" else []
    if "SentTimestamp" in attributes:
        age_s = time.time() - int(attributes["SentTimestamp"]) / 1000
        facts.append(("sent", f"{duration(max(0, age_s))} ago"))
    facts.append(("received", f"{attributes.get('ApproximateReceiveCount', '0')} times"))
    given = {
        name: str(value.get("StringValue") or _base64(value.get("BinaryValue")))
        for name, value in message.message_attributes.items()
    }
    if message.why:
        facts.append(("why", message.why))
    facts += [(name, value) for name, value in attributes.items() if name not in _SHOWN_ELSEWHERE]
    facts += list(given.items())
    return [(harmless(name), harmless(value)) for name, value in facts]


def _base64(value: object) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _console() -> Console:
    # Programs cut columns by themselves; only a terminal has an edge.
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)
