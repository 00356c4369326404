"""What becomes of asynchronous events: the records and messages that destinations get.

Sources: Lambda developer guide, "Capturing records of Lambda asynchronous invocations" and "Adding
a dead-letter queue"; AWS Compute Blog, "Introducing AWS Lambda Destinations" (the bus's event).
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from emulator.invocations import InvokeResult
from emulator.logs import timestamp
from emulator.template.model import Function

_MAX_MESSAGE_CHARACTERS = 1_024
_REFUSALS = {
    "EventAgeExceeded": "Rate Exceeded.",
    "ZeroReservedConcurrency": (
        "Function not invoked. Function is configured with zero reserved concurrent executions"
    ),
}


class Condition(StrEnum):
    """Why an event is settled."""

    SUCCESS = "Success"
    RETRIES_EXHAUSTED = "RetriesExhausted"
    EVENT_AGE_EXCEEDED = "EventAgeExceeded"
    ZERO_RESERVED_CONCURRENCY = "ZeroReservedConcurrency"


@dataclass(frozen=True)
class Message:
    """What is sent to one destination: JSON, and for an SQS queue its attributes by type.

    `source_arn` is the function's; `condition` says what became of the event.
    """

    arn: str
    body: str
    source_arn: str
    condition: Condition
    attributes: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def bus_entry(self) -> dict[str, Any]:
        """Return the entry for PutEvents, if the destination is an event bus."""
        outcome = "Success" if self.condition is Condition.SUCCESS else "Failure"
        return {
            "EventBusName": self.arn,
            "Source": "lambda",
            "DetailType": f"Lambda Function Invocation Result - {outcome}",
            "Detail": self.body,
            "Resources": [self.arn, self.source_arn],
        }


class Send(Protocol):
    """Brings a message to an SQS queue or an event bus."""

    def __call__(self, message: Message) -> Awaitable[None]:
        """Send it, or raise."""
        ...


@dataclass(frozen=True)
class Settled:
    """An event that is over; `result` is what its last attempt gave, if there was one."""

    request_id: str
    payload: bytes
    attempts: int
    condition: Condition
    result: InvokeResult | None

    def messages(self, function: Function) -> list[Message]:
        """Return what the function's configuration wants to be sent."""
        config, source_arn = function.event_invoke, f"{function.arn}:$LATEST"
        succeeded = self.condition is Condition.SUCCESS
        destination = config.on_success_arn if succeeded else config.on_failure_arn
        messages = []
        if destination is not None:
            body = json.dumps(self._record(source_arn))
            messages.append(Message(destination, body, source_arn, self.condition))
        if not succeeded and function.dead_letter_arn is not None:
            body = self.payload.decode()
            messages.append(
                Message(
                    function.dead_letter_arn, body, source_arn, self.condition, self._attributes()
                )
            )
        return messages

    def _record(self, source_arn: str) -> dict[str, Any]:
        record: dict[str, Any] = {
            "version": "1.0",
            "timestamp": timestamp(time.time()),
            "requestContext": {
                "requestId": self.request_id,
                "functionArn": source_arn,
                "condition": self.condition,
                "approximateInvokeCount": self.attempts,
            },
            "requestPayload": _loads_or_text(self.payload),
        }
        if self.result is not None:
            context: dict[str, Any] = {"statusCode": 200, "executedVersion": "$LATEST"}
            if self.result.function_error is not None:
                context["functionError"] = self.result.function_error
            record["responseContext"] = context
            record["responsePayload"] = _loads_or_text(self.result.payload)
        return record

    def _attributes(self) -> dict[str, tuple[str, str]]:
        """The attributes of a dead letter: an HTTP status, and the first 1 KB of the error."""
        if self.result is not None:
            code, message = "200", _error_message(self.result.payload)
        else:
            code, message = "429", _REFUSALS.get(self.condition, "")
        return {
            "RequestID": ("String", self.request_id),
            "ErrorCode": ("Number", code),
            "ErrorMessage": ("String", message[:_MAX_MESSAGE_CHARACTERS] or self.condition),
        }


def _loads_or_text(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        return payload.decode(errors="replace")


def _error_message(payload: bytes) -> str:
    error = _loads_or_text(payload)
    return str(error.get("errorMessage", "")) if isinstance(error, dict) else ""
