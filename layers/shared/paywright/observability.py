"""Logs: one JSON object a line, with no card number, key or secret in it."""

from __future__ import annotations

from functools import cache
from uuid import UUID

from aws_lambda_powertools import Logger


@cache
def get_logger() -> Logger:
    """The logger of this function (its name and level come from POWERTOOLS_* and LOG_LEVEL)."""
    return Logger(utc=True, use_rfc3339=True)


def tell_trouble(what: str, subject: UUID, error: Exception | None = None) -> None:
    """Say what went wrong with something that nobody waits for: an operation, a payment."""
    get_logger().error(what, extra={"subject": str(subject)}, exc_info=error)
