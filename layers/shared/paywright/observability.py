"""Logs: one JSON object a line, with no card number, key or secret in it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from functools import cache
from json.encoder import encode_basestring
from typing import TYPE_CHECKING
from uuid import UUID

from paywright.settings import LogSettings

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

_LEVELS = ("DEBUG", "INFO")
"""Those at which what went well is told."""


@cache
def get_logger() -> Logger:
    """The logger of this function (its name and level come from POWERTOOLS_* and LOG_LEVEL)."""
    # It costs a cold start some 25 ms: functions that log nothing but requests do without it.
    from aws_lambda_powertools import Logger  # noqa: PLC0415

    return Logger(utc=True, use_rfc3339=True)


def tell_trouble(what: str, subject: UUID, error: Exception | None = None) -> None:
    """Say what went wrong with something that nobody waits for: an operation, a payment."""
    get_logger().error(what, extra={"subject": str(subject)}, exc_info=error)


def log_request(*, method: str, path: str, status: int, request_id: str, trace_id: str) -> None:
    """One line for a request that was answered, in the logger's form.

    Written by hand: there is one for every request, and the logger takes a tenth of the time of
    one (docs/decisions/0016). All but the status is text that a caller may have made.
    """
    head = _head_of_requests()
    if head is None:
        return
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    text = encode_basestring
    sys.stdout.write(
        f'{head}"timestamp":"{now}","method":{text(method)},"path":{text(path)},"status":{status},'
        f'"request_id":{text(request_id)},"trace_id":{text(trace_id)}}}\n'
    )
    sys.stdout.flush()


@cache
def _head_of_requests() -> str | None:
    """How such a line begins; None where the level leaves it out."""
    settings = LogSettings()
    level = settings.aws_lambda_log_level or settings.log_level
    if level not in _LEVELS:
        return None
    service = encode_basestring(settings.powertools_service_name)
    return f'{{"level":"INFO","location":"log_request","message":"request","service":{service},'
