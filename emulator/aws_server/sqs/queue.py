"""One queue: what is visible, delayed, in flight, and what becomes of it as time passes."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from emulator.aws_server.sqs.errors import SqsError, invalid_value
from emulator.aws_server.sqs.lines import FifoLine, Line, StandardLine, Timeline
from emulator.aws_server.sqs.messages import Message, State

DEDUPLICATION_S = 300.0
MAX_VISIBILITY_S = 43_200
MAX_IN_FLIGHT = 120_000


class QueueKey(NamedTuple):
    """What names a queue."""

    account: str
    region: str
    name: str

    @property
    def arn(self) -> str:
        """The queue's ARN."""
        return f"arn:aws:sqs:{self.region}:{self.account}:{self.name}"

    @classmethod
    def of_arn(cls, arn: str) -> QueueKey | None:
        """Return the key of an ARN; None if it is no queue's."""
        parts = arn.split(":")
        if len(parts) != 6 or parts[0] != "arn" or parts[2] != "sqs" or not all(parts[3:]):
            return None
        return cls(parts[4], parts[3], parts[5])


class Duplicate(NamedTuple):
    """What a deduplication id was used for."""

    until: float
    message_id: str
    sequence_number: str


class Queue:
    """A queue's messages. Times are seconds since 1970 and come as arguments."""

    def __init__(self, key: QueueKey, attributes: Mapping[str, str]) -> None:
        self.key = key
        self.attributes = dict(attributes)
        self.tags: dict[str, str] = {}
        self.purged_at = 0.0
        self.messages: dict[str, Message] = {}
        self.size = 0
        self.is_fifo = key.name.endswith(".fifo")
        self._tag = hashlib.sha256(key.arn.encode()).hexdigest()[:12]
        self._counts = [0, 0, 0]
        self._line: Line = FifoLine() if self.is_fifo else StandardLine()
        self._hidden = Timeline(_hidden_until)
        self._ages = Timeline(_enqueued_at)
        self._duplicates: dict[tuple[str | None, str], Duplicate] = {}
        self._duplicates_by_age: deque[tuple[float, tuple[str | None, str]]] = deque()

    # -- attributes

    def number(self, attribute: str) -> int:
        """Return an attribute that is a number."""
        return int(self.attributes[attribute])

    @property
    def visible(self) -> int:
        """How many messages can be received, but for groups that wait."""
        return self._counts[State.VISIBLE]

    @property
    def delayed(self) -> int:
        """How many messages are not visible yet."""
        return self._counts[State.DELAYED]

    @property
    def in_flight(self) -> int:
        """How many messages were received and neither deleted nor visible again."""
        return self._counts[State.IN_FLIGHT]

    def oldest_at(self) -> float | None:
        """Return when the oldest message was put in; None if there is none."""
        return self._ages.next_at()

    # -- time

    def advance(self, now: float) -> list[Message]:
        """Bring everything to this time; return what has been kept too long and is gone."""
        while (message := self._hidden.pop_due(now)) is not None:
            was_in_flight = message.state is State.IN_FLIGHT
            self._enter(message, State.VISIBLE)
            self._line.add(message)
            if was_in_flight:
                self._line.finish(message)
        expired = []
        oldest = now - self.number("MessageRetentionPeriod")
        while (message := self._ages.pop_due(oldest)) is not None:
            self.remove(message)
            expired.append(message)
        return expired

    def next_change_at(self) -> float | None:
        """Return when the next message becomes visible by itself."""
        return self._hidden.next_at()

    # -- messages

    def put(self, message: Message, now: float) -> None:
        """Take a message in; it is visible from its `visible_at` on."""
        self.messages[message.id] = message
        self.size += message.size
        if message.visible_at <= now:
            self._enter(message, State.VISIBLE)
            self._line.add(message)
        else:
            self._enter(message, State.IN_FLIGHT if message.receives else State.DELAYED)
            if message.receives:
                self._line.occupy(message)
            self._hidden.add(message, len(self.messages))
        self._ages.add(message, len(self.messages))

    def take(self, count: int, visibility_s: int, now: float) -> list[Message]:
        """Receive at most `count` messages; call `advance` before."""
        taken = self._line.take(count)
        for message in taken:
            message.receives += 1
            message.received_at = now
            message.first_received_at = message.first_received_at or now
            self._hide(message, now + visibility_s)
        if not visibility_s:
            self.advance(now)
        return taken

    def next_visible(self) -> Message | None:
        """Return what `take` would take first; None if that is nothing."""
        return self._line.peek()

    def remove(self, message: Message) -> None:
        """Let a message go, wherever it is."""
        was_in_flight = message.state is State.IN_FLIGHT
        del self.messages[message.id]
        self.size -= message.size
        self._enter(message, State.GONE)
        if was_in_flight:
            self._line.finish(message)

    def change_visibility(self, message: Message, seconds: int, now: float) -> None:
        """Let a message in flight be visible in so many seconds; raise SqsError after 12 hours."""
        if now + seconds - message.received_at > MAX_VISIBILITY_S:
            raise invalid_value(
                seconds,
                "VisibilityTimeout",
                "Total VisibilityTimeout for the message is beyond the limit"
                f" [{MAX_VISIBILITY_S} seconds]",
            )
        message.visible_at = now + seconds
        self._hidden.add(message, len(self.messages))
        self.advance(now)

    def change_delay(self, seconds: int, now: float) -> None:
        """Delay what is delayed already by this instead, as FIFO queues do."""
        for message in self.messages.values():
            if message.state is State.DELAYED:
                message.visible_at = message.enqueued_at + seconds
                self._hidden.add(message, len(self.messages))
        self.advance(now)

    def peek(self, limit: int) -> Iterator[Message]:
        """Yield messages as they came, at most `limit`, changing nothing."""
        return islice(self.messages.values(), limit)

    # -- receipts

    def receipt(self, message: Message) -> str:
        """Return the receipt handle of the message's last receive."""
        text = f"{self._tag}:{message.id}:{message.receive_count}"
        return base64.b64encode(text.encode()).decode()

    def deletable(self, handle: str) -> Message | None:
        """Return what a handle lets delete; None if that is gone; raise SqsError for a bad one.

        A FIFO queue wants the last receive's handle, and its visibility timeout not over. On AWS a
        standard queue was seen to take every handle that it gave out, though its documentation
        says that an old one may do nothing (getmoto/moto, pull request 4655).
        """
        message, is_last = self._received(handle)
        if message is not None and self.is_fifo and not (is_last and _flies(message)):
            raise invalid_value(handle, "ReceiptHandle", "The receipt handle has expired.")
        return message

    def changeable(self, handle: str) -> Message:
        """Return the message in flight that a handle names; raise SqsError if there is none."""
        message, is_last = self._received(handle)
        if message is None or not _flies(message) or (self.is_fifo and not is_last):
            raise invalid_value(
                handle,
                "ReceiptHandle",
                "Message does not exist or is not available for visibility timeout change.",
            )
        return message

    def _received(self, handle: str) -> tuple[Message | None, bool]:
        """Return the message of a handle, and whether it is the last that was given for it."""
        try:
            tag, name, count = base64.b64decode(handle, validate=True).decode().split(":")
        except (binascii.Error, ValueError):
            tag = ""
        if tag != self._tag:
            raise SqsError(
                "ReceiptHandleIsInvalid",
                f'The input receipt handle "{handle}" is not a valid receipt handle.',
            )
        message = self.messages.get(name)
        return message, message is not None and count == str(message.receive_count)

    # -- deduplication

    def duplicate(self, message: Message, now: float) -> Duplicate | None:
        """Return what was sent with the message's deduplication id in the last five minutes."""
        ages = self._duplicates_by_age
        while ages and ages[0][0] <= now:
            self._duplicates.pop(ages.popleft()[1], None)
        return self._duplicates.get(self.duplicate_key(message))

    def remember(self, message: Message) -> None:
        """Let the message's deduplication id count from when it was sent."""
        until = message.sent_at + DEDUPLICATION_S
        key = self.duplicate_key(message)
        self._duplicates[key] = Duplicate(until, message.id, message.sequence_number)
        self._duplicates_by_age.append((until, key))

    def duplicates(self) -> Iterable[tuple[tuple[str | None, str], Duplicate]]:
        """Return what is remembered."""
        return self._duplicates.items()

    def recall(self, entries: Sequence[tuple[tuple[str | None, str], Duplicate]]) -> None:
        """Remember again what `duplicates` returned."""
        for key, duplicate in sorted(entries, key=lambda entry: entry[1].until):
            self._duplicates[key] = duplicate
            self._duplicates_by_age.append((duplicate.until, key))

    def duplicate_key(self, message: Message) -> tuple[str | None, str]:
        """Return what makes a message the same as another: its id, in its group if so scoped."""
        assert message.deduplication_id is not None
        by_group = self.attributes.get("DeduplicationScope") == "messageGroup"
        return message.group if by_group else None, message.deduplication_id

    # -- states

    def _hide(self, message: Message, until: float) -> None:
        message.visible_at = until
        self._enter(message, State.IN_FLIGHT)
        self._hidden.add(message, len(self.messages))

    def _enter(self, message: Message, state: State) -> None:
        if message.state is not State.GONE:
            self._counts[message.state] -= 1
        if state is not State.GONE:
            self._counts[state] += 1
        message.state = state


def _flies(message: Message) -> bool:
    return message.state is State.IN_FLIGHT


def _hidden_until(message: Message) -> float | None:
    hidden = message.state is State.DELAYED or message.state is State.IN_FLIGHT
    return message.visible_at if hidden else None


def _enqueued_at(message: Message) -> float | None:
    return None if message.state is State.GONE else message.enqueued_at
