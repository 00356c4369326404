"""Function `ledger`: puts journals in sequence until its time is nearly over."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from paywright import background, db
from paywright.backlog import Backlog
from paywright.clock import Clock, business_clock
from paywright.db.opening import open_database
from paywright.ledger.backlog import ledger_backlog
from paywright.ledger.sequencer import POLL_S, Sequencer
from paywright.observability import get_logger
from paywright.settings import Settings


@cache
def _parts() -> tuple[Sequencer, Backlog, Clock]:
    settings = Settings()
    clock = business_clock(settings.clock_file)
    database = open_database(settings)
    return Sequencer(database, clock), ledger_backlog(database, clock), clock


@get_logger().inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Sequence for about 75 s; the next invocation is waiting by then.

    Nobody waits for the sequencer, balances being exact without it: it looks once a second.
    """
    sequencer, backlog, clock = _parts()
    remaining_ms = context.get_remaining_time_in_millis()

    def step() -> bool:
        backlog.tell()
        return sequencer.run_once()

    background.run(
        step,
        lambda at_most_s: time.sleep(min(at_most_s, POLL_S)),
        seconds=background.time_to_run_s(remaining_ms, event, clock.now()),
        away=(db.Lost,),
    )
