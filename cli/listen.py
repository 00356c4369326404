"""`paywright listen`: forwards a merchant's events to a developer's own server as they happen.

It reads the events themselves and signs them as the platform does; nothing is made for it in the
database, so that nothing is left behind, however it ends.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from cli import database
from cli.errors import Failure
from cli.place import Place
from cli.reading import refused
from cli.signals import Stop
from cli.window import LATE_S, Window
from paywright import db
from paywright.clock import SystemClock, business_clock
from paywright.ids import typeid, uuid_floor
from paywright.webhooks import signing, urls
from paywright.webhooks.filters import EVENT_TYPES, NoSuchEvents, check_filter, wants
from paywright.webhooks.sender import Answer, Sender

_POLL_S = 0.25
_TIMEOUT_S = 10.0
"""As long as the platform waits for a receiver."""
_AT_ONCE = 8
_MOST_WAITING = 500
_A_BATCH = 500

_EVENTS = b"""
    SELECT id, type, payload::text AS payload FROM outbox
     WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s
       AND id > %(floor)s AND id <> ALL (%(seen)s)
     UNION ALL
    SELECT id, type, payload::text FROM events
     WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s
       AND id > %(floor)s AND id <> ALL (%(seen)s)
     ORDER BY id
     LIMIT %(limit)s
"""


@dataclass(frozen=True)
class Forwarded:
    """An event that was sent on, and what came of it."""

    id: str
    type: str
    payload: str
    at: datetime
    answer: Answer


@dataclass
class Listener:
    """Forwards the events of one merchant that match a filter to one URL, once each.

    `told` hears of each, from several threads, one at a time; `said` hears what else there is to
    say.
    """

    place: Place
    merchant_id: UUID
    url: str
    secret: str
    told: Callable[[Forwarded], None]
    said: Callable[[str], None]
    event_types: Sequence[str] = ("*",)
    livemode: bool = False
    forwarded: int = 0
    failed: int = 0
    _is_away: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, stop: Stop) -> None:
        """Forward until told to stop; what is under way by then is finished."""
        now = business_clock(self.place.clock_file).now()
        window: Window[UUID] = Window(uuid_floor(now - timedelta(seconds=LATE_S)))
        source = db.Database(self.place.database_url, application_name="paywright listen")
        sender = Sender(timeout_s=_TIMEOUT_S, allow_loopback=True)
        pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="forward")
        waiting: list[Future[None]] = []
        try:
            while self._look(source, window):  # what was there before
                pass
            self.said("Ready.")
            while not stop.is_set():
                waiting = [future for future in waiting if not future.done()]
                room = _MOST_WAITING - len(waiting)
                found = self._events(source, window, min(room, _A_BATCH)) if room else []
                waiting += [pool.submit(self._forward, sender, row) for row in found]
                if not found:
                    stop.wait(_POLL_S)
        finally:
            unsent = [future for future in waiting if future.cancel()]
            if unsent:
                self.said(f"{len(unsent)} events were not forwarded any more.")
            pool.shutdown()
            sender.close()
            source.close()

    def _look(self, source: db.Database, window: Window[UUID]) -> bool:
        """Note a batch of events; whether there was one. Failure if the database is away."""
        try:
            return bool(self._rows(source, window, _A_BATCH))
        except (db.Lost, psycopg.Error) as error:
            raise refused(self.place, error) from error

    def _events(
        self, source: db.Database, window: Window[UUID], limit: int
    ) -> list[dict[str, Any]]:
        """New events that are wanted; none while the database is away, which is said once."""
        try:
            found = self._rows(source, window, limit)
        except db.Lost:
            if not self._is_away:
                self.said("The database is away; trying on.")
            self._is_away = True
            return []
        if self._is_away:
            self.said("The database is back.")
            self._is_away = False
        return [
            row
            for row in found
            if row["type"] in EVENT_TYPES and wants(self.event_types, row["type"])
        ]

    def _rows(self, source: db.Database, window: Window[UUID], limit: int) -> list[dict[str, Any]]:
        rows = source.all(
            _EVENTS,
            {
                "merchant_id": self.merchant_id,
                "livemode": self.livemode,
                "floor": window.floor,
                "seen": window.seen,
                "limit": limit,
            },
        )
        found = [row for row in rows if window.is_new(row["id"], row["id"])]
        window.turn()
        return found

    def _forward(self, sender: Sender, row: dict[str, Any]) -> None:
        event_id, body, at = typeid("evt", row["id"]), row["payload"].encode(), SystemClock().now()
        headers = signing.headers((self.secret,), event_id, at, body)
        answer = sender.post(self.url, headers, body)
        with self._lock:
            is_taken = answer.status is not None and 200 <= answer.status <= 299
            self.forwarded += is_taken
            self.failed += not is_taken
            self.told(Forwarded(event_id, row["type"], row["payload"], at, answer))


def target(given: str) -> str:
    """The URL of a developer's server, http where nothing is said; Failure for what is none."""
    url = given if "://" in given else f"http://{given}"
    try:
        urls.check_url(url, allow_loopback=True)
    except urls.UnsafeUrl as error:
        raise Failure(
            f"--forward-to {given}: {error} Give one such as http://localhost:8000/hooks."
        ) from error
    return url


def filters(given: Sequence[str]) -> list[str]:
    """The events that are wanted; Failure for what can match none."""
    wanted = [part.strip() for text in given for part in text.split(",") if part.strip()]
    for pattern in wanted:
        try:
            check_filter(pattern)
        except NoSuchEvents as error:
            raise Failure(f"--events {pattern}: {error}.") from error
    return wanted or ["*"]


def secret_of(place: Place) -> str:
    """The secret that forwarded events are signed with: the same one each time on this machine."""
    place.home.make()
    key = bytes.fromhex(place.home.secret("listen_secret"))[:24]
    return f"whsec_{base64.b64encode(key).decode()}"


def require_merchant(place: Place, merchant_id: UUID) -> None:
    """Failure if there is no such merchant."""
    with database.connect(place.database_url) as connection:
        row = connection.execute(
            "SELECT EXISTS (SELECT FROM merchants WHERE id = %s)", [merchant_id]
        ).fetchone()
    if row is None or not row[0]:
        raise Failure(f"There is no merchant {typeid('mer', merchant_id)}.")


def as_content(event: Forwarded) -> str:
    """An event and what came of it, as a line of JSON."""
    return json.dumps(
        {
            "event": json.loads(event.payload),
            "forwarded_at": event.at.isoformat(timespec="milliseconds"),
            "status": event.answer.status,
            "error": event.answer.error,
            "duration_ms": event.answer.duration_ms,
        },
        ensure_ascii=False,
    )
