"""The dead-letter queue: what cannot be delivered, each with the reason why.

A message's attributes are named as EventBridge names its dead letters' (EventBridge User Guide,
"Using dead-letter queues to process undelivered events").
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from paywright.observability import get_logger

_LONGEST_REASON = 1_000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message's body with what is wrong with it."""

    body: str
    code: Literal["UNREADABLE", "RETRIES_EXHAUSTED"]
    reason: str
    attributes: tuple[tuple[str, str], ...] = ()


class DeadLetters:
    """One SQS queue; the endpoint is AWS_ENDPOINT_URL's, which boto3 reads itself."""

    def __init__(self, url: str, client: Any | None = None) -> None:
        self._url = url
        self._given_client = client

    def put(self, letter: DeadLetter) -> bool:
        """Put a message there; False where the queue is away or refuses, which the log tells of."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see _client

        told = {
            "ERROR_CODE": letter.code,
            "ERROR_MESSAGE": letter.reason[:_LONGEST_REASON] or letter.code,
            **dict(letter.attributes),
        }
        attributes = {
            name: {"DataType": "String", "StringValue": text} for name, text in told.items()
        }
        try:
            self._client.send_message(
                QueueUrl=self._url, MessageBody=letter.body, MessageAttributes=attributes
            )
        except (BotoCoreError, ClientError) as error:
            refuses = isinstance(error, ClientError)
            get_logger().warning(
                f"The dead-letter queue {'refuses' if refuses else 'is away'}; trying again later",
                extra={"queue": self._url, "reason": str(error)},
            )
            return False
        return True

    @cached_property
    def _client(self) -> Any:
        # A quarter of a cold start, and 10 MB: only where something goes wrong for good.
        if self._given_client is not None:
            return self._given_client
        import boto3  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415

        config = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2})
        return boto3.client("sqs", config=config)
