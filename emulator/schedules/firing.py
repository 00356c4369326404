"""One occurrence of a schedule: what its target gets, and how long it is tried.

Sources: Amazon EventBridge Scheduler User Guide, "Adding context attributes" and "Configuring a
schedule's dead-letter queue"; Amazon EventBridge User Guide, "Using dead-letter queues".
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from emulator.schedules.jobs import SCHEDULER, Job

_AWS_CODES = {
    "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
    "UnknownFunction": "ResourceNotFoundException",
    "Throttled": "TooManyRequestsException",
    "Unreachable": "ValidationException",
}


@dataclass
class Firing:
    """A job at a due time. Attempts are counted; its age is wall time, whatever the clock does."""

    job: Job
    due: datetime
    execution_id: str = field(default_factory=lambda: secrets.token_hex(8))
    attempts: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def scheduled_time(self) -> str:
        """The time it was due, as AWS writes it."""
        return self.due.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def left_s(self) -> float:
        """How long it may still be tried."""
        return self.job.target.maximum_event_age_s - (time.monotonic() - self.began)

    @property
    def is_exhausted(self) -> bool:
        """Whether the retry policy allows no further attempt."""
        return self.attempts > self.job.target.maximum_retry_attempts or self.left_s <= 0

    def payload(self, region: str, account_id: str) -> str:
        """Return what the target gets: its Input with placeholders filled, or AWS's own event."""
        given = self.job.target.input
        if given is None:
            return self._event(region, account_id)
        if self.job.source != SCHEDULER:
            return given
        for name, value in self._placeholders().items():
            given = given.replace(f"<aws.scheduler.{name}>", value)
        return given

    def dead_letter(self, code: str, message: str) -> dict[str, str]:
        """Return the attributes of its message in a dead-letter queue."""
        target = self.job.target
        is_by_attempts = self.attempts > target.maximum_retry_attempts
        attributes = {
            "ERROR_CODE": _AWS_CODES.get(code, code),
            "ERROR_MESSAGE": message,
            "EXHAUSTED_RETRY_CONDITION": (
                "MaximumRetryAttempts" if is_by_attempts else "MaximumEventAgeInSeconds"
            ),
            "RETRY_ATTEMPTS": str(self.attempts - 1),
            "TARGET_ARN": target.arn,
        }
        if self.job.source != SCHEDULER:
            return attributes | {"RULE_ARN": self.job.arn}
        return attributes | {
            "EXECUTION_ID": self.execution_id,
            "IS_PAYLOAD_TRUNCATED": "false",
            "SCHEDULED_TIME": self.scheduled_time,
            "SCHEDULE_ARN": self.job.arn,
        }

    def _placeholders(self) -> Mapping[str, str]:
        return {
            "schedule-arn": self.job.arn,
            "scheduled-time": self.scheduled_time,
            "execution-id": self.execution_id,
            "attempt-number": str(self.attempts),
        }

    def _event(self, region: str, account_id: str) -> str:
        event = {
            "version": "0",
            "id": self.execution_id,
            "detail-type": "Scheduled Event",
            "source": self.job.source,
            "account": account_id,
            "time": self.scheduled_time,
            "region": region,
            "resources": [self.job.arn],
            "detail": "{}" if self.job.source == SCHEDULER else {},
        }
        return json.dumps(event)
