"""Logs: one JSON object a line, with no card number, key or secret in it."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from functools import cache
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


def tell(message: str, **fields: object) -> None:
    """Say what went well, once for each request or event: a line in the logger's form.

    Made by hand, because there are so many of them (docs/decisions/0018). Where only what went
    wrong is wanted, it says nothing.
    """
    head = _head()
    if head is None:
        return
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    rest = _encode({"message": message, "timestamp": now, **fields})
    sys.stdout.write(f"{head}{rest[1:]}\n")
    sys.stdout.flush()


def tell_figures(**figures: float) -> None:
    """Say how something stands, whatever the level: a line that CloudWatch makes metrics of.

    Names are in CloudWatch's manner and end in their unit, `OutboxAgeSeconds`; a new value takes
    the place of the last (Amazon CloudWatch user guide, "Specification: Embedded metric format").
    """
    settings = LogSettings()
    directive = {
        "Namespace": settings.powertools_metrics_namespace,
        "Dimensions": [["service"]],
        "Metrics": [{"Name": name} for name in figures],
    }
    about = {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": [directive]}
    line = {"_aws": about, "service": settings.powertools_service_name, **figures}
    sys.stdout.write(_encode(line) + "\n")
    sys.stdout.flush()


_encode = json.JSONEncoder(separators=(",", ":")).encode


@cache
def _head() -> str | None:
    """How such a line begins; None where the level leaves it out."""
    settings = LogSettings()
    level = settings.aws_lambda_log_level or settings.log_level
    if level not in _LEVELS:
        return None
    return f'{{"level":"INFO","service":{_encode(settings.powertools_service_name)},'
