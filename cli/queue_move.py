"""Brings dead letters back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cli.aws import error_code, told
from cli.errors import Failure
from cli.queues import Queues, Ref

Tell = Callable[[int, int | None], None]
"""Hears how many are moved, and how many there are to move as far as it is known."""

_HIDDEN_S = 60
_BATCH = 10
_LOOK_EVERY_S = 0.25
_LIMIT_S = 36 * 3600.0
"""How long AWS lets a move take."""
_NOT_THERE = frozenset({"UnsupportedOperation", "InvalidAction", "UnknownOperationException"})


def redrive(queues: Queues, source: Ref, target: Ref | None, limit: int | None, tell: Tell) -> int:
    """Move what is visible in `source`, to `target` or where it came from; how many were moved.

    AWS moves all by itself where it can; a limit, or an endpoint without that call, has each
    message sent before it is deleted: what is interrupted loses nothing.
    """
    if source == target:
        raise Failure(f"{source.name} cannot be brought back to itself.")
    origins = [queue for queue in queues.states() if queue.dead_letter_queue == source.name]
    if target is None and not origins:
        raise Failure(
            f"{source.name} takes no queue's dead letters: say with --to where to move them."
        )
    if limit is None and origins:
        moved = _moved_by_aws(queues, source, target, tell)
        if moved is not None:
            return moved
    sole = queues.find(origins[0].name) if len(origins) == 1 else None
    return _Mover(queues, source, target, sole).move(limit, tell)


def _moved_by_aws(queues: Queues, source: Ref, target: Ref | None, tell: Tell) -> int | None:
    """Have the service move them, or watch the move that runs already; None if it cannot."""
    arn = queues.describe(source).arn
    request = {"SourceArn": arn}
    if target is not None:
        request["DestinationArn"] = queues.describe(target).arn
    try:
        task = _latest(queues, arn)
        if task is None or task["Status"] != "RUNNING":
            with told():
                queues.sqs.start_message_move_task(**request)
    except Failure as failure:
        if error_code(failure) in _NOT_THERE:
            return None
        raise
    deadline = time.monotonic() + _LIMIT_S
    while time.monotonic() < deadline:
        task = _latest(queues, arn) or {}
        moved = int(task.get("ApproximateNumberOfMessagesMoved", 0))
        tell(moved, task.get("ApproximateNumberOfMessagesToMove"))
        status = task.get("Status")
        if status == "COMPLETED":
            return moved
        if status != "RUNNING":
            reason = task.get("FailureReason", status)
            if reason == "CouldNotDetermineMessageSource":
                raise Failure(
                    f"{moved} messages were moved. A message was sent to {source.name} itself, so "
                    "that nobody knows where it would go back to: say where with --to."
                )
            raise Failure(f"The move ended after {moved} messages: {reason}.")
        time.sleep(_LOOK_EVERY_S)
    raise Failure(f"The move from {source.name} has not ended after 36 hours.")


def _latest(queues: Queues, arn: str) -> dict[str, Any] | None:
    with told():
        answer = queues.sqs.list_message_move_tasks(SourceArn=arn, MaxResults=1)
    return next(iter(answer.get("Results", [])), None)


class _Mover:
    """Moves messages one batch after the other: receive, send, delete."""

    def __init__(
        self, queues: Queues, source: Ref, target: Ref | None, sole_origin: Ref | None
    ) -> None:
        self._queues = queues
        self._source = source
        self._target = target
        self._sole_origin = sole_origin

    def move(self, limit: int | None, tell: Tell) -> int:
        """Move what is there now; what fails again and comes back meanwhile is left there."""
        visible = self._queues.describe(self._source).visible
        total = visible if limit is None else min(limit, visible)
        moved = 0
        tell(moved, total)
        while moved < total:
            with told():
                answer = self._queues.sqs.receive_message(
                    QueueUrl=self._source.url,
                    MaxNumberOfMessages=min(_BATCH, total - moved),
                    VisibilityTimeout=_HIDDEN_S,
                    WaitTimeSeconds=1,
                    MessageSystemAttributeNames=["All"],
                    MessageAttributeNames=["All"],
                )
            messages = answer.get("Messages", [])
            if not messages:
                break
            moved += self._bring_back(messages)
            tell(moved, total)
        return moved

    def _bring_back(self, messages: Sequence[Mapping[str, Any]]) -> int:
        """Send and delete a batch; Failure, with the rest visible again, if one is refused."""
        by_target: dict[str, list[Mapping[str, Any]]] = {}
        done: list[Mapping[str, Any]] = []
        refusals: list[str] = []
        try:
            for message in messages:
                by_target.setdefault(self._url_for(message), []).append(message)
            for url, batch in by_target.items():
                entries = [_entry(n, item, url) for n, item in enumerate(batch)]
                with told():
                    answer = self._queues.sqs.send_message_batch(QueueUrl=url, Entries=entries)
                done += [batch[int(sent["Id"])] for sent in answer.get("Successful", [])]
                refusals += [str(item.get("Message")) for item in answer.get("Failed", [])]
        finally:
            self._delete(done)
            self._release([message for message in messages if message not in done])
        if refusals:
            name = self._source.name
            raise Failure(f"{len(refusals)} messages stay in {name}: {refusals[0].rstrip('.')}.")
        return len(done)

    def _url_for(self, message: Mapping[str, Any]) -> str:
        if self._target is not None:
            return self._target.url
        arn = message["Attributes"].get("DeadLetterQueueSourceArn")
        if arn:
            return self._queues.find(arn).url
        if self._sole_origin is None:
            raise Failure(
                f"A message of {self._source.name} does not tell where it came from: say with --to "
                "where to move it."
            )
        return self._sole_origin.url

    def _delete(self, messages: Sequence[Mapping[str, Any]]) -> None:
        if messages:
            entries = [
                {"Id": str(n), "ReceiptHandle": item["ReceiptHandle"]}
                for n, item in enumerate(messages)
            ]
            with told():
                answer = self._queues.sqs.delete_message_batch(
                    QueueUrl=self._source.url, Entries=entries
                )
            if answer.get("Failed"):
                raise Failure(f"Messages were moved and could not be deleted: {answer['Failed']}.")

    def _release(self, messages: Sequence[Mapping[str, Any]]) -> None:
        if messages:
            entries = [
                {"Id": str(n), "ReceiptHandle": item["ReceiptHandle"], "VisibilityTimeout": 0}
                for n, item in enumerate(messages)
            ]
            with told():
                self._queues.sqs.change_message_visibility_batch(
                    QueueUrl=self._source.url, Entries=entries
                )


def _entry(number: int, message: Mapping[str, Any], target_url: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"Id": str(number), "MessageBody": message["Body"]}
    attributes = message["Attributes"]
    if message.get("MessageAttributes"):
        entry["MessageAttributes"] = message["MessageAttributes"]
    if "AWSTraceHeader" in attributes:
        trace = {"DataType": "String", "StringValue": attributes["AWSTraceHeader"]}
        entry["MessageSystemAttributes"] = {"AWSTraceHeader": trace}
    if target_url.endswith(".fifo"):
        # Its first deduplication id may still be remembered, and would swallow it. Its id is new
        # for this stay among the dead letters, and the same when an interrupted move is repeated.
        entry["MessageGroupId"] = attributes.get("MessageGroupId", message["MessageId"])
        entry["MessageDeduplicationId"] = message["MessageId"]
    return entry
