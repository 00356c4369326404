"""Long polls: they end with the first message, and swallow none."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from emulator.aws import Aws

WAIT_S = 20


@pytest.fixture
async def aws(aws_endpoint_url: str) -> AsyncIterator[Aws]:
    async with Aws(aws_endpoint_url, "us-east-1") as clients:
        yield clients


@pytest.fixture
async def url(aws: Aws) -> str:
    answer = await aws.queues.call("CreateQueue", {"QueueName": f"poll-{uuid.uuid4().hex}"})
    return str(answer["QueueUrl"])


async def poll(aws: Aws, url: str, **more: Any) -> list[Any]:
    request = {"QueueUrl": url, "WaitTimeSeconds": WAIT_S, "MaxNumberOfMessages": 10, **more}
    answer = await aws.queues.call("ReceiveMessage", request, wait_s=WAIT_S)
    messages: list[Any] = answer.get("Messages", [])
    return messages


async def send(aws: Aws, url: str, *bodies: str, **more: Any) -> None:
    for body in bodies:
        await aws.queues.call("SendMessage", {"QueueUrl": url, "MessageBody": body, **more})


async def test_a_poll_ends_with_the_first_message(aws: Aws, url: str) -> None:
    start = time.monotonic()
    for body in ("one", "two"):
        waiting = asyncio.create_task(poll(aws, url))
        await asyncio.sleep(0.05)
        await send(aws, url, body)
        (message,) = await waiting
        assert message["Body"] == body
    assert time.monotonic() - start < WAIT_S / 2


async def test_a_poll_ends_when_a_delay_or_a_timeout_does(aws: Aws, url: str) -> None:
    await send(aws, url, "late", DelaySeconds=1)
    start = time.monotonic()
    (first,) = await poll(aws, url, VisibilityTimeout=1)
    (second,) = await poll(aws, url)
    assert first["MessageId"] == second["MessageId"]
    assert 1.9 < time.monotonic() - start < WAIT_S / 2


async def test_a_client_that_hung_up_gets_nothing(aws: Aws, url: str) -> None:
    parts = urlsplit(aws.endpoint_url)
    body = json.dumps({"QueueUrl": url, "WaitTimeSeconds": WAIT_S}).encode()
    head = (
        f"POST / HTTP/1.1\r\nhost: {parts.netloc}\r\nx-amz-target: AmazonSQS.ReceiveMessage\r\n"
        f"content-type: application/x-amz-json-1.0\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    for half in (True, False):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(head.encode() + body)
        await writer.drain()
        if half:
            writer.write_eof()  # as the system does for a process that was killed
            await asyncio.sleep(0.05)
        else:
            writer.close()
            await writer.wait_closed()
        there = asyncio.create_task(poll(aws, url, AttributeNames=["ApproximateReceiveCount"]))
        await asyncio.sleep(0.05)
        await send(aws, url, "x")
        (message,) = await there
        assert message["Attributes"]["ApproximateReceiveCount"] == "1"
        handle = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}
        await aws.queues.call("DeleteMessage", handle)
        if half:
            assert b"Messages" not in await reader.read()
            writer.close()


async def test_many_messages_reach_many_receivers_once(aws: Aws, url: str) -> None:
    wanted = {str(number) for number in range(300)}
    got: list[str] = []
    everything = asyncio.Event()

    async def receiver() -> None:
        while True:
            for message in await poll(aws, url):
                got.append(message["Body"])
                if len(got) >= len(wanted):
                    everything.set()

    receivers = [asyncio.create_task(receiver()) for _ in range(8)]
    entries = [{"Id": body, "MessageBody": body} for body in sorted(wanted)]
    for start in range(0, len(entries), 10):
        batch = {"QueueUrl": url, "Entries": entries[start : start + 10]}
        await aws.queues.call("SendMessageBatch", batch)
    async with asyncio.timeout(20):
        await everything.wait()
    for task in receivers:
        task.cancel()
    await asyncio.gather(*receivers, return_exceptions=True)
    assert sorted(got) == sorted(wanted)


async def test_polls_end_with_their_queue(aws: Aws, url: str) -> None:
    waiting = asyncio.create_task(poll(aws, url))
    await asyncio.sleep(0.05)
    await aws.queues.call("DeleteQueue", {"QueueUrl": url})
    with pytest.raises(Exception, match="The specified queue does not exist"):
        await asyncio.wait_for(waiting, WAIT_S / 2)
