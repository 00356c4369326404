"""Receives one queue's messages in batches and has them handled."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from emulator.aws import MAX_WAIT_S
from emulator.backoff import Backoff
from emulator.mappings.concurrency import Concurrency
from emulator.mappings.records import MAX_PAYLOAD_BYTES, size_of
from emulator.mappings.source import BATCH, Message, Source

_LOG = logging.getLogger(__name__)

RECEIVERS = 4
"""Receives at once of a queue that has more than one brings; an idle queue has one."""

Handle = Callable[[Sequence[Message], float], Awaitable[None]]
"""Takes a batch, and the monotonic time at which its first message was received."""


@dataclass(frozen=True)
class Batching:
    """How many messages make a batch, and for how long they are gathered.

    In order, one receive is one batch: two would run side by side with messages of one group.
    """

    size: int
    window_s: float = 0
    in_order: bool = False

    @property
    def per_receive(self) -> int:
        """How many batches one receive may bring."""
        return 1 if self.window_s or self.in_order else max(1, BATCH // self.size)


class Poller:
    """Feeds one consumer from one queue.

    A long poll waits while fewer batches than allowed are at work. Each receive that comes back
    full adds a receiver; those return when the queue has no more. A batch has its place before it
    is received: no message waits here while its visibility timeout runs.
    """

    def __init__(
        self, source: Source, handle: Handle, batching: Batching, concurrency: Concurrency
    ) -> None:
        self._source = source
        self._handle = handle
        self._batching = batching
        self._concurrency = concurrency
        self._helpers: set[asyncio.Task[None]] = set()
        self._batches: set[asyncio.Task[None]] = set()
        self._lead = asyncio.create_task(self._run())

    async def stop(self, drain_s: float) -> None:
        """Receive no more, wait for the batches under way, and then give up on them."""
        receivers = [self._lead, *self._helpers]
        for task in receivers:
            task.cancel()
        await asyncio.gather(*receivers, return_exceptions=True)
        deadline = time.monotonic() + drain_s
        if self._batches:
            await asyncio.wait(self._batches, timeout=drain_s)
        await self._source.drain(max(0.1, deadline - time.monotonic()))
        for task in self._batches:
            task.cancel()
        await asyncio.gather(*self._batches, return_exceptions=True)

    async def _run(self) -> None:
        backoff = Backoff(0.1, 5.0)
        while True:
            try:
                await self._take(MAX_WAIT_S, backoff)
            except Exception:
                _LOG.exception("receiving from %s failed, trying on", self._source.queue_name)
                await asyncio.sleep(backoff.next_s())

    async def _help(self) -> None:
        while await self._take(0, Backoff(0.1, 5.0)):
            pass

    async def _take(self, wait_s: int, backoff: Backoff) -> bool:
        """Receive and have it handled; whether the queue seems to have more."""
        places = await self._concurrency.acquire(self._batching.per_receive)
        size = self._batching.size
        messages: list[Message] = []
        received_at = 0.0
        try:
            messages = await self._source.receive(min(size * places, BATCH), wait_s, backoff)
            received_at = time.monotonic()
            if messages and self._batching.window_s:
                await self._gather(messages, backoff)
        finally:
            batches = [messages[first : first + size] for first in range(0, len(messages), size)]
            self._concurrency.release(places - len(batches))
        for batch in batches:
            task = asyncio.create_task(self._process(batch, received_at))
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)
        is_full = len(messages) >= size * places
        if is_full and len(self._helpers) < RECEIVERS - 1:
            helper = asyncio.create_task(self._help())
            self._helpers.add(helper)
            helper.add_done_callback(self._helpers.discard)
        return is_full

    async def _gather(self, batch: list[Message], backoff: Backoff) -> None:
        """Add what else comes within the window."""
        try:
            await self._fill(batch, backoff)
        except asyncio.CancelledError:
            await self._source.show_again(batch)
            raise

    async def _fill(self, batch: list[Message], backoff: Backoff) -> None:
        """Add messages until the batch or its payload is full or the window is over."""
        deadline = time.monotonic() + self._batching.window_s
        is_busy = len(batch) == BATCH
        payload = sum(map(size_of, batch))
        while (missing := self._batching.size - len(batch)) > 0 and payload < MAX_PAYLOAD_BYTES:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return
            if is_busy:
                more = await self._receive_all(missing, backoff)
            elif left_s >= 1:
                poll_s = min(MAX_WAIT_S, int(left_s))
                more = await self._source.receive(min(missing, BATCH), poll_s, backoff)
            else:  # polls wait for whole seconds: the rest is slept, for one last look
                await asyncio.sleep(left_s)
                more = await self._receive_all(missing, backoff)
            batch += more
            payload += sum(map(size_of, more))
            is_busy = len(more) >= min(missing, BATCH)

    async def _receive_all(self, count: int, backoff: Backoff) -> list[Message]:
        """Return what several receives at once bring, without waiting for more."""
        counts = [min(BATCH, count - begun) for begun in range(0, count, BATCH)][:RECEIVERS]
        answers = await asyncio.gather(
            *(self._source.receive(number, 0, backoff) for number in counts)
        )
        return [message for answer in answers for message in answer]

    async def _process(self, batch: Sequence[Message], received_at: float) -> None:
        try:
            await self._handle(batch, received_at)
        except Exception:
            _LOG.exception("a batch of %s is left to its queue", self._source.queue_name)
        finally:
            self._concurrency.release()
