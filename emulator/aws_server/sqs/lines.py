"""Orders of messages: who is next, and who is due when. None of them is ever scanned."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from typing import Protocol

from emulator.aws_server.sqs.messages import Message, State

_SLACK = 1_024


class Timeline:
    """Messages by a time of theirs.

    A message that has no such time any more, or another, stays as an empty entry until it is due
    or half of all entries are empty.
    """

    def __init__(self, time_of: Callable[[Message], float | None]) -> None:
        self._time_of = time_of
        self._heap: list[tuple[float, int, Message]] = []
        self._ties = itertools.count()

    def add(self, message: Message, alive: int) -> None:
        """Put a message in; `alive` is how many entries there can be at most that count."""
        time = self._time_of(message)
        assert time is not None
        if len(self._heap) > 2 * alive + _SLACK:
            self._heap = [entry for entry in self._heap if self._counts(entry)]
            heapq.heapify(self._heap)
        heapq.heappush(self._heap, (time, next(self._ties), message))

    def next_at(self) -> float | None:
        """Return the earliest time; None if there is none."""
        heap = self._heap
        while heap and not self._counts(heap[0]):
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def pop_due(self, now: float) -> Message | None:
        """Take out the first message whose time has come."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            entry = heapq.heappop(heap)
            if self._counts(entry):
                return entry[2]
        return None

    def _counts(self, entry: tuple[float, int, Message]) -> bool:
        return self._time_of(entry[2]) == entry[0]


class Line(Protocol):
    """The visible messages of a queue, in the order in which they are given out."""

    def add(self, message: Message) -> None:
        """Put a message in that has become visible."""
        ...

    def take(self, count: int) -> list[Message]:
        """Take out the next messages, at most `count`."""
        ...

    def occupy(self, message: Message) -> None:
        """Note that a message is in flight which was not taken out here."""
        ...

    def finish(self, message: Message) -> None:
        """Note that a message in flight is so no longer."""
        ...

    def peek(self) -> Message | None:
        """Return what `take` would take first; None if that is nothing."""
        ...


class StandardLine:
    """A standard queue's: oldest first, whoever is in flight."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, Message]] = []

    def add(self, message: Message) -> None:
        """Put a message in that has become visible."""
        heapq.heappush(self._heap, (message.number, message))

    def take(self, count: int) -> list[Message]:
        """Take out the oldest messages, at most `count`."""
        heap = self._heap
        taken: list[Message] = []
        while heap and len(taken) < count:
            message = heapq.heappop(heap)[1]
            if message.state is State.VISIBLE:
                taken.append(message)
        return taken

    def occupy(self, message: Message) -> None:
        """Do nothing: nobody waits for a message in flight."""

    def finish(self, message: Message) -> None:
        """Do nothing: nobody waited for it."""

    def peek(self) -> Message | None:
        """Return the oldest message."""
        return self._heap[0][1] if _drop_gone(self._heap) else None


class _Group:
    """One message group's line; `busy` is how many of its messages are in flight."""

    __slots__ = ("busy", "is_listed", "name", "waiting")

    def __init__(self, name: str) -> None:
        self.name = name
        self.waiting: list[tuple[int, Message]] = []
        self.busy = 0
        self.is_listed = False


class FifoLine:
    """A FIFO queue's: in order within a group, and none of a group while one is in flight.

    As many of one group as are wanted, then the next group. Source: SQS Developer Guide, "FIFO
    queue delivery logic in Amazon SQS".
    """

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}
        self._ready: deque[_Group] = deque()

    def add(self, message: Message) -> None:
        """Put a message in that has become visible."""
        group = self._group(message)
        heapq.heappush(group.waiting, (message.number, message))
        self._list(group)

    def take(self, count: int) -> list[Message]:
        """Take out the next messages, at most `count`; their groups wait for them from now on."""
        taken: list[Message] = []
        while len(taken) < count and self.peek() is not None:
            group = self._ready.popleft()
            group.is_listed = False
            while len(taken) < count and _drop_gone(group.waiting):
                taken.append(heapq.heappop(group.waiting)[1])
                group.busy += 1
        return taken

    def occupy(self, message: Message) -> None:
        """Let a message's group wait for it."""
        self._group(message).busy += 1

    def finish(self, message: Message) -> None:
        """Note that a message in flight is so no longer."""
        group = self._group(message)
        group.busy -= 1
        assert group.busy >= 0
        self._list(group)

    def peek(self) -> Message | None:
        """Return the first message of the first group that has none in flight."""
        ready = self._ready
        while ready and not _drop_gone(ready[0].waiting):
            group = ready.popleft()
            group.is_listed = False
            self._list(group)
        return ready[0].waiting[0][1] if ready else None

    def _group(self, message: Message) -> _Group:
        name = message.group or ""
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = _Group(name)
        return group

    def _list(self, group: _Group) -> None:
        """Put a group in line if it may give; forget one that has nothing."""
        if group.busy or group.is_listed:
            return
        if _drop_gone(group.waiting):
            group.is_listed = True
            self._ready.append(group)
        else:
            self._groups.pop(group.name, None)


def _drop_gone(heap: list[tuple[int, Message]]) -> bool:
    """Remove what was deleted from the front; whether anything is left."""
    while heap and heap[0][1].state is not State.VISIBLE:
        heapq.heappop(heap)
    return bool(heap)
