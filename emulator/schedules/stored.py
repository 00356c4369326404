"""Reads schedules and scheduled rules from the AWS endpoint, again only those that changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from emulator import targets
from emulator.aws import Aws, error_code
from emulator.cron.expressions import ExpressionError
from emulator.schedules.jobs import Job, of_rule, of_schedule

_LOG = logging.getLogger(__name__)
_AT_ONCE = 10


class Stored:
    """The schedules of an endpoint; what cannot fire is told once, when it is seen.

    With `fires_rules` it is an endpoint that fires rules by itself, but has no functions: only
    those of a rule's targets are read.
    """

    def __init__(self, aws: Aws, *, fires_rules: bool) -> None:
        self._aws = aws
        self._fires_rules = fires_rules
        self._read: dict[str, tuple[Any, Job | None]] = {}  # by ARN: modification date, job
        self._told: dict[str, str] = {}

    async def jobs(self) -> dict[str, Job]:
        """Return every schedule and scheduled rule there is, by key, enabled or not."""
        found = [*await self._schedules(), *await self._rules()]
        for job in found:
            if targets.service(job.target.arn) is None:
                self._tell(job.key, f"the emulator cannot reach its target {job.target.arn}")
            if job.target.input_path or job.target.input_transformer:
                self._tell(job.key, "its InputPath or InputTransformer is not emulated")
        return {job.key: job for job in found}

    async def _schedules(self) -> list[Job]:
        pages = self._aws.scheduler.get_paginator("list_schedules").paginate()
        summaries = [summary async for page in pages for summary in page["Schedules"]]
        limit = asyncio.Semaphore(_AT_ONCE)

        async def read(summary: Mapping[str, Any]) -> tuple[str, tuple[Any, Job | None]] | None:
            arn, modified = summary["Arn"], summary.get("LastModificationDate")
            known = self._read.get(arn)
            if known is not None and modified is not None and known[0] == modified:
                return arn, known
            async with limit:
                try:
                    answer = await self._aws.scheduler.get_schedule(
                        Name=summary["Name"], GroupName=summary.get("GroupName") or "default"
                    )
                except ClientError as error:
                    if error_code(error) == "ResourceNotFoundException":
                        return None  # deleted since it was listed
                    raise
            return arn, (answer.get("LastModificationDate"), self._schedule(answer))

        entries = await asyncio.gather(*(read(summary) for summary in summaries))
        self._read = dict(entry for entry in entries if entry is not None)
        return [job for _, job in self._read.values() if job is not None]

    def _schedule(self, answer: Mapping[str, Any]) -> Job | None:
        try:
            return of_schedule(answer)
        except ExpressionError as error:
            self._tell(answer["Arn"], f"it cannot be fired: {error}")
            return None

    async def _rules(self) -> list[Job]:
        """Scheduled rules; AWS has them on the default bus only."""
        pages = self._aws.events.get_paginator("list_rules").paginate(EventBusName="default")
        rules = [
            rule async for page in pages for rule in page["Rules"] if rule.get("ScheduleExpression")
        ]
        found: list[Job] = []
        for rule in rules:
            name = {"Rule": rule["Name"], "EventBusName": "default"}
            try:
                answer = await self._aws.events.list_targets_by_rule(**name)
                found += [job for job in of_rule(rule, answer["Targets"]) if self._is_ours(job)]
            except ExpressionError as error:
                self._tell(rule["Arn"], f"it cannot be fired: {error}")
            except ClientError as error:
                if error_code(error) != "ResourceNotFoundException":
                    raise
        return found

    def _is_ours(self, job: Job) -> bool:
        return not self._fires_rules or targets.service(job.target.arn) == "lambda"

    def _tell(self, key: str, problem: str) -> None:
        if self._told.get(key) != problem:
            self._told[key] = problem
            _LOG.error("%s: %s", key, problem)
