"""Event source mappings against a real queue endpoint."""

from __future__ import annotations

import asyncio
import json
import logging
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from emulator.aws import Aws
from emulator.invocations import InvokeResult, Throttled
from emulator.mappings import start
from emulator.mappings.mappings import warn_of_visibility
from emulator.provision import provision
from emulator.template.model import Application
from tests.integration.emulator_events.conftest import (
    REGION,
    Endpoint,
    ScriptedInvoker,
    bodies,
    depth,
    nothing,
    receive,
)
from tests.waiting import eventually

QUEUE = """
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub "${P}-q"
      VisibilityTimeout: 1
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 2}
  Dead: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${P}-dlq"}}
"""
FUNCTION = """
  Work:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        Queue: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn, %s}}
"""
PARTIAL = QUEUE + FUNCTION % "FunctionResponseTypes: [ReportBatchItemFailures]"
Running = Callable[
    [Application, Callable[[Any], Awaitable[Any]]], AbstractAsyncContextManager[ScriptedInvoker]
]


@pytest.fixture
def running(aws: Aws) -> Running:
    @asynccontextmanager
    async def run(app: Application, function: Callable[[Any], Awaitable[Any]]) -> Any:
        await provision(app, aws)
        invoker = ScriptedInvoker(function)
        mappings = start(app, invoker, aws)
        try:
            yield invoker
        finally:
            await mappings.stop()

    return run


async def send(aws: Aws, app: Application, *texts: str, group: str | None = None) -> None:
    url = (await aws.sqs.get_queue_url(QueueName=app.mappings[0].queue_name))["QueueUrl"]
    for first in range(0, len(texts), 10):
        entries = [
            {"Id": str(number), "MessageBody": text}
            | ({"MessageGroupId": group, "MessageDeduplicationId": text} if group else {})
            for number, text in enumerate(texts[first : first + 10])
        ]
        answer = await aws.sqs.send_message_batch(QueueUrl=url, Entries=entries)
        assert not answer.get("Failed")


def failing(*names: str) -> Callable[[Any], Awaitable[bytes]]:
    async def function(event: Any) -> bytes:
        failed = [r["messageId"] for r in event["Records"] if r["body"] in names]
        return json.dumps(
            {"batchItemFailures": [{"itemIdentifier": name} for name in failed]}
        ).encode()

    return function


async def until_empty(aws: Aws, queue: str) -> None:
    async def is_empty() -> bool:
        return await depth(aws, queue) == 0

    await eventually(is_empty)


async def test_messages_reach_the_function_and_are_deleted(
    aws: Aws, load_app: Callable[[str], Application], running: Running
) -> None:
    app = load_app(PARTIAL)
    async with running(app, nothing) as invoker:
        await send(aws, app, "a", "b", "c")
        await invoker.until(lambda events: sum(len(e["Records"]) for e in events) == 3)
        await until_empty(aws, app.mappings[0].queue_name)
    (record, *_) = invoker.events[0]["Records"]
    assert record["eventSourceARN"] == app.mappings[0].queue_arn
    assert record["attributes"].keys() >= {
        "ApproximateReceiveCount",
        "SentTimestamp",
        "SenderId",
        "ApproximateFirstReceiveTimestamp",
    }
    assert await depth(aws, app.mappings[0].queue_name.replace("-q", "-dlq")) == 0


async def test_a_failed_item_comes_back_and_ends_in_the_dead_letter_queue(
    aws: Aws, load_app: Callable[[str], Application], running: Running
) -> None:
    app = load_app(PARTIAL)  # esm-05, esm-13
    async with running(app, failing("b")) as invoker:
        await send(aws, app, "a", "b", "c")
        await invoker.until(lambda events: sum("b" in bodies(e) for e in events) == 2)
        (dead,) = await receive(aws, app.mappings[0].queue_name.replace("-q", "-dlq"))
    seen = [r for event in invoker.events for r in event["Records"]]
    assert sorted(r["body"] for r in seen) == ["a", "b", "b", "c"]
    tries = [r for r in seen if r["body"] == "b"]
    assert [r["attributes"]["ApproximateReceiveCount"] for r in tries] == ["1", "2"]
    assert dead["MessageId"] == tries[0]["messageId"]
    assert tries[0]["receiptHandle"] != tries[1]["receiptHandle"]  # sqs-01


