"""Delivers one firing to its target: a function or a queue, with retries and dead letters."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from emulator.aws import error_code
from emulator.backoff import Backoff
from emulator.endpoint import Endpoint, EndpointError
from emulator.invocations import Invoker, Throttled, UnknownFunction
from emulator.schedules.jobs import SCHEDULER, Job

_LOG = logging.getLogger(__name__)
_ATTEMPT_TIMEOUT_S = 10
_Refused = (*EndpointError, Throttled, UnknownFunction)


@dataclass
class Firing:
    """One occurrence of a schedule."""

    job: Job
    due: datetime
    execution_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    attempts: int = 0
    began: float = field(default_factory=time.monotonic)

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

    def is_exhausted(self) -> bool:
        """Return whether the retry policy allows no further attempt."""
        target = self.job.target
        age_s = time.monotonic() - self.began
        return self.attempts > target.maximum_retry_attempts or age_s >= target.maximum_event_age_s

    @property
    def scheduled_time(self) -> str:
        """The time it was due, as AWS writes it."""
        return self.due.strftime("%Y-%m-%dT%H:%M:%SZ")

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


class Delivery:
    """Sends firings; what fails is tried again in the background."""

    def __init__(self, endpoint: Endpoint, invoker: Invoker) -> None:
        self._endpoint = endpoint
        self._invoker = invoker
        self._retrying: set[asyncio.Task[None]] = set()

    async def deliver(self, firing: Firing) -> None:
        """Make the first attempt, so that firings arrive in the order in which they are due."""
        error = await self._attempt(firing)
        if error is not None:
            task = asyncio.create_task(self._retry(firing, error))
            self._retrying.add(task)
            task.add_done_callback(self._retrying.discard)

    async def stop(self) -> None:
        """Give up on what is being tried again."""
        for task in self._retrying:
            task.cancel()
        await asyncio.gather(*self._retrying, return_exceptions=True)

    async def _attempt(self, firing: Firing) -> Exception | None:
        """Send it once; return why it was refused."""
        firing.attempts += 1
        generation = self._endpoint.generation
        try:
            async with asyncio.timeout(_ATTEMPT_TIMEOUT_S):
                await self._send(firing)
        except _Refused as error:
            if error_code(error) == "QueueDoesNotExist":
                await self._endpoint.recover(error, generation, Backoff(0.0, 0.0))
            return error
        return None

    async def _send(self, firing: Firing) -> None:
        target = firing.job.target
        app = self._endpoint.app
        payload = firing.payload(app.region, app.account_id)
        arn = target.arn.split(":")
        if arn[2] == "lambda":
            await self._invoker.invoke_async(arn[6], payload.encode())
        elif arn[2] == "sqs":
            await self._send_message(target.arn, payload, group=target.message_group_id)
        else:
            _LOG.error("%s: the emulator cannot reach the target %s", firing.job.arn, target.arn)

    async def _send_message(
        self,
        queue_arn: str,
        body: str,
        *,
        group: str | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        sqs: Any = self._endpoint.aws.sqs
        url = (await sqs.get_queue_url(QueueName=queue_arn.rsplit(":", 1)[-1]))["QueueUrl"]
        request: dict[str, Any] = {"QueueUrl": url, "MessageBody": body}
        if group is not None:
            request["MessageGroupId"] = group
        if attributes:
            request["MessageAttributes"] = {
                name: {"DataType": "String", "StringValue": value}
                for name, value in attributes.items()
            }
        await sqs.send_message(**request)

    async def _retry(self, firing: Firing, error: Exception) -> None:
        backoff = Backoff(1.0, 300.0)
        reason: Exception | None = error
        while reason is not None:
            error = reason
            if firing.is_exhausted():
                await self._bury(firing, error)
                return
            await asyncio.sleep(backoff.next_s())
            reason = await self._attempt(firing)

    async def _bury(self, firing: Firing, error: Exception) -> None:
        """Put it into the dead-letter queue, or say that it is lost."""
        target = firing.job.target
        text = str(error) or type(error).__name__
        _LOG.error("%s of %s failed: %s", firing.job.arn, firing.scheduled_time, text)
        if target.dead_letter_arn is None:
            return
        app = self._endpoint.app
        is_by_attempts = firing.attempts > target.maximum_retry_attempts
        attributes = {
            "ERROR_CODE": error_code(error) or type(error).__name__,
            "ERROR_MESSAGE": text,
            "EXECUTION_ID": firing.execution_id,
            "EXHAUSTED_RETRY_CONDITION": (
                "MaximumRetryAttempts" if is_by_attempts else "MaximumEventAgeInSeconds"
            ),
            "RETRY_ATTEMPTS": str(firing.attempts - 1),
            "SCHEDULED_TIME": firing.scheduled_time,
            "SCHEDULE_ARN": firing.job.arn,
            "TARGET_ARN": target.arn,
        }
        try:
            payload = firing.payload(app.region, app.account_id)
            await self._send_message(target.dead_letter_arn, payload, attributes=attributes)
        except EndpointError as other:
            _LOG.error("its dead-letter queue %s failed too: %s", target.dead_letter_arn, other)
