"""Schedules as people and programs read them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table

from cli.schedule import Row
from emulator.cron.expressions import moment

_WIDE = 200


def table(rows: Sequence[Row]) -> None:
    """Print one line for each schedule, with times in its own zone; then what is wrong."""
    if not rows:
        print("There are no schedules.")
        return
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("name", "group", "expression", "zone", "target", "state", "next", "last"):
        shown.add_column(title, overflow="fold")
    for row in rows:
        shown.add_row(
            row.name,
            row.group or "(rule)",
            row.expression,
            row.timezone,
            _short(row.target),
            "enabled" if row.enabled else "disabled",
            _local(moment(row.next), row),
            _local(moment(row.last), row),
        )
    # Programs cut columns by themselves; only a terminal has an edge.
    width = None if sys.stdout.isatty() else _WIDE
    Console(highlight=False, width=width).print(shown)
    for row in rows:
        if row.problem is not None:
            print(f"{row.name}: {row.problem}.")


def times(found: Sequence[tuple[datetime, Row]], *, as_json: bool) -> None:
    """Print when schedules fire, one time on each line, in UTC and in the schedule's zone."""
    if as_json:
        content = [{"at": _utc(at), "name": row.name, "group": row.group} for at, row in found]
        print(json.dumps(content))
        return
    if not found:
        print("Nothing fires.")
    for at, row in found:
        local = "" if row.timezone == "UTC" else f"{_local(at, row)} {row.timezone}"
        print("  ".join(part for part in (_utc(at), local, row.name) if part))


def _local(at: datetime | None, row: Row) -> str:
    return "-" if at is None else at.astimezone(row.timing.zone).strftime("%Y-%m-%d %H:%M:%S")


def _utc(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _short(arn: str) -> str:
    """What an ARN tells beside account and region: `sqs settlement-run`, `lambda relay`."""
    parts = arn.split(":", 5)
    return f"{parts[2]} {parts[5].removeprefix('function:')}" if len(parts) == 6 else arn
