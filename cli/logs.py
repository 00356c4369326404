"""`paywright logs`: what the functions, the gateway and the emulator have said."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from cli.addressed import log_of
from cli.errors import Failure
from cli.logfile import Follower, Position, backward, begin, start
from cli.logview import EMULATOR, GATEWAY, LEVELS, Entry, Painter, Shown, tell
from cli.paths import Home

DEFAULT_COUNT = 100
_POLL_S = 0.1
_MOST_OF_AN_ID = 50
"""Traces, or invocations, that one id leads to: a payment has a handful."""
_TRACE = re.compile(r"(?:Root=)?1-([0-9a-f]{8})-([0-9a-f]{24})|[0-9a-f]{2}-([0-9a-f]{32})-.*")
_W3C = re.compile("[0-9a-f]{32}")
_AGE = re.compile(r"(\d+)([smhd])")
_LEVEL_MARKS = {
    "WARNING": (b"WARNING", b"ERROR", b"CRITICAL", b'"status":4', b'"status":5'),
    "ERROR": (b"ERROR", b"CRITICAL", b'"status":5'),
    "CRITICAL": (b"CRITICAL",),
}
"""What stands in a line of at least that level."""
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_MOMENT = re.compile(rb'\{"ts":"([^"]+)"')


@dataclass(frozen=True)
class Wanted:
    """Which lines are asked for; None is no restriction.

    `trace` is a trace id in any form, a request's id or a payment's; `since` is RFC 3339 in UTC.
    """

    function: str | None = None
    level: str | None = None
    since: str | None = None
    trace: str | None = None
    request: str | None = None
    count: int | None = None


def show(home: Home, wanted: Wanted, *, follow: bool, as_json: bool | None) -> None:
    """Print the lines; with `follow`, go on until interrupted. Raises Failure.

    Without a word about JSON: lines for people on a terminal, else JSON.
    """
    log = log_of(home)
    if not log.exists() and not follow:
        raise Failure(
            f"There is no log yet at {log}: start Paywright with `paywright up`, or another "
            "application with `paywright emulator`."
        )
    painter = Painter()
    printer = Printer(painter, as_json=not painter.on_terminal if as_json is None else as_json)
    choice = Choice(
        wanted.function,
        wanted.level,
        _traced(home, log, wanted.trace) if wanted.trace else None,
        _invoked(log, wanted.request) if wanted.request else frozenset(),
    )
    watch = Watch(log, _begin(log, wanted, choice, printer), choice, printer, wanted.since)
    if not watch.turn() and not follow:
        print("No line of the log is like that.", file=sys.stderr)
    while follow:
        time.sleep(_POLL_S)
        watch.turn()


def moment(text: str, now: datetime | None = None) -> str:
    """`10m`, `36h`, `2d` ago, or a time, as the log writes times; Failure if it is neither."""
    if match := _AGE.fullmatch(text):
        past = timedelta(**{_UNITS[match[2]]: int(match[1])})
        when = (now or datetime.now(UTC)) - past
    else:
        try:
            when = datetime.fromisoformat(text).astimezone(UTC)
        except ValueError:
            raise Failure(
                f"--since takes an age such as 10m or 2h, or a time such as "
                f"2026-11-22T20:00:00Z, not {text}."
            ) from None
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03d}Z"


@dataclass
class Choice:
    """Says of each line, in order, whether it is wanted.

    Of a trace: every line with its id, and what an invocation that named it says later without
    naming any: its errors. What a long invocation says of other traces is not of this one.
    """

    function: str | None = None
    level: str | None = None
    traces: Collection[str] | None = None
    requests: Collection[str] = ()
    _mark: bytes = b""
    _level_marks: tuple[bytes, ...] = ()
    _needles: tuple[bytes, ...] = ()
    _naming: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        ids = [form for trace in self.traces or () for form in (trace, xray(trace))]
        # Most lines are told by their bytes, unread.
        named = {GATEWAY: b'"kind":"access"', EMULATOR: b""}
        self._level_marks = _LEVEL_MARKS.get(self.level or "", (b"",))
        self._mark = named.get(self.function or "", (self.function or "").encode())
        self._needles = tuple(text.encode() for text in (*ids, *self.requests))

    def of(self, raw: bytes) -> Entry | None:
        """The line, if it is wanted."""
        if self._mark not in raw or not _has_any(raw, self._level_marks):
            return None
        named = not self._restricted or _has_any(raw, self._needles)
        if not named and not self._naming:
            return None
        entry = Entry.of(raw)
        if not self._is_of_the_function(entry) or not (named or self._goes_on(entry)):
            return None
        if self._restricted and named and entry.request_id is not None:
            self._naming.add(entry.request_id)
        if self.level is not None and LEVELS.index(entry.level) < LEVELS.index(self.level):
            return None
        return entry

    @property
    def _restricted(self) -> bool:
        return self.traces is not None or bool(self.requests)

    def _is_of_the_function(self, entry: Entry) -> bool:
        who = entry.function or EMULATOR
        return self.function is None or self.function in {who, GATEWAY if entry.is_access else who}

    def _goes_on(self, entry: Entry) -> bool:
        """Whether a line without the id belongs to an invocation that named it."""
        if entry.request_id not in self._naming:
            return False
        if entry.said is not None:
            return not {"trace_id", "trace_ids", "_aws"} & entry.said.keys()
        return entry.fields.get("kind") == "function" or entry.level != "INFO"


class Watch:
    """Prints, turn by turn, what the log gains."""

    def __init__(
        self,
        log: Path,
        begin_at: Position,
        choice: Choice,
        printer: Printer,
        since: str | None = None,
    ) -> None:
        self._follower = Follower(log, begin_at)
        self._choice = choice
        self._printer = printer
        self._since = since
        self.invoked: dict[str, str] = {}
        """The functions that something was seen of, by request id."""

    def turn(self) -> int:
        """Print what is new; how many lines that was."""
        printed = 0
        for raw in self._follower.lines():
            entry = None if _is_before(raw, self._since) else self._choice.of(raw)
            if entry is None:
                continue
            printed += self._printer.print(raw, entry)
            if entry.request_id and entry.function and not entry.is_access:
                self.invoked[entry.request_id] = entry.function
        sys.stdout.flush()
        return printed


class Printer:
    """Prints lines for people, or as they are."""

    def __init__(self, painter: Painter, *, as_json: bool) -> None:
        self._painter = painter
        self._as_json = as_json

    def shown(self, entry: Entry) -> Shown | None:
        """What people are told; None, also for programs, for what is not shown."""
        return tell(entry) if not self._as_json else Shown("", "", "")

    def print(self, raw: bytes, entry: Entry) -> bool:
        """Print one line; whether there was anything to print."""
        shown = self.shown(entry)
        if shown is None:
            return False
        if self._as_json:
            text = raw.decode(errors="replace")
            print(text if "ts" in entry.fields else json.dumps(entry.fields))
            return True
        when = entry.when[11:23]
        print(self._painter.line(f"{when:12}", shown))
        if shown.more:
            print(self._painter.below(shown, 29))
        return True


def _has_any(raw: bytes, needles: tuple[bytes, ...]) -> bool:
    return any(needle in raw for needle in needles)


def xray(trace: str) -> str:
    """A W3C trace id as X-Ray writes it."""
    return f"1-{trace[:8]}-{trace[8:]}"


def w3c(text: str) -> str | None:
    """The trace id in a text of any form: W3C's, a `traceparent`, X-Ray's; None if it is none."""
    if _W3C.fullmatch(text):
        return text
    match = _TRACE.match(text)
    return None if match is None else match[3] or match[1] + match[2]


def _begin(log: Path, wanted: Wanted, choice: Choice, printer: Printer) -> Position:
    """From where to read: the last lines, or what is recent, or all."""
    count = wanted.count
    if count is None:
        unlimited = wanted.since or wanted.trace or wanted.request
        count = None if unlimited else DEFAULT_COUNT
    seen = 0
    looking = Choice(choice.function, choice.level, choice.traces, choice.requests)

    def reached(raw: bytes) -> bool:
        nonlocal seen
        if _is_before(raw, wanted.since):
            return True
        if count is not None:
            entry = looking.of(raw)
            seen += entry is not None and printer.shown(entry) is not None
        return count is not None and seen >= count

    if count is None and wanted.since is None:
        return start(log)
    return begin(log, reached)


def _is_before(raw: bytes, since: str | None) -> bool:
    if since is None:
        return False
    match = _MOMENT.match(raw)
    return match is not None and match[1].decode() < since


def _traced(home: Home, log: Path, wanted: str) -> Collection[str]:
    """The trace ids that a trace's, request's or payment's id stands for; Failure if for none."""
    if (trace := w3c(wanted)) is not None:
        return {trace}
    if wanted.startswith("txn_"):
        found = _traces_of_payment(home, wanted)
    else:
        found = _collect(log, wanted, _trace_of)
    if not found:
        raise Failure(f"Nothing is known of {wanted}.")
    return found


