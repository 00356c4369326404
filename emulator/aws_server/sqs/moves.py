"""Message move tasks: what brings dead letters back.

Messages moved are new messages: a new id, a new age, no receives. Source: SQS Developer Guide,
"Learn how to configure a dead-letter queue redrive"; API Reference, StartMessageMoveTask.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
import uuid
from dataclasses import dataclass, field
from typing import Any

from emulator.aws_server.sqs.actions import Parameters, Result, whole
from emulator.aws_server.sqs.errors import SqsError, invalid, missing
from emulator.aws_server.sqs.messages import Message
from emulator.aws_server.sqs.queue import Queue, QueueKey
from emulator.aws_server.sqs.store import Store

_LOG = logging.getLogger(__name__)
_MAX_RATE = 500
_KEPT = 10
_CHUNK = 100


class _Failed(Exception):
    """A task cannot go on; the text is its FailureReason."""


@dataclass
class _Task:
    source: QueueKey
    target: QueueKey | None
    rate: int | None
    to_move: int
    started_at: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    moved: int = 0
    status: str = "RUNNING"
    failure: str | None = None
    running: asyncio.Task[None] | None = None

    @property
    def handle(self) -> str:
        """What cancels the task."""
        text = json.dumps({"taskId": self.id, "sourceArn": self.source.arn})
        return base64.b64encode(text.encode()).decode()

    def told(self) -> dict[str, Any]:
        """Return the task as ListMessageMoveTasks does."""
        result: dict[str, Any] = {
            "Status": self.status,
            "SourceArn": self.source.arn,
            "ApproximateNumberOfMessagesMoved": self.moved,
            "ApproximateNumberOfMessagesToMove": self.to_move,
            "StartedTimestamp": int(self.started_at * 1000),
        }
        if self.status == "RUNNING":
            result["TaskHandle"] = self.handle
        if self.target is not None:
            result["DestinationArn"] = self.target.arn
        if self.rate is not None:
            result["MaxNumberOfMessagesPerSecond"] = self.rate
        if self.failure is not None:
            result["FailureReason"] = self.failure
        return result


class Moves:
    """Running and past tasks; a restart ends them, and what they left stays where it is."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tasks: list[_Task] = []

    def start(self, parameters: Parameters) -> Result:
        """StartMessageMoveTask."""
        source = self._queue_of(parameters, "SourceArn")
        if not self._store.sources_of(source):
            raise invalid("Source queue must be configured as a Dead Letter Queue.")
        target = None
        if parameters.get("DestinationArn"):
            target = self._queue_of(parameters, "DestinationArn")
            if target is source:
                raise invalid("Source queue arn and destination queue arn can not be the same.")
            if target.is_fifo is not source.is_fifo:
                raise invalid("Source and destination queues must be of the same type.")
        if any(task.source == source.key and task.status == "RUNNING" for task in self._tasks):
            raise invalid(
                "There is already a task running. Only one active task is allowed for a source"
                " queue arn at a given time."
            )
        task = _Task(
            source=source.key,
            target=target.key if target else None,
            rate=whole(parameters, "MaxNumberOfMessagesPerSecond", 1, _MAX_RATE),
            to_move=source.visible,
            started_at=self._store.now(),
        )
        self._tasks = [task, *self._tasks][: _KEPT * max(1, len(self._store.queues))]
        task.running = asyncio.create_task(self._run(task))
        return {"TaskHandle": task.handle}

    def list(self, parameters: Parameters) -> Result:
        """ListMessageMoveTasks."""
        source = self._queue_of(parameters, "SourceArn")
        count = whole(parameters, "MaxResults", 1, _KEPT) or 1
        found = [task.told() for task in self._tasks if task.source == source.key]
        return {"Results": found[:count]}

    def cancel(self, parameters: Parameters) -> Result:
        """CancelMessageMoveTask."""
        handle = parameters.get("TaskHandle")
        if not handle:
            raise missing("TaskHandle")
        try:
            named = json.loads(base64.b64decode(handle, validate=True))
            source = {"SourceArn": named["sourceArn"]}
        except (binascii.Error, ValueError, KeyError, TypeError):
            raise invalid("Value for parameter TaskHandle is invalid.") from None
        self._queue_of(source, "SourceArn")
        task = next((task for task in self._tasks if task.id == named.get("taskId")), None)
        if task is None:
            raise _not_found("Task does not exist.")
        if task.status != "RUNNING" or task.running is None:
            raise invalid("Only active tasks can be cancelled.")
        task.running.cancel()
        task.status = "CANCELLED"
        return {"ApproximateNumberOfMessagesMoved": task.moved}

    async def stop(self) -> None:
        """End all tasks."""
        running = [task.running for task in self._tasks if task.running is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _run(self, task: _Task) -> None:
        chunk = 1 if task.rate else _CHUNK
        try:
            while True:
                is_more = self._move(task, chunk)
                if not is_more:
                    break
                await asyncio.sleep(1 / task.rate if task.rate else 0)
            task.status = "COMPLETED"
        except _Failed as error:
            task.status, task.failure = "FAILED", str(error)
        except Exception:
            _LOG.exception("a message move task from %s failed", task.source.name)
            task.status, task.failure = "FAILED", "InternalError"

    def _move(self, task: _Task, count: int) -> bool:
        """Move the next messages; whether there may be more."""
        store = self._store
        try:
            source = store.queue(task.source)
        except SqsError as error:
            raise _Failed(error.code) from error
        for _ in range(count):
            message = source.next_visible()
            if message is None:
                return False
            try:
                target = store.queue(_target(task, message))
            except SqsError as error:
                raise _Failed(error.code) from error
            store.move(source, [message], target, [_renewed(message, store.now())])
            task.moved += 1
        return True

    def _queue_of(self, parameters: Parameters, name: str) -> Queue:
        arn = parameters.get(name)
        if not arn:
            raise missing(name)
        key = QueueKey.of_arn(str(arn))
        if key is None:
            raise invalid(
                f"You must use this format to specify the {name}:"
                " arn:<partition>:<service>:<region>:<account-id>:<resource-id>"
            )
        try:
            return self._store.queue(key)
        except SqsError:
            raise _not_found(
                f"The resource that you specified for the {name} parameter doesn't exist."
            ) from None


def _target(task: _Task, message: Message) -> QueueKey:
    if task.target is not None:
        return task.target
    key = QueueKey.of_arn(message.system.get("DeadLetterQueueSourceArn", ""))
    if key is None:
        raise _Failed("CouldNotDetermineMessageSource")
    return key


def _renewed(message: Message, now: float) -> Message:
    system = dict(message.system)
    system.pop("DeadLetterQueueSourceArn", None)
    return Message(
        message.body,
        attributes=message.attributes,
        system=system,
        group=message.group,
        deduplication_id=message.deduplication_id,
        sent_at=now,
    )


def _not_found(message: str) -> SqsError:
    return SqsError("ResourceNotFoundException", message, status=404)
