"""Hands batches of messages to a function, and deletes what the function has done."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence

from emulator.backoff import Backoff
from emulator.invocations import Invoker, InvokeResult, Throttled, UnknownFunction
from emulator.mappings.concurrency import Concurrency
from emulator.mappings.records import Encoded, encode, failures, first_event, record, record_filter
from emulator.mappings.source import Message, Source
from emulator.template.model import QueueMapping

_LOG = logging.getLogger(__name__)


class FunctionConsumer:
    """The consumer at the end of one event source mapping.

    What fails stays in the queue until its visibility timeout ends, unless the function changed
    that timeout itself. `patience_s` is how long after its receive a batch may be handed over.
    """

    def __init__(
        self,
        mapping: QueueMapping,
        source: Source,
        invoker: Invoker,
        concurrency: Concurrency,
        *,
        region: str,
        patience_s: float,
    ) -> None:
        self._mapping = mapping
        self._source = source
        self._invoker = invoker
        self._concurrency = concurrency
        self._region = region
        self._patience_s = patience_s
        self._passes = record_filter(mapping.filters)

    async def handle(self, messages: Sequence[Message], received_at: float) -> None:
        """Invoke the function, once unless the batch is over 6 MB; delete what need not return."""
        deadline = received_at + self._patience_s
        by_id = {message["MessageId"]: message for message in messages}
        every = [record(message, self._mapping.queue_arn, self._region) for message in messages]
        waiting = [encode(item) for item in every if self._passes(item)]
        unwanted = by_id.keys() - {item.message_id for item in waiting}
        self._source.delete(by_id[name] for name in unwanted)
        while waiting:
            payload, count = first_event(waiting)
            part, waiting = waiting[:count], waiting[count:]
            failed = await self._invoke(payload, part, by_id, deadline)
            self._source.delete(
                by_id[item.message_id] for item in part if item.message_id not in failed
            )
            # Behind a failed message its group waits; messages of no group wait for nothing.
            stopped = {item.group for item in part if item.message_id in failed} - {None}
            waiting = [item for item in waiting if item.group not in stopped]
            if time.monotonic() > deadline:
                return  # the rest may be visible again before a function is done with it

    async def _invoke(
        self,
        payload: bytes,
        part: Sequence[Encoded],
        messages: Mapping[str, Message],
        deadline: float,
    ) -> set[str]:
        """Return the ids of what the function has not done."""
        ids = [item.message_id for item in part]
        trace_id = messages[ids[0]].get("Attributes", {}).get("AWSTraceHeader")
        result = await self._offer(payload, trace_id, deadline)
        if result is None:
            return set(ids)
        is_partial = self._mapping.report_batch_item_failures
        # Source: Lambda Developer Guide, "Implementing partial batch responses": with them, a
        # function's failures do not slow its polling down.
        if result.function_error is None or is_partial:
            self._concurrency.succeeded()
        else:
            self._concurrency.failed()
        return failures(result, ids, is_partial)

    async def _offer(
        self, payload: bytes, trace_id: str | None, deadline: float
    ) -> InvokeResult | None:
        """Return the outcome; None if the function stayed throttled until the deadline."""
        backoff = Backoff(0.05, 2.0)
        while True:
            try:
                return await self._invoker.invoke(
                    self._mapping.function, payload, trace_id=trace_id
                )
            except Throttled:
                self._concurrency.failed()
                wait_s = backoff.next_s()
                if time.monotonic() + wait_s > deadline:
                    return None
                await asyncio.sleep(wait_s)
            except UnknownFunction:
                _LOG.error("%s feeds an unknown function", self._mapping.queue_name)
                return None
