"""The delivery queue: tells SQS when to show a message again."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from paywright.observability import get_logger
from paywright.webhooks.message import Message

_MAX_ENTRIES = 10


class DeliveryQueue:
    """One SQS queue; the endpoint is AWS_ENDPOINT_URL's, which boto3 reads itself."""

    def __init__(self, url: str, client: Any | None = None) -> None:
        self._url = url
        self._client = client or _sqs()

    def show_again(self, messages: Mapping[Message, int]) -> None:
        """Hide messages for so many seconds; what the queue does not take, its own timeout does."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see _sqs

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
            except (BotoCoreError, ClientError) as error:
                get_logger().warning("Retries come late", extra={"reason": str(error)})
            else:
                if failed := answer.get("Failed"):
                    codes = [entry.get("Code") for entry in failed]
                    get_logger().warning("Retries come late", extra={"reason": codes})


def _sqs() -> Any:
    # A quarter of a cold start, and 10 MB: only where something has to come later.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    config = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2})
    return boto3.client("sqs", config=config)
