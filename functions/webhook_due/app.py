"""Function `webhook_due`: delivers what is due again, and what waits for slow endpoints."""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from paywright import background, db
from paywright.clock import Clock, SystemClock
from paywright.observability import get_logger
from paywright.settings import Settings
from paywright.webhooks.due import DueDeliveries
from paywright.webhooks.parts import delivery_parts


@cache
def _parts() -> tuple[DueDeliveries, Clock]:
    parts = delivery_parts(Settings())
    due = DueDeliveries(
        parts.store, parts.sender, parts.dead_letters, parts.clock, wall=SystemClock()
    )
    return due, parts.clock


@get_logger().inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Deliver for about 75 s; the next invocation is waiting by then, and goes on with the rest.

    Lambda lets the threads of an environment go on as soon as that is invoked again (Lambda
    Developer Guide, "Understanding the Lambda execution environment lifecycle").
    """
    due, clock = _parts()
    remaining_ms = context.get_remaining_time_in_millis()
    background.run(
        due.step,
        due.rest,
        seconds=background.time_to_run_s(remaining_ms, event, clock.now()),
        away=(background.Unavailable, db.Lost),
    )
