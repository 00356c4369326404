"""One queue as its consumers see it: receive, delete, have again later."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from emulator.aws import error_code
from emulator.backoff import Backoff
from emulator.endpoint import Endpoint, EndpointError, is_missing, is_refusal

_LOG = logging.getLogger(__name__)

Message = Mapping[str, Any]
"""A message as SQS's ReceiveMessage gives it in JSON: binary attributes are in base64."""

BATCH = 10
"""SQS's largest ReceiveMessage and largest batch of deletes."""

_DELETES_AT_ONCE = 4


class Source:
    """A queue of the endpoint, by name; it is looked for when it is first needed.

    Messages to delete gather behind a delete that is under way, so that many small batches make
    few full ones and a single one waits for nothing.
    """

    def __init__(self, queue_name: str, endpoint: Endpoint) -> None:
        self.queue_name = queue_name
        self._endpoint = endpoint
        self._url: str | None = None
        self._handled: deque[Message] = deque()
        self._deleting: set[asyncio.Task[None]] = set()

    async def receive(self, count: int, wait_s: int, backoff: Backoff) -> list[Message]:
        """Return what one receive brings; nothing, after a wait, if the endpoint is in trouble."""
        generation = self._endpoint.generation
        request = {
            "MaxNumberOfMessages": count,
            "WaitTimeSeconds": wait_s,
            "MessageSystemAttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        }
        try:
            answer = await self._call("ReceiveMessage", request, wait_s=wait_s)
        except EndpointError as error:
            await self._endpoint.recover(error, generation, backoff)
            return []
        self._endpoint.answered()
        backoff.reset()
        messages: list[Message] = answer.get("Messages", [])
        return messages

    def delete(self, messages: Iterable[Message]) -> None:
        """Have messages deleted that need not come again."""
        self._handled.extend(messages)
        running = len(self._deleting)
        if self._handled and running < min(_DELETES_AT_ONCE, 1 + len(self._handled) // BATCH):
            task = asyncio.create_task(self._delete_all())
            self._deleting.add(task)
            task.add_done_callback(self._deleting.discard)

    async def show_again(self, messages: Sequence[Message], delay_s: int = 0) -> None:
        """Let messages be received again after `delay_s`; they stay hidden longer if that fails."""
        more = {"VisibilityTimeout": delay_s}
        for start in range(0, len(messages), BATCH):
            entries = _entries(messages[start : start + BATCH], more)
            try:
                await self._call("ChangeMessageVisibilityBatch", {"Entries": entries})
            except EndpointError as error:
                _LOG.info("%s: messages come again later than meant: %s", self.queue_name, error)
                return

    async def drain(self, timeout_s: float) -> None:
        """Wait for the deletes under way, then give up on them."""
        if self._deleting:
            await asyncio.wait(self._deleting, timeout=timeout_s)
        for task in self._deleting:
            task.cancel()
        await asyncio.gather(*self._deleting, return_exceptions=True)

    async def _delete_all(self) -> None:
        """Delete what is handled; the endpoint's being away only delays it."""
        backoff = Backoff(0.1, 5.0)
        while self._handled:
            batch = [self._handled.popleft() for _ in range(min(BATCH, len(self._handled)))]
            generation = self._endpoint.generation
            try:
                request = {"Entries": _entries(batch, {})}
                answer = await self._call("DeleteMessageBatch", request)
            except EndpointError as error:
                if is_missing(error) or is_refusal(error):
                    self._note(len(batch), error_code(error))
                else:
                    self._handled.extendleft(reversed(batch))
                    await self._endpoint.recover(error, generation, backoff)
                continue
            failed = answer.get("Failed", ())
            again = [batch[int(item["Id"])] for item in failed if not item.get("SenderFault")]
            if len(again) < len(failed):
                self._note(len(failed) - len(again), str(failed[0].get("Code")))
            if again:
                self._handled.extend(again)
                await asyncio.sleep(backoff.next_s())
            else:
                backoff.reset()

    def _note(self, count: int, code: str) -> None:
        """Tell of receipts that are no good: the message was slow, or somebody deleted it."""
        reason = f"what is left of them comes again: {code}"
        _LOG.info("%s: %d handled messages not deleted, %s", self.queue_name, count, reason)

    async def _call(
        self, action: str, parameters: Mapping[str, Any], *, wait_s: float = 0
    ) -> dict[str, Any]:
        queues = self._endpoint.aws.queues
        if self._url is None:
            answer = await queues.call("GetQueueUrl", {"QueueName": self.queue_name})
            self._url = str(answer["QueueUrl"])
        return await queues.call(action, {"QueueUrl": self._url, **parameters}, wait_s=wait_s)


def _entries(messages: Sequence[Message], more: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"], **more}
        for number, message in enumerate(messages)
    ]
