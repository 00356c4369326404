"""One firing: what the target gets, when it is given up, and what its dead letter says."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from emulator.cron.timing import Timing
from emulator.schedules.firing import Firing
from emulator.schedules.jobs import RULES, SCHEDULER, Job
from emulator.template.model import Target

DUE = datetime(2026, 1, 1, 2, tzinfo=UTC)
TARGET = Target("arn:aws:sqs:r:1:q", maximum_retry_attempts=2, maximum_event_age_s=60)
NAMES = ("schedule-arn", "scheduled-time", "attempt-number")
PLACEHOLDERS = " ".join(f"<aws.scheduler.{name}>" for name in NAMES)


def firing(source: str = SCHEDULER, **target: Any) -> Firing:
    job = Job("k", "arn:j", source, "j", "", Timing.of("rate(1 day)"), replace(TARGET, **target))
    return Firing(job, DUE)


def is_over(made: Firing) -> bool:
    return made.is_exhausted


def test_placeholders_are_the_schedulers_only() -> None:
    made = firing(input=PLACEHOLDERS)
    made.attempts = 3
    assert made.payload("r", "1") == "arn:j 2026-01-01T02:00:00Z 3"
    assert firing(RULES, input=PLACEHOLDERS).payload("r", "1") == PLACEHOLDERS


def test_an_execution_id_is_as_long_as_awss() -> None:
    # User Guide, "Adding context attributes": d32c5kddcf5bb8c3.
    made = firing(input="<aws.scheduler.execution-id>")
    assert made.payload("r", "1") == made.execution_id
    assert len(made.execution_id) == 16


def test_without_input_it_is_an_event_of_awss() -> None:
    event = json.loads(firing(RULES).payload("r", "1"))
    assert event.pop("id")
    assert event == {
        "version": "0",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "1",
        "time": "2026-01-01T02:00:00Z",
        "region": "r",
        "resources": ["arn:j"],
        "detail": {},
    }


def test_attempts_run_out() -> None:
    made = firing()
    made.attempts = 2
    assert not is_over(made)
    made.attempts = 3
    assert is_over(made)
    letter = made.dead_letter("QueueDoesNotExist", "no such queue")
    assert letter["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts"
    assert letter["RETRY_ATTEMPTS"] == "2"
    assert letter["ERROR_CODE"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert (letter["SCHEDULE_ARN"], letter["TARGET_ARN"]) == ("arn:j", TARGET.arn)


def test_its_age_runs_out_by_wall_time() -> None:
    made = firing()
    made.attempts = 1
    made.began = time.monotonic() - 59
    assert not is_over(made)
    assert 0 < made.left_s <= 1
    made.began -= 1
    assert is_over(made)
    letter = made.dead_letter("X", "y")
    assert letter["EXHAUSTED_RETRY_CONDITION"] == "MaximumEventAgeInSeconds"


def test_a_rules_dead_letter_names_the_rule() -> None:
    # EventBridge User Guide, "Using dead-letter queues to process undelivered events".
    made = firing(RULES)
    made.attempts = 3
    assert set(made.dead_letter("X", "y")) == {
        "RULE_ARN",
        "TARGET_ARN",
        "ERROR_CODE",
        "ERROR_MESSAGE",
        "EXHAUSTED_RETRY_CONDITION",
        "RETRY_ATTEMPTS",
    }
