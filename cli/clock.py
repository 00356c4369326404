"""`paywright clock`: business time, which a local run can move forward."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

from cli.addressed import emulator_alone
from cli.api import call
from cli.errors import Failure
from cli.paths import Home
from cli.state import Emulated, Urls, running
from emulator.clock import Clock, ClockRefused

_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_PLAIN = re.compile(r"(?:\d+[wdhms])+", re.IGNORECASE)
_PART = re.compile(r"(\d+)([wdhms])", re.IGNORECASE)
_ISO = re.compile(r"P(?:\d+W|(?=\d|T\d)(?:\d+D)?(?:T(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+S)?)?)")
_MONTHS_AHEAD = 3
_MOVE_TIMEOUT_S = 60
_AGREES_WITHIN = timedelta(minutes=1)


def ahead(home: Home) -> timedelta:
    """How far business time is ahead of the machine's.

    Paywright's is kept in a file; another application's emulator, if that is what runs, is asked.
    """
    if running(home) is None and (alone := emulator_alone(home)) is not None:
        answer = call("GET", f"{alone.lambda_url}/_emulator/clock")
        return timedelta(seconds=answer.body["offset_s"])
    return Clock(home.clock_file).offset if home.clock_file.exists() else timedelta(0)


def show(home: Home) -> dict[str, Any]:
    """Business time now, and its distance to the machine's in seconds."""
    offset = ahead(home)
    now = datetime.now().astimezone() + offset
    return {"now": now.isoformat(timespec="milliseconds"), "offset_s": offset.total_seconds()}


def advance(home: Home, urls: Emulated, step: timedelta) -> dict[str, Any]:
    """Move the running system's clock; what time it is then, and how many schedules became due.

    Paywright's database gets its partitions up to three months beyond that time first: what is
    written then has a place. Raises Failure if the clock may not move like that.
    """
    if isinstance(urls, Urls):
        try:
            until = Clock(home.clock_file).check(step)
        except ClockRefused as error:
            raise Failure(str(error)) from None
        _make_partitions(urls.database_url, until)
    answer = call(
        "POST",
        f"{urls.lambda_url}/_emulator/clock",
        json.dumps({"advance_s": step.total_seconds()}).encode(),
        headers={"Content-Type": "application/json"},
        timeout_s=_MOVE_TIMEOUT_S,
    )
    if answer.status != 200 or not isinstance(answer.body, dict):
        said = answer.body.get("message") if isinstance(answer.body, dict) else None
        raise Failure(f"The clock was not moved: {said or answer.status}")
    return answer.body


def catch_up(home: Home, owner_url: str) -> timedelta:
    """Move the clock to what the database has seen, where it is behind: how far, or 0.

    The file that keeps it may be gone while the database is not. What was made would lie in the
    future: an endpoint would want nothing that happens, a retry would wait for days. Nothing runs
    yet. Raises Failure where the clock cannot go there.
    """
    from cli import database  # noqa: PLC0415 - as below

    seen = database.latest_moment(owner_url)
    clock = Clock(home.clock_file)
    if seen is None or seen - clock.now() < _AGREES_WITHIN:
        return timedelta(0)
    behind = seen - clock.now()
    try:
        clock.advance(behind)
    except ClockRefused as error:
        raise Failure(
            f"The database has seen {seen:%Y-%m-%d}, and the clock cannot follow: {error} "
            "`paywright reset` begins anew."
        ) from None
    return behind


def _make_partitions(database_url: str, until: datetime) -> None:
    import psycopg  # noqa: PLC0415 - `clock show` and `status` do without

    from cli import database  # noqa: PLC0415

    try:
        with database.connect(database_url) as connection:
            connection.execute("SELECT create_month_partitions(%s, %s)", (until, _MONTHS_AHEAD))
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[0]
        raise Failure(f"The database got no partitions, so the clock stays: {reason}.") from error


def duration(text: str) -> timedelta:
    """Read `36h`, `1d12h`, `2w` or ISO 8601's `PT36H`; Failure if it is neither."""
    given = text.strip()
    iso = given.upper()
    if _ISO.fullmatch(iso):
        # Before T an M would be months, which no two are alike; the pattern has none.
        parts = _PART.findall(iso.replace("P", "").replace("T", ""))
    elif _PLAIN.fullmatch(given):
        parts = _PART.findall(given)
    else:
        raise Failure(
            f"{text!r} is no length of time: give it as 90s, 15m, 36h, 7d, 2w, 1d12h or PT36H."
        )
    try:
        found = sum(
            (timedelta(**{_UNITS[unit.lower()]: int(count)}) for count, unit in parts), timedelta(0)
        )
    except OverflowError:
        found = timedelta.max
    if found <= timedelta(0):
        raise Failure("The clock only moves forward: give a time longer than 0.")
    return found


def words(length: timedelta) -> str:
    """A length of time for people: `1d 12h`."""
    seconds = round(length.total_seconds())
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")]
    return " ".join(f"{count}{unit}" for count, unit in parts if count) or "0s"
