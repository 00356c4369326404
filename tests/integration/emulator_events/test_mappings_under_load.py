"""Event source mappings with much to do, and with an endpoint that fails."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator.aws import Aws
from emulator.mappings import start
from emulator.mappings.poller import RECEIVERS
from emulator.mappings.records import MAX_PAYLOAD_BYTES
from emulator.provision import provision
from emulator.template.model import Application
from tests.integration.emulator_events.conftest import (
    REGION,
    Endpoint,
    ScriptedInvoker,
    bodies,
    depth,
    nothing,
)
from tests.waiting import eventually

LoadApp = Callable[[str], Application]

APP = """
  Queue:
    Type: AWS::SQS::Queue
    Properties: {QueueName: !Sub "${P}-q", VisibilityTimeout: 60}
  Work:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        Queue: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn, %s}}
"""
FIFO = APP.replace("-q", "-q.fifo").replace("VisibilityTimeout: 60", "FifoQueue: true, %s")


class Counted:
    """Counts the calls to the endpoint by action, and how many of one run at the same time."""

    def __init__(self, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self._now: Counter[str] = Counter()
        self._call = aws.queues.call
        monkeypatch.setattr(aws.queues, "call", self.call)

    async def call(self, action: str, parameters: Any, *, wait_s: float = 0) -> Any:
        self.calls[action] += 1
        self._now[action] += 1
        self.most[action] = max(self.most[action], self._now[action])
        try:
            return await self._call(action, parameters, wait_s=wait_s)
        finally:
            self._now[action] -= 1


async def fill(aws: Aws, app: Application, entries: list[dict[str, Any]]) -> None:
    url = (await aws.sqs.get_queue_url(QueueName=app.queues[0].name))["QueueUrl"]
    for first in range(0, len(entries), 10):
        batch = [{"Id": str(n), **entry} for n, entry in enumerate(entries[first : first + 10])]
        answer = await aws.queues.call("SendMessageBatch", {"QueueUrl": url, "Entries": batch})
        assert not answer.get("Failed")


def texts(count: int, size: int = 1) -> list[dict[str, Any]]:
    return [{"MessageBody": f"{number:05}" * size} for number in range(count)]


async def until_empty(aws: Aws, app: Application) -> None:
    async def is_empty() -> bool:
        return await depth(aws, app.queues[0].name) == 0

    await eventually(is_empty)


async def test_an_idle_queue_has_one_receiver_and_a_full_one_several(
    aws: Aws, load_app: LoadApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = load_app(APP % "BatchSize: 10")
    await provision(app, aws)
    await fill(aws, app, texts(300))
    counted = Counted(aws, monkeypatch)
    invoker = ScriptedInvoker(nothing)
    mappings = start(app, invoker, aws)
    await until_empty(aws, app)
    assert 1 < counted.most["ReceiveMessage"] <= RECEIVERS
    assert Counter(text for event in invoker.events for text in bodies(event)) == Counter(
        f"{number:05}" for number in range(300)
    )
    counted.most.clear()
    await fill(aws, app, texts(1))
    await until_empty(aws, app)
    assert counted.most["ReceiveMessage"] <= 1
    await mappings.stop()


async def test_deletes_of_single_messages_are_gathered(
    aws: Aws, load_app: LoadApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = load_app(APP % "BatchSize: 1")
    await provision(app, aws)
    await fill(aws, app, texts(100))
    counted = Counted(aws, monkeypatch)
    mappings = start(app, ScriptedInvoker(nothing), aws)
    await until_empty(aws, app)
    await mappings.stop()
    assert 10 <= counted.calls["DeleteMessageBatch"] < 90


async def test_a_large_batch_ends_at_6_mb(aws: Aws, load_app: LoadApp) -> None:
    app = load_app(APP % "BatchSize: 10000, MaximumBatchingWindowInSeconds: 20")
    await provision(app, aws)
    await fill(aws, app, texts(100, size=16_000))  # 80 KB each: 8 MB
    sizes: list[int] = []

    async def weigh(event: Any) -> bytes:
        sizes.append(len(json.dumps(event, separators=(",", ":"))))
        return b"null"

    invoker = ScriptedInvoker(weigh)
    mappings = start(app, invoker, aws)
    await invoker.until(bool)
    await mappings.stop()
    assert MAX_PAYLOAD_BYTES * 0.95 < sizes[0] <= MAX_PAYLOAD_BYTES
    await until_gone(aws, app, 100 - len(invoker.events[0]["Records"]))


async def until_gone(aws: Aws, app: Application, left: int) -> None:
    """Wait until no more than this is left: what the function was given has been deleted."""

    async def holds() -> bool:
        return await depth(aws, app.queues[0].name) <= left

    await eventually(holds)


async def test_a_disabled_mapping_receives_nothing(
    aws: Aws, load_app: LoadApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = load_app(APP % "Enabled: false")
    await provision(app, aws)
    counted = Counted(aws, monkeypatch)
    mappings = start(app, ScriptedInvoker(nothing), aws)
    await asyncio.sleep(0)
    await mappings.stop()
    assert counted.calls == Counter()


async def test_a_batch_may_hold_several_groups(aws: Aws, load_app: LoadApp) -> None:
    app = load_app(FIFO % ("VisibilityTimeout: 60", "BatchSize: 10"))
    await provision(app, aws)
    entries = [
        {"MessageBody": group, "MessageGroupId": group, "MessageDeduplicationId": group}
        for group in "abc"
    ]
    await fill(aws, app, entries)
    invoker = ScriptedInvoker(nothing)
    mappings = start(app, invoker, aws)
    await until_empty(aws, app)
    await mappings.stop()
    assert [sorted(bodies(event)) for event in invoker.events] == [["a", "b", "c"]]


async def test_groups_keep_their_order_and_never_run_twice_at_once(
    aws: Aws, load_app: LoadApp
) -> None:
    """Six groups; one message in eight fails once, and its group's later ones with it."""
    chance = random.Random(7)
    options = "BatchSize: 3, FunctionResponseTypes: [ReportBatchItemFailures]"
    app = load_app(FIFO % ("VisibilityTimeout: 60", options))
    await provision(app, aws)
    url = (await aws.sqs.get_queue_url(QueueName=app.queues[0].name))["QueueUrl"]
    wanted = {group: [f"{group}{n:02}" for n in range(15)] for group in "abcdef"}
    entries = [
        {"MessageBody": text, "MessageGroupId": group, "MessageDeduplicationId": text}
        for position in range(15)
        for group, text in ((group, wanted[group][position]) for group in wanted)
    ]
    await fill(aws, app, entries)
    done: dict[str, list[str]] = {group: [] for group in wanted}
    failed_before: set[str] = set()
    at_work: Counter[str] = Counter()
    most: Counter[str] = Counter()

    async def function(event: Any) -> bytes:
        groups = {record["attributes"]["MessageGroupId"] for record in event["Records"]}
        at_work.update(groups)
        most.update({group: max(0, at_work[group] - most[group]) for group in groups})
        await asyncio.sleep(0.01)
        failed, stopped = [], set()
        for record in event["Records"]:
            group, text = record["attributes"]["MessageGroupId"], record["body"]
            fails = text not in failed_before and chance.random() < 1 / 8
            if fails or group in stopped:
                failed_before.add(text)
                stopped.add(group)
                failed.append(record)
            else:
                done[group].append(text)
        at_work.subtract(groups)
        if failed:  # soon again, and all at once
            again = [
                {"Id": str(n), "ReceiptHandle": record["receiptHandle"], "VisibilityTimeout": 0}
                for n, record in enumerate(failed)
            ]
            await aws.sqs.change_message_visibility_batch(QueueUrl=url, Entries=again)
        items = [{"itemIdentifier": record["messageId"]} for record in failed]
        return json.dumps({"batchItemFailures": items}).encode()

    mappings = start(app, ScriptedInvoker(function), aws)
    await until_empty(aws, app)
    await mappings.stop()
    assert done == wanted
    assert set(most.values()) == {1}
    assert failed_before


