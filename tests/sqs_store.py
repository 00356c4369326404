"""A store whose time stands still until a test moves it."""

from __future__ import annotations

from emulator.aws_server.sqs.attributes import initial
from emulator.aws_server.sqs.messages import Message
from emulator.aws_server.sqs.queue import Queue, QueueKey
from emulator.aws_server.sqs.store import Store


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A store, its clock, and short ways to what tests do all the time."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock

    def queue(self, name: str = "q", **attributes: object) -> Queue:
        key = QueueKey("000000000000", "us-east-1", name)
        given = {key: str(value) for key, value in attributes.items()}
        if name.endswith(".fifo"):
            given["FifoQueue"] = "true"
        return self.store.create(key, initial(key, given, self.store, self.clock.now), {})

    def send(self, queue: Queue, *bodies: str, group: str = "g", delay_s: int = 0) -> None:
        messages = []
        for body in bodies:
            message = Message(
                body,
                sent_at=self.clock.now,
                group=group if queue.is_fifo else None,
                deduplication_id=body if queue.is_fifo else None,
            )
            message.visible_at += delay_s
            messages.append(message)
        self.store.send(queue, messages)

    def receive(self, queue: Queue, count: int = 10, visibility_s: int = 30) -> list[Message]:
        self.store.advance(queue)
        return self.store.receive(queue, count, visibility_s)

    def bodies(self, queue: Queue, count: int = 10, visibility_s: int = 30) -> list[str]:
        return [message.body for message in self.receive(queue, count, visibility_s)]
