"""What has to be done by itself, in rounds: a function runs these for a minute and a bit."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import count

from paywright.db import Database, load
from paywright.errors import ServiceUnavailable
from paywright.http.event_list import KEPT_FOR
from paywright.ids import typeid
from paywright.observability import get_logger
from paywright.payments.expiry import expire_due
from paywright.payments.notices import hear_notices
from paywright.payments.recovery import recover_due
from paywright.payments.services import Services

_SQL = load(__file__)
_ROUND_S = 1.0
_KEYS_AT_ONCE = _DELIVERIES_AT_ONCE = 5_000
_ENDPOINTS_AT_ONCE = _NOTIFICATIONS_AT_ONCE = 1_000
_ROUNDS_BETWEEN_RELAYS = 10
_EVENTS_AT_ONCE = 1_000
_MOST_RELAYS = 5
_AN_HOUR, _A_MOMENT = timedelta(hours=1), timedelta(minutes=2)


def keep_house(
    services: Services,
    database: Database,
    *,
    for_s: float,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, int]:
    """Look for undecided operations once a second, and do the rest once; return what was done.

    What there may be much of goes in batches, one in each round.
    """
    end = time.monotonic() + for_s
    now = services.clock.now()
    done = {"partitions": 0, "keys_forgotten": 0, "relayed_again": 0, "decided": 0, "postponed": 0}
    done |= {"left_to_a_person": 0, "expired": 0, "notices": 0}
    done |= {"events_forgotten": 0, "deliveries_forgotten": 0, "events_lost": 0}
    row = database.one(_SQL["create_partitions"], {"now": now})
    done["partitions"] = row["made"] if row else 0
    database.run(_SQL["forget_rate_limits"], {"now": now})
    database.run(_SQL["forget_endpoints"], {"now": now, "limit": _ENDPOINTS_AT_ONCE})
    database.run(_SQL["forget_notifications"], {"now": now, "limit": _NOTIFICATIONS_AT_ONCE})
    keys_since: datetime | None = datetime.min.replace(tzinfo=UTC)
    for number in count():
        try:
            if keys_since is not None:
                forgotten, keys_since = forget_keys(database, services.clock.now(), keys_since)
                done["keys_forgotten"] += forgotten
            if number % _ROUNDS_BETWEEN_RELAYS == 0:
                back = _A_MOMENT if number else _AN_HOUR
                limits = {"now": services.clock.now(), "limit": _DELIVERIES_AT_ONCE}
                done["deliveries_forgotten"] += database.run(_SQL["forget_deliveries"], limits)
                done["relayed_again"] += relay_again(database, services.clock.now(), back=back)
                done["events_lost"] += tell_lost(database, services.clock.now())
            done["events_forgotten"] += forget_events(database, services.clock.now())
            done["expired"] += expire_due(services)
            done["notices"] += hear_notices(services)
            for name, number_of in asdict(recover_due(services)).items():
                done[name] += number_of
        except ServiceUnavailable:
            get_logger().warning("the database is away; looking again in a second")
        if time.monotonic() + _ROUND_S > end:
            break
        sleep(_ROUND_S)
    return done


def forget_keys(database: Database, now: datetime, since: datetime) -> tuple[int, datetime | None]:
    """Delete keys whose time is over, a batch of them; how many, and since when there are more.

    `since` is what the batch before returned: nothing is walked twice. None is the end.
    """
    limits = {"now": now, "since": since, "limit": _KEYS_AT_ONCE}
    row = database.one(_SQL["forget_keys"], limits)
    assert row is not None
    return row["number"], row["until"] if row["number"] == _KEYS_AT_ONCE else None


def forget_events(database: Database, now: datetime) -> int:
    """Delete events that are not shown any more, a batch of them; return how many.

    One that is in the outbox once more stays there until it is relayed.
    """
    limits = {"before": now - KEPT_FOR, "limit": _EVENTS_AT_ONCE}
    return database.run(_SQL["forget_events"], limits)


def relay_again(database: Database, now: datetime, *, back: timedelta = _AN_HOUR) -> int:
    """Put events back into the outbox that got lost between bus and endpoint; return how many.

    Looks at what was relayed within `back`, the last minute left out; each event costs a look into
    an index. It is for endpoints alone that wanted it when it was made.
    """
    limits = {"now": now, "since": now - back, "relays": _MOST_RELAYS, "limit": _EVENTS_AT_ONCE}
    return database.run(_SQL["relay_again"], limits)


def tell_lost(database: Database, now: datetime) -> int:
    """Say which events have reached no endpoint, put on the bus as often as they are; how many.

    Half an hour after the last time, so that a backlog is no loss, and once for each. It is told
    before that is noted: rather twice than never.
    """
    limits = {"now": now, "relays": _MOST_RELAYS, "limit": _EVENTS_AT_ONCE}
    rows = database.all(_SQL["given_up"], limits)
    lost = [row for row in rows if row["lost"]]
    for row in lost:
        event_id, merchant_id = typeid("evt", row["id"]), typeid("mer", row["merchant_id"])
        get_logger().error(
            "An event has reached no endpoint and is not put on the bus again by itself",
            extra={
                "event": event_id,
                "event_type": row["type"],
                "merchant": merchant_id,
                "relays": _MOST_RELAYS,
                "send_it_again": f"paywright webhooks resend {event_id} --merchant {merchant_id}",
            },
        )
    if rows:
        names = {"merchant_ids": "merchant_id", "ids": "id", "lost": "lost"}
        known = {name: [row[column] for row in rows] for name, column in names.items()}
        database.run(_SQL["looked_for"], known)
    return len(lost)