async def test_an_endpoint_that_goes_away_under_batches_at_work_loses_nothing(
    load_app: LoadApp,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("PERSIST_STATE", "1")
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "state"))
    app = load_app(APP.replace("VisibilityTimeout: 60", "VisibilityTimeout: 10") % "BatchSize: 10")
    caplog.set_level(logging.INFO, logger="emulator")
    endpoint = Endpoint()
    is_back = asyncio.Event()

    async def function(_event: Any) -> bytes:
        if len(invoker.events) == 5:  # all that work now end while there is no endpoint
            await asyncio.to_thread(endpoint.kill)
            await eventually(lambda: _logged(caplog, "the AWS endpoint fails"))
            is_back.set()
        elif len(invoker.events) < 5:
            await is_back.wait()
        return b"null"

    invoker = ScriptedInvoker(function)
    try:
        async with Aws(endpoint.url, REGION) as aws:
            await provision(app, aws)
            await fill(aws, app, texts(200))
            mappings = start(app, invoker, aws)
            await is_back.wait()
            await asyncio.to_thread(endpoint.start)
            await until_empty(aws, app)
            await mappings.stop()
    finally:
        endpoint.kill()
    seen = Counter(text for event in invoker.events for text in bodies(event))
    assert seen.keys() == {f"{number:05}" for number in range(200)}
    assert sum(seen.values()) <= 200 + RECEIVERS * 10  # what a receive lost on its way comes again
    assert caplog.text.count("the AWS endpoint fails") == 1
    assert caplog.text.count("is back") == 1


async def _logged(caplog: pytest.LogCaptureFixture, text: str) -> bool:
    return text in caplog.text
