"""One event source mapping at work: receive, invoke, delete."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any

from emulator.aws import MAX_WAIT_S
from emulator.backoff import Backoff
from emulator.endpoint import Endpoint, EndpointError
from emulator.invocations import Invoker, InvokeResult, Throttled, UnknownFunction
from emulator.mappings.records import Message, events, failures, record, record_filter
from emulator.template.model import QueueMapping

_LOG = logging.getLogger(__name__)

MAX_CONCURRENCY = 10
"""Invocations at once of a mapping that sets no MaximumConcurrency."""

RECEIVE_SIZE = 10
"""SQS's largest ReceiveMessage and largest batch of deletes."""

_DEFAULT_VISIBILITY_S = 30


class Poller:
    """Feeds one function from one queue.

    A receive is always waiting while fewer than the allowed invocations run. What fails stays in
    the queue until its visibility timeout ends, unless the function changed that timeout itself.
    """

    def __init__(self, mapping: QueueMapping, endpoint: Endpoint, invoker: Invoker) -> None:
        self._mapping = mapping
        self._endpoint = endpoint
        self._invoker = invoker
        self._slots = asyncio.Semaphore(_concurrency(mapping, endpoint))
        self._visibility_s = _visibility_s(mapping, endpoint)
        self._passes = record_filter(mapping.filters)
        self._queue_url: str | None = None
        self._backoff = Backoff(0.1, 5.0)
        self._batches: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Work until cancelled; batches then under way go on, see `drain`."""
        while True:
            await self._slots.acquire()
            try:
                messages = await self._collect()
            except Exception:
                _LOG.exception("receiving from %s failed, trying on", self._mapping.queue_name)
                self._slots.release()
                await asyncio.sleep(self._backoff.next_s())
                continue
            task = asyncio.create_task(self._process(messages))
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)

    async def drain(self, timeout_s: float) -> None:
        """Wait for the batches under way, then give up on them."""
        if self._batches:
            await asyncio.wait(self._batches, timeout=timeout_s)
        for task in self._batches:
            task.cancel()
        await asyncio.gather(*self._batches, return_exceptions=True)

    async def _collect(self) -> list[Message]:
        """Return a batch: at least one message, and what else comes within the window."""
        size, window_s = self._mapping.batch_size, self._mapping.maximum_batching_window_s
        batch: list[Message] = []
        while not batch:
            batch = await self._receive(min(size, RECEIVE_SIZE), MAX_WAIT_S)
        deadline = time.monotonic() + window_s
        try:
            while len(batch) < size and window_s:
                wait_s = deadline - time.monotonic()
                if wait_s <= 0:
                    break
                wanted = min(size - len(batch), RECEIVE_SIZE)
                batch += await self._receive(wanted, min(MAX_WAIT_S, round(wait_s)))
        except asyncio.CancelledError:
            await self._give_back(batch)
            raise
        return batch

    async def _receive(self, count: int, wait_s: int) -> list[Message]:
        """Return what one receive brings; nothing, after a wait, if the endpoint is in trouble."""
        generation = self._endpoint.generation
        sqs = self._endpoint.aws.sqs
        try:
            if self._queue_url is None:
                answer = await sqs.get_queue_url(QueueName=self._mapping.queue_name)
                self._queue_url = answer["QueueUrl"]
            answer = await sqs.receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=count,
                WaitTimeSeconds=wait_s,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        except EndpointError as error:
            await self._endpoint.recover(error, generation, self._backoff)
            return []
        self._endpoint.answered()
        self._backoff.reset()
        messages: list[Message] = answer.get("Messages", [])
        return messages

    async def _process(self, messages: Sequence[Message]) -> None:
        """Invoke the function, and delete what it has done and what the filters keep from it."""
        try:
            by_id = {message["MessageId"]: message for message in messages}
            arn, region = self._mapping.queue_arn, self._endpoint.app.region
            every = [record(message, arn, region) for message in messages]
            passed = [item for item in every if self._passes(item)]
            unwanted = by_id.keys() - {item["messageId"] for item in passed}
            await self._delete([by_id[name] for name in unwanted])
            for ids, payload in events(passed):
                trace_id = by_id[ids[0]].get("Attributes", {}).get("AWSTraceHeader")
                result = await self._invoke(payload, trace_id)
                if result is not None:
                    failed = failures(result, ids, self._mapping.report_batch_item_failures)
                    await self._delete([by_id[name] for name in ids if name not in failed])
        except Exception:
            _LOG.exception("a batch of %s is left to its queue", self._mapping.queue_name)
        finally:
            self._slots.release()

    async def _invoke(self, payload: bytes, trace_id: str | None) -> InvokeResult | None:
        """Return the outcome; None if the function stayed throttled until it was too late.

        Too late is half of the visibility timeout: the rest is the function's to work in.
        """
        backoff = Backoff(0.05, 2.0)
        deadline = time.monotonic() + self._visibility_s / 2
        while True:
            try:
                return await self._invoker.invoke(
                    self._mapping.function, payload, trace_id=trace_id
                )
            except Throttled:
                if time.monotonic() > deadline:
                    return None
                await asyncio.sleep(backoff.next_s())
            except UnknownFunction:
                _LOG.error("%s feeds an unknown function", self._mapping.queue_name)
                return None

    async def _delete(self, messages: Sequence[Message]) -> None:
        await self._in_batches("delete_message_batch", messages, {})

    async def _give_back(self, messages: Sequence[Message]) -> None:
        """Let another receive messages that no function has seen."""
        await self._in_batches(
            "change_message_visibility_batch", messages, {"VisibilityTimeout": 0}
        )

    async def _in_batches(
        self, call: str, messages: Sequence[Message], extra: dict[str, Any]
    ) -> None:
        try:
            for start in range(0, len(messages), RECEIVE_SIZE):
                entries = [
                    {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"], **extra}
                    for number, message in enumerate(messages[start : start + RECEIVE_SIZE])
                ]
                method = getattr(self._endpoint.aws.sqs, call)
                await method(QueueUrl=self._queue_url, Entries=entries)
        except EndpointError as error:
            name = self._mapping.queue_name
            _LOG.warning("%s: %s of %d messages failed: %s", name, call, len(messages), error)


def _concurrency(mapping: QueueMapping, endpoint: Endpoint) -> int:
    """Return how many invocations may run at once; more than the function has would only throttle.

    A throttled batch uses up receives, which would bring healthy messages to the dead-letter queue.
    """
    allowed = mapping.maximum_concurrency or MAX_CONCURRENCY
    function = endpoint.app.functions.get(mapping.function)
    reserved = function.reserved_concurrency if function else None
    return min(allowed, reserved) if reserved else allowed


def _visibility_s(mapping: QueueMapping, endpoint: Endpoint) -> int:
    for queue in endpoint.app.queues:
        if queue.arn == mapping.queue_arn:
            return int(queue.attributes.get("VisibilityTimeout", _DEFAULT_VISIBILITY_S))
    return _DEFAULT_VISIBILITY_S