async def test_a_function_that_raises_sends_good_and_bad_to_the_dead_letter_queue(
    aws: Aws, load_app: Callable[[str], Application], running: Running
) -> None:
    async def raises(_event: Any) -> None:
        raise ArithmeticError

    app = load_app(QUEUE + FUNCTION % "BatchSize: 10")  # esm-11
    found: set[str] = set()
    async with running(app, raises):
        await send(aws, app, "good", "bad")
        async with asyncio.timeout(15):
            while found != {"good", "bad"}:
                dead = await receive(aws, app.mappings[0].queue_name.replace("-q", "-dlq"))
                found |= {message["Body"] for message in dead}


async def test_the_function_may_change_a_messages_visibility_itself(
    aws: Aws, load_app: Callable[[str], Application], running: Running
) -> None:
    app = load_app(PARTIAL.replace("VisibilityTimeout: 1", "VisibilityTimeout: 60"))
    url = ""

    async def function(event: Any) -> bytes:
        (record,) = event["Records"]
        if record["attributes"]["ApproximateReceiveCount"] == "2":
            return b"null"
        handle = record["receiptHandle"]
        await aws.sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=1
        )
        return await failing("a")(event)

    async with running(app, function) as invoker:
        url = (await aws.sqs.get_queue_url(QueueName=app.mappings[0].queue_name))["QueueUrl"]
        await send(aws, app, "a")
        await invoker.until(lambda events: len(events) == 2)
    assert 0.9 < invoker.times[1] - invoker.times[0] < 30


async def test_fifo_keeps_order_within_a_group(
    aws: Aws, load_app: Callable[[str], Application], running: Running
) -> None:
    fifo = PARTIAL.replace("-q", "-q.fifo").replace("-dlq", "-dlq.fifo")  # esm-15
    fifo = fifo.replace("VisibilityTimeout: 1", "VisibilityTimeout: 1\n      FifoQueue: true")
    fifo = fifo.replace('-dlq.fifo"', '-dlq.fifo", FifoQueue: true')
    app = load_app(fifo)
    seen: dict[str, int] = {}

    async def function(event: Any) -> bytes:
        failed = []
        for text in bodies(event):
            seen[text] = seen.get(text, 0) + 1
            if text == "4" or (text in "23" and seen[text] == 1):
                failed.append(text)
        return await failing(*failed)(event)

    async with running(app, function) as invoker:
        await send(aws, app, "1", "2", "3", "4", group="g")
        await invoker.until(lambda events: len(events) == 2)
        (dead,) = await receive(aws, app.mappings[0].queue_name.replace("-q.", "-dlq."))
    assert [bodies(event) for event in invoker.events] == [["1", "2", "3", "4"], ["2", "3", "4"]]
    assert dead["Body"] == "4"
    assert invoker.events[0]["Records"][0]["attributes"]["MessageGroupId"] == "g"


async def test_fifo_groups_run_in_parallel(
    aws: Aws, load_app: Callable[[str], Application], running: Running
) -> None:
    fifo = PARTIAL.replace("-q", "-q.fifo").replace("-dlq", "-dlq.fifo")
    fifo = fifo.replace("VisibilityTimeout: 1", "VisibilityTimeout: 30\n      FifoQueue: true")
    fifo = fifo.replace('-dlq.fifo"', '-dlq.fifo", FifoQueue: true')
    app = load_app(fifo)
    both = asyncio.Barrier(2)

    async def function(_event: Any) -> bytes:
        await both.wait()
        return b"null"

    async with running(app, function) as invoker:
        await send(aws, app, "a", group="one")
        await invoker.until(lambda events: len(events) == 1)
        await send(aws, app, "b", group="two")
        await invoker.until(lambda events: len(events) == 2)
        await until_empty(aws, app.mappings[0].queue_name)


