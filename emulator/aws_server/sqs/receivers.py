"""ReceiveMessage, and those who wait for messages."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from emulator.aws_server.sqs.actions import Parameters, Result, whole
from emulator.aws_server.sqs.errors import SqsError, no_such_queue
from emulator.aws_server.sqs.messages import Attributes, Message, attributes_md5
from emulator.aws_server.sqs.queue import MAX_IN_FLIGHT, MAX_VISIBILITY_S, Queue, QueueKey
from emulator.aws_server.sqs.store import Store

MAX_MESSAGES = 10
MAX_WAIT_S = 20
_MIN_WAKE_INTERVAL_S = 0.005
_SYSTEM_NAMES = frozenset(
    {
        "All",
        "ApproximateFirstReceiveTimestamp",
        "ApproximateReceiveCount",
        "AWSTraceHeader",
        "DeadLetterQueueSourceArn",
        "MessageDeduplicationId",
        "MessageGroupId",
        "SenderId",
        "SentTimestamp",
        "SequenceNumber",
    }
)

Answer = Callable[[Result | SqsError], None]
"""Takes what becomes of a request."""


@dataclass(slots=True, eq=False)
class _Receiver:
    """One ReceiveMessage; `is_there` says whether its client still waits."""

    count: int
    visibility_s: int
    system_names: frozenset[str]
    names: frozenset[str]
    answer: Answer
    is_there: Callable[[], bool]
    timer: asyncio.TimerHandle | None = None
    is_done: bool = False

    def finish(self, result: Result | SqsError) -> None:
        """Answer, once."""
        self.is_done = True
        if self.timer is not None:
            self.timer.cancel()
        self.answer(result)


class _Waiting:
    """Those who wait at one queue, and when to look for them."""

    def __init__(self) -> None:
        self.receivers: deque[_Receiver] = deque()
        self.timer: asyncio.TimerHandle | None = None
        self.planned = 0.0
        self.next_look = 0.0


class Receivers:
    """Serves ReceiveMessage; a long poll ends with the first message, or with its time.

    Under load one look serves all that arrives within a few milliseconds, so that batches fill.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[QueueKey, _Waiting] = {}
        store.on_ready = self._plan

    def receive(
        self, queue: Queue, parameters: Parameters, answer: Answer, is_there: Callable[[], bool]
    ) -> None:
        """Answer with messages; with none once the wait is over."""
        receiver, wait_s = _receiver(queue, parameters, answer, is_there)
        result = self._take(queue, receiver)
        if "Messages" in result or not wait_s:
            answer(result)
            return
        loop = asyncio.get_running_loop()
        waiting = self._waiting.setdefault(queue.key, _Waiting())
        waiting.receivers.append(receiver)
        receiver.timer = loop.call_later(wait_s, self._give_up, queue.key, receiver)
        self._plan_next_change(queue, waiting)

    def stop(self) -> None:
        """Let everybody go with nothing."""
        for waiting in self._waiting.values():
            if waiting.timer is not None:
                waiting.timer.cancel()
            for receiver in waiting.receivers:
                if not receiver.is_done:
                    receiver.finish({})
        self._waiting.clear()

    def _plan(self, queue: Queue) -> None:
        """Look for those who wait at this queue, soon."""
        waiting = self._waiting.get(queue.key)
        if waiting is not None:
            self._look_at(queue.key, waiting, asyncio.get_running_loop().time())

    def _plan_next_change(self, queue: Queue, waiting: _Waiting) -> None:
        """Look again when a message becomes visible by itself."""
        next_change = queue.next_change_at()
        if next_change is not None:
            loop = asyncio.get_running_loop()
            delay_s = max(0.0, next_change - self._store.now())
            self._look_at(queue.key, waiting, loop.time() + delay_s)

    def _look_at(self, key: QueueKey, waiting: _Waiting, when: float) -> None:
        when = max(when, waiting.next_look)
        if waiting.timer is not None:
            if waiting.planned <= when:
                return
            waiting.timer.cancel()
        loop = asyncio.get_running_loop()
        waiting.planned = when  # what uvloop gives for a time that is over knows no time
        waiting.timer = loop.call_at(when, self._look, key, waiting)

    def _look(self, key: QueueKey, waiting: _Waiting) -> None:
        """Give what there is to those who wait, the longest first."""
        waiting.timer = None
        waiting.next_look = asyncio.get_running_loop().time() + _MIN_WAKE_INTERVAL_S
        queue = self._store.queues.get(key)
        receivers = waiting.receivers
        if queue is not None:
            self._store.advance(queue)
        while receivers:
            receiver = receivers[0]
            if receiver.is_done or not receiver.is_there():
                receivers.popleft()
                if not receiver.is_done:
                    receiver.finish({})
                continue
            if queue is None:
                receivers.popleft().finish(no_such_queue())
                continue
            result = self._take(queue, receiver)
            if "Messages" not in result:
                break
            receivers.popleft().finish(result)
        if receivers and queue is not None:
            self._plan_next_change(queue, waiting)
        elif not receivers:
            self._waiting.pop(key, None)

    def _give_up(self, key: QueueKey, receiver: _Receiver) -> None:
        receiver.finish({})
        waiting = self._waiting.get(key)
        if waiting is not None and waiting.receivers and waiting.receivers[0].is_done:
            self._look_at(key, waiting, 0.0)

    def _take(self, queue: Queue, receiver: _Receiver) -> Result:
        if queue.in_flight >= MAX_IN_FLIGHT:
            return {}
        messages = self._store.receive(queue, receiver.count, receiver.visibility_s)
        if not messages:
            return {}
        return {"Messages": [_told(queue, message, receiver) for message in messages]}


