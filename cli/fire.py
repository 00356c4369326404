"""`paywright fire`: a sample event, sent the way it would arrive, and what comes of it."""

from __future__ import annotations

import json
import math
import secrets
import time

from cli.addressed import log_of
from cli.arrival import Arrived, send
from cli.logfile import Position, size_of
from cli.logs import Choice, Printer, Watch
from cli.logview import Painter
from cli.paths import Home
from cli.samples import read_event
from cli.state import Emulated

_QUIET_S, _LONGEST_S = 0.7, 10.0


def fire(
    source: str,
    home: Home,
    urls: Emulated,
    *,
    function: str | None = None,
    bus: str | None = None,
    follow: bool = False,
    patience_s: float = 5.0,
) -> bool:
    """Send the event and show the log of what it causes; whether it arrived well.

    For a first line it waits that long, then until the log falls silent about it, or with `follow`
    until interrupted. Raises Failure.
    """
    trace = f"{int(time.time()):08x}{secrets.token_hex(12)}"
    event = json.loads(read_event(source, home, urls, trace=trace))
    log = log_of(home)
    since = Position(log, size_of(log))
    arrived = send(event, urls, trace=trace, function=function, bus=bus)
    print(arrived.done)
    if arrived.answer:
        print(f"\n{arrived.answer}")
    _show_log(home, since, arrived, math.inf if follow else patience_s)
    return not arrived.failed


def _show_log(home: Home, since: Position, arrived: Arrived, patience_s: float) -> None:
    ids = {each for each in (arrived.trace, arrived.event_id) if each}
    choice = Choice(arrived.function, traces=ids or None)
    watch = Watch(log_of(home), since, choice, Printer(Painter(), as_json=False))
    print(flush=True)
    until = time.monotonic() + patience_s
    latest = until + _LONGEST_S
    while time.monotonic() < until:
        if watch.turn() and patience_s < math.inf:
            until = min(time.monotonic() + _QUIET_S, latest)
        time.sleep(0.05)
    if not watch.invoked:
        print("The log has nothing of it yet: a function that is busy takes it when it is free.")
    print()
    for request_id, function in watch.invoked.items():
        print(f"{function}: request {request_id}")
    for each in sorted(ids):
        print(f"All of it: paywright logs --trace {each}")