def _trace_of(entry: Entry) -> str | None:
    """What the line is about, else what its invocation is for."""
    said = entry.said or {}
    return w3c(str(said.get("trace_id") or entry.fields.get("trace_id")))


def _traces_of_payment(home: Home, payment_id: str) -> Collection[str]:
    from cli import database  # noqa: PLC0415 - loads its driver
    from cli.state import require_running  # noqa: PLC0415
    from paywright.ids import parse_typeid  # noqa: PLC0415

    uuid = parse_typeid("txn", payment_id)
    with database.connect(require_running(home).database_url) as connection:
        rows = connection.execute(
            "SELECT DISTINCT trace_id FROM payment_operations WHERE transaction_id = %s"
            " AND trace_id IS NOT NULL LIMIT %s",
            (uuid, _MOST_OF_AN_ID),
        )
        return {row[0] for row in rows}


def _invoked(log: Path, request_id: str) -> Collection[str]:
    """A request's id, and those of the invocations that name it."""
    named = _collect(
        log, request_id, lambda entry: entry.request_id if entry.said is not None else None
    )
    return {request_id, *named}


def _collect(log: Path, needle: str, pick: Callable[[Entry], str | None]) -> Collection[str]:
    """What `pick` finds in the lines that hold the needle, the latest first."""
    return set(islice(_picked(log, needle.encode(), pick), _MOST_OF_AN_ID))


def _picked(log: Path, needle: bytes, pick: Callable[[Entry], str | None]) -> Iterator[str]:
    seen: set[str] = set()
    for _, raw in backward(log):
        if needle in raw:
            found = pick(Entry.of(raw))
            if found is not None and found not in seen:
                seen.add(found)
                yield found
