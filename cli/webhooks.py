"""`paywright webhooks`: what became of deliveries, for operators."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from cli.errors import Failure
from cli.place import Place
from cli.reading import opened
from cli.signals import Stop
from cli.window import LATE_S, Window
from paywright import db
from paywright.clock import business_clock, rfc3339
from paywright.db.connection import Row
from paywright.errors import PaywrightError
from paywright.ids import UuidSource, parse_typeid, typeid, uuid_floor
from paywright.payments.models import Operator, RequestContext
from paywright.webhooks.filters import EVENT_TYPES, TEST_EVENT, wanted_then
from paywright.webhooks.history import KEPT_FOR, Deliveries

_POLL_S = 0.5
_A_BATCH = 500
_LONGEST_RECEIVER = 48

_QUERIES = db.load(__file__)


@dataclass(frozen=True)
class Wanted:
    """Which deliveries are meant; None is all."""

    merchant_id: UUID | None = None
    endpoint_id: UUID | None = None
    only_failed: bool = False

    def parameters(self) -> dict[str, Any]:
        """What the statements take."""
        return asdict(self)


@dataclass(frozen=True)
class Line:
    """A delivery, or one attempt of it; `status_code` is what the receiver answered.

    Of the URL's query, which may hold a secret, `path` says only that there is one.
    """

    at: str
    delivery_id: str
    merchant_id: str
    endpoint_id: str
    host: str
    path: str
    event_id: str
    event_type: str | None
    status: str
    attempt: int
    status_code: int | None
    error: str | None
    duration_ms: int | None

    @property
    def receiver(self) -> str:
        """Host and path, cut in the middle where they are long."""
        whole = self.host + self.path.rstrip("/")
        half = _LONGEST_RECEIVER // 2
        return whole if len(whole) <= _LONGEST_RECEIVER else f"{whole[:half]}…{whole[1 - half :]}"

    @property
    def is_well(self) -> bool:
        """Whether the receiver took it."""
        return self.status == "delivered"

    @property
    def outcome(self) -> str:
        """What came of it, in a word or two."""
        if self.error:
            return self.error
        return self.status if self.status_code is None else str(self.status_code)


def deliveries(place: Place, wanted: Wanted, since: timedelta, limit: int) -> list[Line]:
    """What was begun within that time, the latest first."""
    now = business_clock(place.clock_file).now()
    parameters = wanted.parameters() | {"floor": uuid_floor(now - since), "limit": limit}
    with opened(place, "webhooks") as source:
        return [_line(row) for row in source.all(_QUERIES["deliveries"], parameters)]


def tail(
    place: Place,
    wanted: Wanted,
    tell: Callable[[Line], None],
    say: Callable[[str], None],
    stop: Stop,
) -> None:
    """Tell of each attempt from now on, until told to stop; a database that is away is awaited."""
    now = business_clock(place.clock_file).now()
    window: Window[datetime] = Window(now - timedelta(seconds=LATE_S))
    with opened(place, "webhooks") as source:
        while _attempts(source, wanted, window):  # what was there before
            pass
        say("Ready.")
        is_away = False
        while not stop.is_set():
            try:
                found = _attempts(source, wanted, window)
            except db.Lost:
                if not is_away:
                    say("The database is away; trying on.")
                is_away, found = True, []
            else:
                if is_away:
                    say("The database is back.")
                is_away = False
            for row in found:
                tell(_line(row))
            if not found:
                stop.wait(_POLL_S)


def _attempts(source: db.Database, wanted: Wanted, window: Window[datetime]) -> list[Row]:
    """New attempts in the order of their times, a batch at most."""
    seen = window.seen
    parameters = wanted.parameters() | {
        "floor": window.floor,
        "seen": [name for name, _ in seen],
        "seen_numbers": [number for _, number in seen],
        "limit": _A_BATCH,
    }
    rows = source.all(_QUERIES["attempts"], parameters)
    found = [row for row in rows if window.is_new(row["at"], (row["id"], row["attempt"]))]
    window.turn()
    return found


def resend(place: Place, given: str) -> dict[str, Any]:
    """Have one delivery sent again at once; it as the API shows it. Failure if that cannot be."""
    delivery_id = _id("whd", given)
    with opened(place, "webhooks") as source:
        row = source.one(_QUERIES["delivery"], {"id": delivery_id})
        if row is None:
            raise Failure(f"There is no delivery {given}: `paywright webhooks list` shows them.")
        service = _service(place, source)
        answer = _told(lambda: service.resend(_operator(row), delivery_id, _context()))
    return dict(json.loads(answer.body))


def relay_again(place: Place, given: str, merchant_id: UUID | None) -> int:
    """Have an event put on the bus again, for endpoints that wanted it and have not got it.

    How many these are; where there are none, nothing is done. It is looked for with every merchant,
    unless its own is named. Failure if there is no such event.
    """
    clock, event_id = business_clock(place.clock_file), _id("evt", given)
    parameters: dict[str, Any] = {
        "id": event_id,
        "merchant_id": merchant_id,
        "audit_id": UuidSource(clock).new(),
        "operator": getpass.getuser(),
        "now": clock.now(),
    }
    with opened(place, "webhooks") as source:
        found = source.one(_QUERIES["merchant_of_event"], parameters)
        if found is None:
            of = "" if merchant_id is None else f" of {typeid('mer', merchant_id)}"
            raise Failure(
                f"There is no event {given}{of} that was on the bus: they are kept for "
                f"{KEPT_FOR.days} days."
            )
        parameters |= found
        rows = source.all(_QUERIES["receivers"], parameters)
        count = sum(_still_wants(row, event_id) for row in rows)
        if count:
            source.all(_QUERIES["relay_again"], parameters)
    return count


def _still_wants(row: Row, event_id: UUID) -> bool:
    if row["type"] == TEST_EVENT:  # it is for the endpoint alone that it is about
        return bool(row["object_id"] == typeid("whe", row["id"]))
    wanted = zip(row["wanted_types"], row["wanted_since"], strict=True)
    return row["type"] in EVENT_TYPES and wanted_then(wanted, event_id, row["type"])


def resend_failed(place: Place, given: str, since: timedelta) -> int:
    """Have all sent again that failed at an endpoint within that time; how many they are."""
    endpoint_id = _id("whe", given)
    with opened(place, "webhooks") as source:
        row = source.one(_QUERIES["endpoint"], {"id": endpoint_id})
        if row is None:
            raise Failure(f"There is no webhook endpoint {given}.")
        service, count = _service(place, source), 0
        from_then = business_clock(place.clock_file).now() - since
        while True:
            answer = _told(
                lambda: service.resend_failed(_operator(row), endpoint_id, from_then, _context())
            )
            done = json.loads(answer.body)
            count += int(done["resent"])
            if not done["has_more"]:
                return count


def _told(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except PaywrightError as error:
        if isinstance(error, db.Lost):
            raise
        raise Failure(error.message) from error


def _service(place: Place, source: db.Database) -> Deliveries:
    clock = business_clock(place.clock_file)
    return Deliveries(source, clock, UuidSource(clock))


def _operator(row: Row) -> Operator:
    """Whoever calls this command, at work on what a row is about."""
    return Operator(getpass.getuser(), row["merchant_id"], row["livemode"])


def _context() -> RequestContext:
    trace_id = UuidSource(business_clock(None)).new().hex
    return RequestContext(None, b"", trace_id, None, "paywright webhooks")


def endpoint_id(given: str) -> UUID:
    """The id of an endpoint; Failure for what is none."""
    return _id("whe", given)


def _id(prefix: str, given: str) -> UUID:
    found = parse_typeid(prefix, given)
    if found is None:
        kind = {"whd": "delivery", "whe": "webhook endpoint", "evt": "event"}[prefix]
        raise Failure(f"{given} is no {kind}'s id: that is {prefix}_ and 26 letters and digits.")
    return found


def _line(row: Mapping[str, Any]) -> Line:
    url = urlsplit(row["url"])
    return Line(
        at=rfc3339(row["at"]),
        delivery_id=typeid("whd", row["id"]),
        merchant_id=typeid("mer", row["merchant_id"]),
        endpoint_id=typeid("whe", row["endpoint_id"]),
        host=url.netloc,
        path=url.path + ("?…" if url.query else ""),
        event_id=typeid("evt", row["event_id"]),
        event_type=row["event_type"],
        status=row["status"],
        attempt=row["attempt"],
        status_code=row["status_code"],
        error=row["error"],
        duration_ms=row["duration_ms"],
    )
