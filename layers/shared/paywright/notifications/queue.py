"""The queue of notifications: what its messages hold, and when one is shown again."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from paywright.notifications.notify import Received
from paywright.observability import get_logger
from paywright.webhooks.message import Poison, event_of, from_record

_MAX_ENTRIES = 10


def received(record: Mapping[str, Any]) -> Received:
    """The message of one record of an SQS event."""
    try:
        event = event_of(from_record(record))
    except Poison as error:
        return _received(record, error)
    return _received(record, event)


def _received(record: Mapping[str, Any], event: Any) -> Received:
    attempt = int(record["attributes"]["ApproximateReceiveCount"])
    return Received(record["messageId"], record["receiptHandle"], attempt, event)


class NotificationQueue:
    """One SQS queue; the endpoint is AWS_ENDPOINT_URL's, which boto3 reads itself."""

    def __init__(self, url: str, client: Any | None = None) -> None:
        self._url = url
        config = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2})
        self._client = client or boto3.client("sqs", config=config)

    def show_again(self, messages: Mapping[Received, int]) -> None:
        """Hide messages for so many seconds; what the queue does not take, its own timeout does."""
        waiting = iter(messages.items())
        while batch := list(islice(waiting, _MAX_ENTRIES)):
            entries: list[Any] = [
                {
                    "Id": str(number),
                    "ReceiptHandle": message.receipt_handle,
                    "VisibilityTimeout": after_s,
                }
                for number, (message, after_s) in enumerate(batch)
            ]
            try:
                answer = self._client.change_message_visibility_batch(
                    QueueUrl=self._url, Entries=entries
                )
                failed = [entry.get("Code") for entry in answer.get("Failed", ())]
            except (BotoCoreError, ClientError) as error:
                failed = [str(error)]
            if failed:
                get_logger().warning("Notifications come late", extra={"reason": failed})
