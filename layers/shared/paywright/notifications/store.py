"""Which notifications were sent, in PostgreSQL: the memory that keeps a mail from going twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from paywright import db
from paywright.clock import Clock, SystemClock
from paywright.db.connection import with_retries
from paywright.ids import typeid
from paywright.merchants.decrypted import decrypted
from paywright.notifications.letters import RECIPIENTS, Kind, Recipient
from paywright.notifications.mailer import Outcome
from paywright.notifications.notify import Claim
from paywright.observability import get_logger
from paywright.webhooks.message import Event

_QUERIES = db.load(__file__)
CLAIM_S = 60
"""Longer than a mail takes; less than the queue hides a message."""

MOST_A_DAY = 10
"""Mails of one kind to one recipient of a merchant, in a day (UTC) of business time.

An address that a merchant chooses may be a stranger's, and what is mailed about can be brought
about again and again. Each kind counts by itself, so that none keeps another from being told.
A day's first ones go, whether SES takes them at once or later, and count whether it has or not.
"""
_TOO_MUCH = f"{MOST_A_DAY} of this kind came up before it on this day"


class PostgresNotifications:
    """Keeps one row for each event, kind and recipient."""

    def __init__(
        self, database: db.Database, clock: Clock, pii_key: str, *, wall: Clock | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._wall = wall or SystemClock()
        self._pii_key = pii_key

    def claim(self, event: Event, kind: Kind, recipient: Recipient) -> Claim | None:
        """Take a notification, if it is to be sent; None where there is no such merchant."""
        wall_now = self._wall.now()
        parameters = self._key(event, kind, recipient) | {
            "is_told_to_own": Recipient.OWN in RECIPIENTS[kind],
            "most": MOST_A_DAY,
            "too_much": _TOO_MUCH,
            "now": self._clock.now(),
            "wall_now": wall_now,
            "claimed_until": wall_now + timedelta(seconds=CLAIM_S),
        }
        row = with_retries(lambda: self._database.one(_QUERIES["claim"], parameters))
        if row is None:
            return None
        if row["is_first_withheld"]:
            get_logger().warning(
                "Notifications are withheld until tomorrow",
                extra={
                    "merchant": typeid("mer", event.merchant_id),
                    "kind": str(kind),
                    "recipient": str(recipient),
                    "reason": _TOO_MUCH,
                },
            )
        if row["claimed"] == "sending":
            return Claim(
                "taken",
                decrypted(
                    self._database,
                    self._pii_key,
                    row["address_encrypted"],
                    merchant_id=event.merchant_id,
                    field=f"{recipient} e-mail address",
                ),
            )
        is_done = row["claimed"] is not None or row["known"] in ("unwanted", "withheld", "sent")
        return Claim("done" if is_done else "held")

    def record(self, event: Event, kind: Kind, recipient: Recipient, outcome: Outcome) -> None:
        """Keep what became of a notification that was taken."""
        parameters = self._key(event, kind, recipient) | {
            "status": "failed" if outcome.message_id is None else "sent",
            "message_id": outcome.message_id,
            "error": outcome.error,
            "now": self._clock.now(),
        }
        with_retries(lambda: self._database.run(_QUERIES["record"], parameters))

    def _key(self, event: Event, kind: Kind, recipient: Recipient) -> dict[str, Any]:
        return {
            "merchant_id": event.merchant_id,
            "event_id": event.id,
            "kind": str(kind),
            "recipient": str(recipient),
        }