async def test_maximum_concurrency_is_kept_and_used(
    aws: Aws, load_app: Callable[[str], Application], running: Running
) -> None:
    app = load_app(QUEUE + FUNCTION % "BatchSize: 1, ScalingConfig: {MaximumConcurrency: 3}")
    running_now, most = 0, 0

    async def function(_event: Any) -> bytes:
        nonlocal running_now, most
        running_now += 1
        most = max(most, running_now)
        await asyncio.sleep(0.05)
        running_now -= 1
        return b"null"

    async with running(app, function) as invoker:
        await send(aws, app, *[str(number) for number in range(12)])
        await invoker.until(lambda events: len(events) == 12)
    assert most == 3


async def test_a_batching_window_gathers_more_than_one_receive_gives(
    aws: Aws, load_app: Callable[[str], Application], running: Running
) -> None:
    queue = QUEUE.replace("VisibilityTimeout: 1", "VisibilityTimeout: 60")
    app = load_app(queue + FUNCTION % "BatchSize: 25, MaximumBatchingWindowInSeconds: 20")
    async with running(app, nothing) as invoker:
        await send(aws, app, *[str(number) for number in range(25)])
        await invoker.until(bool)
    assert len(invoker.events[0]["Records"]) == 25


async def test_a_window_ends_with_what_there_is(
    aws: Aws, load_app: Callable[[str], Application], running: Running
) -> None:
    queue = QUEUE.replace("VisibilityTimeout: 1", "VisibilityTimeout: 60")
    app = load_app(queue + FUNCTION % "BatchSize: 25, MaximumBatchingWindowInSeconds: 1")
    async with running(app, nothing) as invoker:
        began = time.perf_counter()
        await send(aws, app, "only")
        await invoker.until(bool)
        assert 0.9 < time.perf_counter() - began < 15


async def test_what_a_filter_keeps_out_is_deleted(
    aws: Aws, load_app: Callable[[str], Application], running: Running
) -> None:
    filters = 'FilterCriteria: {Filters: [{Pattern: \'{"body": {"kind": ["good"]}}\'}]}'
    app = load_app(QUEUE + FUNCTION % filters)  # esm-25
    async with running(app, nothing) as invoker:
        await send(aws, app, '{"kind": "bad"}', "not JSON", '{"kind": "good"}')
        await until_empty(aws, app.mappings[0].queue_name)
    assert [text for event in invoker.events for text in bodies(event)] == ['{"kind": "good"}']
    assert await depth(aws, app.mappings[0].queue_name.replace("-q", "-dlq")) == 0


async def test_throttling_loses_nothing_and_counts_no_receive(
    aws: Aws, load_app: Callable[[str], Application]
) -> None:
    app = load_app(PARTIAL.replace("VisibilityTimeout: 1", "VisibilityTimeout: 60"))
    await provision(app, aws)

    class Busy(ScriptedInvoker):
        refusals = 3

        async def invoke(
            self, function: str, payload: bytes, *, trace_id: str | None = None
        ) -> InvokeResult:
            if self.refusals:
                self.refusals -= 1
                raise Throttled("busy")
            return await super().invoke(function, payload, trace_id=trace_id)

    invoker = Busy(nothing)
    mappings = start(app, invoker, aws)
    await send(aws, app, "a")
    await invoker.until(lambda events: len(events) == 1)
    await mappings.stop()
    (record,) = invoker.events[0]["Records"]
    assert record["attributes"]["ApproximateReceiveCount"] == "1"


