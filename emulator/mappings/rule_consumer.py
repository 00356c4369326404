"""Brings the events of a rule from its queue to the function, as EventBridge does."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence

from emulator.aws import Aws
from emulator.endpoint import EndpointError
from emulator.invocations import Invoker, Throttled, UnknownFunction
from emulator.mappings.source import Message, Source
from emulator.rule_queues import RuleQueue

_LOG = logging.getLogger(__name__)
_LONGEST_RETRY_S = 300


class RuleConsumer:
    """Invokes the function with each event, asynchronously: Lambda's own retries follow.

    An event that Lambda does not accept is tried again by the target's RetryPolicy, and then goes
    to the target's dead-letter queue. Source: Amazon EventBridge User Guide, "How EventBridge
    retries delivering events" and "Using dead-letter queues to process undelivered events".
    """

    def __init__(self, rule_queue: RuleQueue, source: Source, aws: Aws, invoker: Invoker) -> None:
        self._rule_arn = rule_queue.rule_arn
        self._function = rule_queue.function
        self._target = rule_queue.target
        self._source = source
        self._aws = aws
        self._invoker = invoker

    async def handle(self, messages: Sequence[Message], _received_at: float) -> None:
        """Hand the events over; delete what was accepted or can never be."""
        for message in messages:
            if await self._is_settled(message):
                self._source.delete([message])

    async def _is_settled(self, message: Message) -> bool:
        trace_id = message["Attributes"].get("AWSTraceHeader")
        try:
            payload = _payload(message["Body"])
            await self._invoker.invoke_async(self._function, payload, trace_id=trace_id)
        except UnknownFunction:
            return await self._bury(message, "NO_RESOURCE", "The function does not exist.", None)
        except Throttled as error:
            exhausted = self._exhausted(message)
            if exhausted:
                return await self._bury(message, "THROTTLING", str(error), exhausted)
            await self._source.show_again([message], _retry_s(_attempts(message)))
            return False
        return True

    def _exhausted(self, message: Message) -> str | None:
        """Return which limit of the retry policy is reached."""
        if _attempts(message) > self._target.maximum_retry_attempts:
            return "MaximumRetryAttempts"
        age_s = time.time() - int(message["Attributes"]["SentTimestamp"]) / 1000
        return "MaximumEventAgeInSeconds" if age_s >= self._target.maximum_event_age_s else None

    async def _bury(self, message: Message, code: str, reason: str, exhausted: str | None) -> bool:
        """Put the event into the dead-letter queue, if there is one; whether it is settled."""
        _LOG.error("%s: an event for %s is given up: %s", self._rule_arn, self._function, reason)
        queue_arn = self._target.dead_letter_arn
        if queue_arn is None:
            return True
        texts = {
            "RULE_ARN": self._rule_arn,
            "TARGET_ARN": self._target.arn,
            "ERROR_CODE": code,
            "ERROR_MESSAGE": reason,
            "RETRY_ATTEMPTS": str(_attempts(message) - 1),
            **({"EXHAUSTED_RETRY_CONDITION": exhausted} if exhausted else {}),
        }
        queues = self._aws.queues
        try:
            named = await queues.call("GetQueueUrl", {"QueueName": queue_arn.rpartition(":")[2]})
            request = {
                "QueueUrl": named["QueueUrl"],
                "MessageBody": message["Body"],
                "MessageAttributes": {
                    name: {"DataType": "String", "StringValue": text}
                    for name, text in texts.items()
                },
            }
            await queues.call("SendMessage", request)
        except EndpointError as error:
            _LOG.error("its dead-letter queue %s failed, trying on: %s", queue_arn, error)
            return False
        return True


def _payload(body: str) -> bytes:
    """Return the event in JSON; an input transformer may have made a plain text of it."""
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return json.dumps(body).encode()
    return body.encode()


def _attempts(message: Message) -> int:
    return int(message["Attributes"]["ApproximateReceiveCount"])


def _retry_s(attempts: int) -> int:
    return min(_LONGEST_RETRY_S, 1 << min(attempts - 1, 16))