def _receiver(
    queue: Queue, parameters: Parameters, answer: Answer, is_there: Callable[[], bool]
) -> tuple[_Receiver, int]:
    """Return what a request asks for and how many seconds it would wait."""
    wait_s = whole(
        parameters, "WaitTimeSeconds", 0, MAX_WAIT_S, "Must be >= 0 and <= 20, if provided."
    )
    visibility_s = whole(parameters, "VisibilityTimeout", 0, MAX_VISIBILITY_S)
    if queue.in_flight >= MAX_IN_FLIGHT and not queue.is_fifo:
        raise SqsError("OverLimit", f"Too many messages in flight: {queue.in_flight}.")
    names = [
        *(parameters.get("AttributeNames") or ()),
        *(parameters.get("MessageSystemAttributeNames") or ()),
    ]
    for name in names:
        if name not in _SYSTEM_NAMES:
            raise SqsError("InvalidAttributeName", f"Unknown Attribute {name}.")
    receiver = _Receiver(
        count=whole(parameters, "MaxNumberOfMessages", 1, MAX_MESSAGES) or 1,
        visibility_s=queue.number("VisibilityTimeout") if visibility_s is None else visibility_s,
        system_names=frozenset(names),
        names=frozenset(parameters.get("MessageAttributeNames") or ()),
        answer=answer,
        is_there=is_there,
    )
    return receiver, queue.number("ReceiveMessageWaitTimeSeconds") if wait_s is None else wait_s


def _told(queue: Queue, message: Message, receiver: _Receiver) -> dict[str, Any]:
    result: dict[str, Any] = {
        "MessageId": message.id,
        "ReceiptHandle": queue.receipt(message),
        "MD5OfBody": message.md5,
        "Body": message.body,
    }
    if receiver.system_names:
        told = message.told(receiver.system_names)
        if told:
            result["Attributes"] = told
    if message.attributes and receiver.names:
        chosen = _chosen(message.attributes, receiver.names)
        if chosen:
            result["MD5OfMessageAttributes"] = attributes_md5(chosen)
            result["MessageAttributes"] = chosen
    return result


def _chosen(attributes: Attributes, names: frozenset[str]) -> dict[str, Mapping[str, str]]:
    """Return the attributes asked for: by name, by `prefix.*`, or all of them."""
    if "All" in names or ".*" in names:
        return dict(attributes)
    prefixes = tuple(name[:-2] for name in names if name.endswith(".*"))
    return {
        name: value
        for name, value in attributes.items()
        if name in names or (prefixes and name.startswith(prefixes))
    }