async def test_a_message_throttled_for_too_long_goes_back_to_its_queue(
    aws: Aws, load_app: Callable[[str], Application]
) -> None:
    app = load_app(PARTIAL)
    await provision(app, aws)

    class BusyAtFirst(ScriptedInvoker):
        async def invoke(
            self, function: str, payload: bytes, *, trace_id: str | None = None
        ) -> InvokeResult:
            (record,) = json.loads(payload)["Records"]
            if record["attributes"]["ApproximateReceiveCount"] == "1":
                raise Throttled("busy")
            return await super().invoke(function, payload, trace_id=trace_id)

    invoker = BusyAtFirst(nothing)
    mappings = start(app, invoker, aws)
    await send(aws, app, "a")
    await invoker.until(lambda events: len(events) == 1)
    await until_empty(aws, app.mappings[0].queue_name)
    await mappings.stop()
    assert bodies(invoker.events[0]) == ["a"]


def test_a_queue_that_aws_would_not_map_is_told(
    load_app: Callable[[str], Application], caplog: pytest.LogCaptureFixture
) -> None:
    app = load_app(PARTIAL)
    warn_of_visibility(app)
    assert "visibility timeout: 1 seconds is less than Function timeout: 3" in caplog.text
    caplog.clear()
    warn_of_visibility(load_app(PARTIAL.replace("VisibilityTimeout: 1", "VisibilityTimeout: 3")))
    assert caplog.text == ""


async def test_an_endpoint_that_dies_and_comes_back_empty(
    own_endpoint: Endpoint,
    load_app: Callable[[str], Application],
    caplog: pytest.LogCaptureFixture,
) -> None:
    second = PARTIAL.replace("Queue:\n    Type", "Other:\n    Type").replace("-q", "-other-q")
    second = second.replace("Work:", "Also:").replace("Queue.Arn", "Other.Arn")
    app = load_app(PARTIAL + second.replace("  Dead: {", "  Unused: {").replace("-dlq", "-other"))
    caplog.set_level(logging.INFO, logger="emulator")

    async def is_missed() -> bool:
        return "the AWS endpoint fails" in caplog.text

    async def has_all_queues() -> bool:
        return len((await aws.sqs.list_queues()).get("QueueUrls", [])) == len(app.queues)

    async with Aws(own_endpoint.url, REGION) as aws:
        await provision(app, aws)
        invoker = ScriptedInvoker(nothing)
        mappings = start(app, invoker, aws)
        await send(aws, app, "before")
        await invoker.until(lambda events: len(events) == 1)
        own_endpoint.kill()
        await eventually(is_missed)
        await asyncio.to_thread(own_endpoint.start)
        await eventually(has_all_queues)
        await send(aws, app, "after")
        await invoker.until(lambda events: len(events) == 2)
        await mappings.stop()
    assert caplog.text.count("the AWS endpoint fails") == 1
    assert caplog.text.count("is back") == 1
    assert caplog.text.count("making what the template declares") == 1


async def test_a_stopped_mapping_leaves_no_receive_behind(
    aws: Aws, load_app: Callable[[str], Application], running: Running
) -> None:
    app = load_app(PARTIAL.replace("VisibilityTimeout: 1", "VisibilityTimeout: 60"))
    async with running(app, nothing) as invoker:
        await send(aws, app, "a")
        await invoker.until(lambda events: len(events) == 1)
        await until_empty(aws, app.mappings[0].queue_name)
    await send(aws, app, "b")
    (message,) = await receive(aws, app.mappings[0].queue_name)
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"


async def test_an_idle_queue_wakes_its_function_at_once(
    aws: Aws, load_app: Callable[[str], Application], running: Running
) -> None:
    app = load_app(PARTIAL)
    waits: list[float] = []
    calls: list[float] = []
    async with running(app, nothing) as invoker:
        for number in range(20):
            await asyncio.sleep(0.03)  # the queue is to be idle, its long poll waiting
            began = time.perf_counter()
            await send(aws, app, str(number))
            calls.append(time.perf_counter() - began)
            await invoker.until(lambda events: len(events) == len(waits) + 1)
            waits.append(invoker.times[-1] - began)
    # A long poll that looks ten times a second takes 50 ms. On a busy machine sending is slow too.
    assert statistics.median(waits) < 5 * statistics.median(calls) + 0.015
