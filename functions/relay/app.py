"""Function `relay`: puts the outbox on the event bus until its time is nearly over."""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from paywright import background, db
from paywright.backlog import Backlog
from paywright.cache import Cache
from paywright.clock import Clock, business_clock
from paywright.db.opening import open_database
from paywright.events.backlog import outbox_backlog
from paywright.events.bus import Bus
from paywright.events.relay import Relay
from paywright.events.wake import PATIENCE_MS, WakeUps
from paywright.observability import get_logger
from paywright.settings import Settings


@cache
def _parts() -> tuple[Relay, Backlog, WakeUps, Clock]:
    settings = Settings()
    clock = business_clock(settings.clock_file)
    database = open_database(settings)
    relay = Relay(database, Bus(settings.event_bus_name), clock)
    valkey = Cache(settings.valkey_url.get_secret_value(), timeout_ms=PATIENCE_MS)
    return relay, outbox_backlog(database, clock), WakeUps(valkey), clock


@get_logger().inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Relay for about 75 s; the next invocation is waiting by then."""
    relay, backlog, wake_ups, clock = _parts()
    remaining_ms = context.get_remaining_time_in_millis()

    def step() -> bool:
        backlog.tell()
        return relay.run_once()

    background.run(
        step,
        wake_ups.wait,
        seconds=background.time_to_run_s(remaining_ms, event, clock.now()),
        away=(background.Unavailable, db.Lost),
    )
