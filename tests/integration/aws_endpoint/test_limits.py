"""An endpoint that is full says so to every sender, and goes on once there is room."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from emulator.services import ports
from tests.waiting import eventually

LIMIT = 17 * 1024 * 1024


@contextmanager
def endpoint() -> Iterator[str]:
    port = ports.choose(0)
    settings = {"GATEWAY_PORT": str(port), "SERVICES": "sqs,events", "LOG_LEVEL": "WARNING"}
    settings |= {"SQS_LIMIT_BYTES": str(LIMIT), "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0"}
    process = subprocess.Popen(
        [sys.executable, "-m", "emulator.aws_server"], env={**os.environ, **settings}
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_ministack/ready", timeout=2):
            return True
    except OSError:
        return False


def refusal(call: Any, **request: Any) -> int:
    try:
        call(**request)
    except ClientError as error:
        status: int = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return status
    return 200


async def test_a_full_endpoint() -> None:
    config = Config(retries={"total_max_attempts": 1})
    with endpoint() as url:
        await eventually(lambda: answers(url))
        sqs = boto3.client("sqs", endpoint_url=url, config=config)
        events = boto3.client("events", endpoint_url=url, config=config)
        queue = sqs.create_queue(QueueName="q")["QueueUrl"]
        send = {"QueueUrl": queue, "MessageBody": "x" * 1024 * 1024}
        entries = [{"Source": "s", "DetailType": "t", "Detail": "{}"}]
        assert refusal(events.put_events, Entries=entries) == 200
        assert [refusal(sqs.send_message, **send) for _ in range(18)] == [200] * 17 + [503]
        assert refusal(events.put_events, Entries=entries) == 503, "rather than losing it"
        for _ in range(17):
            (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        assert refusal(sqs.send_message, QueueUrl=queue, MessageBody="x") == 200
        assert refusal(events.put_events, Entries=entries) == 200
