"""All queues, what passes between them, and what the journal has of them.

Nothing is taken in that the journal cannot keep. What it cannot keep of a receive or a delete is
only told of: it would make messages come again, and lose none.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from emulator.aws_server.sqs.errors import SqsError, no_such_queue
from emulator.aws_server.sqs.journal import Change, Journal
from emulator.aws_server.sqs.messages import Message, continue_after
from emulator.aws_server.sqs.queue import Duplicate, Queue, QueueKey

_LOG = logging.getLogger(__name__)

DEFAULT_LIMIT_BYTES = 512 * 1024 * 1024
_PACKED = (
    "number",
    "enqueued_at",
    "visible_at",
    "received_at",
    "first_received_at",
    "receives",
    "carried",
)


@dataclass(frozen=True)
class Redrive:
    """Where a queue's messages go that were received too often."""

    target: QueueKey
    max_receives: int


class Store:
    """The queues of all accounts and regions.

    `on_ready` is called with a queue that may have something to receive, or that will have.
    `limit_bytes` is what all messages together may take.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        clock: Callable[[], float] = time.time,
        limit_bytes: int = DEFAULT_LIMIT_BYTES,
    ) -> None:
        self.queues: dict[QueueKey, Queue] = {}
        self.on_ready: Callable[[Queue], None] = lambda _queue: None
        self.now = clock
        self.size = 0
        self._limit = limit_bytes
        self._journal = journal

    # -- queues

    def queue(self, key: QueueKey) -> Queue:
        """Return a queue, at this moment of time; raise SqsError if it is not there."""
        queue = self.queues.get(key)
        if queue is None:
            raise no_such_queue()
        self.advance(queue)
        return queue

    def advance(self, queue: Queue) -> None:
        """Bring a queue to now; what was kept for too long goes."""
        expired = queue.advance(self.now())
        if expired:
            self.size -= sum(message.size for message in expired)
            self._note(["deleted", queue.key, [message.id for message in expired]])

    def create(self, key: QueueKey, attributes: dict[str, str], tags: dict[str, str]) -> Queue:
        """Make a queue."""
        self._journal.append(["queue", key, attributes, tags])
        queue = self.queues[key] = Queue(key, attributes)
        queue.tags.update(tags)
        return queue

    def change(self, queue: Queue, attributes: dict[str, str], tags: dict[str, str]) -> None:
        """Give a queue all its attributes and tags anew."""
        self._journal.append(["queue", queue.key, attributes, tags])
        self._configure(queue, attributes, tags)
        self.on_ready(queue)

    def delete_queue(self, queue: Queue) -> None:
        """Remove a queue with all that is in it."""
        self._journal.append(["gone", queue.key])
        del self.queues[queue.key]
        self.size -= queue.size
        self.on_ready(queue)

    def redrive_of(self, queue: Queue) -> Redrive | None:
        """Return a queue's redrive policy; None if it has none."""
        text = queue.attributes.get("RedrivePolicy")
        if not text:
            return None
        policy = json.loads(text)
        target = QueueKey.of_arn(policy["deadLetterTargetArn"])
        assert target is not None, "a policy is checked before it is taken"
        return Redrive(target, int(policy["maxReceiveCount"]))

    def sources_of(self, queue: Queue) -> list[Queue]:
        """Return the queues whose dead letters come to this one."""
        return [
            other
            for other in self.queues.values()
            if (redrive := self.redrive_of(other)) is not None and redrive.target == queue.key
        ]

    def reset(self) -> None:
        """Forget everything."""
        for queue in list(self.queues.values()):
            self.delete_queue(queue)

    # -- messages

    def room_for(self, size: int) -> None:
        """Raise SqsError when the messages of all queues take too much memory."""
        if self.size + size > self._limit:
            raise SqsError(
                "ServiceUnavailable",
                f"The queues of this endpoint hold {self._limit} bytes, which is all they may.",
                status=503,
            )

    def send(self, queue: Queue, messages: Sequence[Message]) -> None:
        """Put new messages in."""
        self._journal.tidy()
        now = self.now()
        self.room_for(sum(message.size for message in messages))
        self._journal.append(["sent", queue.key, [_pack(message) for message in messages]])
        for message in messages:
            self._put(queue, message, now)
            if queue.is_fifo:
                queue.remember(message)
        self.on_ready(queue)

    def receive(self, queue: Queue, count: int, visibility_s: int) -> list[Message]:
        """Receive messages; those received too often go to the dead-letter queue instead."""
        self._journal.tidy()
        now = self.now()
        redrive = self.redrive_of(queue)
        target = self.queues.get(redrive.target) if redrive else None
        received: list[Message] = []
        while len(received) < count:
            taken = queue.take(count - len(received), visibility_s, now)
            if not taken:
                break
            dead = []
            if redrive is not None and target is not None:
                dead = [message for message in taken if message.receives > redrive.max_receives]
            for message in dead:
                message.receives -= 1
            if dead and target is not None:
                arn, is_fifo = queue.key.arn, target.is_fifo
                copies = [message.buried(now, arn, is_fifo=is_fifo) for message in dead]
                self.move(queue, dead, target, copies)
            received += [message for message in taken if message not in dead]
            if not visibility_s:
                break
        if received:
            ids = [message.id for message in received]
            self._note(["received", queue.key, now, now + visibility_s, ids])
        return received

    def move(
        self, source: Queue, messages: Sequence[Message], target: Queue, copies: Sequence[Message]
    ) -> None:
        """Let copies of the messages take their place in another queue."""
        self._journal.append(["moved", target.key, [_pack(message) for message in copies]])
        for message in copies:
            self._put(target, message, self.now())
        self.delete(source, messages)
        self.on_ready(target)

    def delete(self, queue: Queue, messages: Iterable[Message]) -> None:
        """Remove messages; groups that waited for them go on."""
        messages = list(messages)
        if not messages:
            return
        self._note(["deleted", queue.key, [message.id for message in messages]])
        for message in messages:
            self.size -= message.size
            queue.remove(message)
        if queue.is_fifo:
            self.on_ready(queue)

    def change_visibility(self, queue: Queue, message: Message, seconds: int) -> None:
        """Let a message in flight be visible in so many seconds."""
        now = self.now()
        queue.change_visibility(message, seconds, now)
        self._note(["visible", queue.key, message.id, now + seconds])
        self.on_ready(queue)

    # -- journal

    def restore(self) -> None:
        """Make again what the journal has, and go on in it."""
        for change in self._journal.read():
            try:
                self._repeat(*change)
            except (TypeError, ValueError, LookupError, AttributeError) as error:
                kind = str(change[:1])[:40]  # no more: messages are nobody else's business
                _LOG.warning("a change %s in the journal is skipped: %r", kind, error)
        self._journal.begin(self._snapshot)
        messages = (item for queue in self.queues.values() for item in queue.messages.values())
        continue_after(max((message.number for message in messages), default=0))

    def close(self) -> None:
        """Let go of the journal."""
        self._journal.close()

    def _repeat(self, kind: str, name: list[str], *rest: Any) -> None:
        key = QueueKey(*name)
        queue = self.queues.get(key)
        if kind == "queue":
            queue = self.queues.setdefault(key, Queue(key, rest[0]))
            self._configure(queue, *rest)
        elif queue is None:
            return
        elif kind == "gone":
            del self.queues[key]
            self.size -= queue.size
        elif kind in ("sent", "moved"):
            for message in map(_unpack, rest[0]):
                self._put(queue, message, 0.0)
                if kind == "sent" and queue.is_fifo:
                    queue.remember(message)
        elif kind == "duplicates":
            queue.recall([((group, name), Duplicate(*value)) for group, name, value in rest[0]])
        else:
            self._repeat_change(queue, kind, rest)

    def _repeat_change(self, queue: Queue, kind: str, rest: tuple[Any, ...]) -> None:
        ids = [rest[0]] if kind == "visible" else rest[-1]
        for message in [queue.messages[name] for name in ids if name in queue.messages]:
            self.size -= message.size
            queue.remove(message)
            if kind == "received":
                message.received_at, message.visible_at = rest[0], rest[1]
                message.first_received_at = message.first_received_at or rest[0]
                message.receives += 1
            elif kind == "visible":
                message.visible_at = rest[1]
            if kind != "deleted":
                self._put(queue, message, 0.0)

    def _snapshot(self) -> Iterator[Change]:
        now = self.now()
        for queue in self.queues.values():
            yield ["queue", queue.key, queue.attributes, queue.tags]
            duplicates = [[*key, value] for key, value in queue.duplicates() if value.until > now]
            if duplicates:
                yield ["duplicates", queue.key, duplicates]
            for message in queue.messages.values():
                yield ["moved", queue.key, [_pack(message)]]

    # -- helpers

    def _note(self, change: Change) -> None:
        """Keep a change if that is possible."""
        try:
            self._journal.append(change)
        except OSError as error:
            _LOG.warning("what %s went through may come again: %s", change[1][2], error)

    def _put(self, queue: Queue, message: Message, now: float) -> None:
        self.size += message.size
        queue.put(message, now)

    def _configure(self, queue: Queue, attributes: dict[str, str], tags: dict[str, str]) -> None:
        delay = queue.attributes["DelaySeconds"]
        queue.attributes = dict(attributes)
        queue.tags = dict(tags)
        if queue.is_fifo and attributes["DelaySeconds"] != delay:
            queue.change_delay(int(attributes["DelaySeconds"]), self.now())


def _pack(message: Message) -> list[Any]:
    return [
        message.id,
        message.body,
        message.attributes,
        message.system,
        message.group,
        message.deduplication_id,
        message.sent_at,
        [getattr(message, name) for name in _PACKED],
    ]


def _unpack(packed: list[Any]) -> Message:
    name, body, attributes, system, group, deduplication_id, sent_at, rest = packed
    message = Message(
        body,
        attributes=attributes,
        system=system,
        group=group,
        deduplication_id=deduplication_id,
        sent_at=sent_at,
        message_id=name,
    )
    for field, value in zip(_PACKED, rest, strict=True):
        setattr(message, field, value)
    return message
