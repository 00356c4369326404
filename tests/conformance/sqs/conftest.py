"""A client of the run's SQS, and queues of a test's own."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config

MakeQueue = Callable[..., str]


@pytest.fixture(scope="session")
def sqs(aws_endpoint_url: str) -> Any:
    """boto3 against the run's endpoint; it verifies the MD5 sums of all it gets."""
    config = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
    return boto3.client("sqs", endpoint_url=aws_endpoint_url, config=config)


@pytest.fixture
def queue(sqs: Any) -> MakeQueue:
    """Makes queues: `queue()`, `queue(fifo=True, VisibilityTimeout=1)`; returns the URL."""

    def make(*, fifo: bool = False, **attributes: object) -> str:
        values = {name: str(value) for name, value in attributes.items()}
        if fifo:
            values["FifoQueue"] = "true"
        name = f"q-{uuid.uuid4().hex}{'.fifo' if fifo else ''}"
        url: str = sqs.create_queue(QueueName=name, Attributes=values)["QueueUrl"]
        return url

    return make


def arn_of(url: str) -> str:
    """The ARN of a queue of this worker's account."""
    account, name = url.split("/")[-2:]
    return f"arn:aws:sqs:{os.environ['AWS_DEFAULT_REGION']}:{account}:{name}"


def receive(sqs: Any, url: str, **more: Any) -> list[Any]:
    """What one receive brings, with all attributes."""
    request = {
        "QueueUrl": url,
        "MaxNumberOfMessages": 10,
        "MessageSystemAttributeNames": ["All"],
        "MessageAttributeNames": ["All"],
        **more,
    }
    messages: list[Any] = sqs.receive_message(**request).get("Messages", [])
    return messages
