"""Asynchronous invocations: order, retries, age, what becomes of failures."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from emulator.invocations import Throttled
from emulator.runtime import RuntimeSettings
from emulator.template.model import EventInvokeConfig
from tests.emulator_harness import LogKeeper, eventually, function_of, runtime_of

QUEUE = "arn:aws:sqs:us-east-1:000000000000:failures"
FAST = RuntimeSettings(retry_delays_s=(0.05, 0.1), reload=False)


class Outbox:
    """Takes what is sent to queues."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[tuple[str, Any, dict[str, str]]] = asyncio.Queue()

    async def __call__(
        self, arn: str, body: str, attributes: Mapping[str, str] | None = None
    ) -> None:
        self.sent.put_nowait((arn, json.loads(body), dict(attributes or {})))


def _single(**changes: Any) -> Any:
    return function_of("single", reserved_concurrency=1, **changes)


def _event(name: str, file: Path, seconds: float = 0.0) -> bytes:
    return json.dumps({"name": name, "file": str(file), "seconds": seconds}).encode()


def _notes(file: Path) -> list[tuple[str, float, float]]:
    """What the function noted: name, beginning and end of each run."""
    if not file.exists():
        return []
    rows = [line.split() for line in file.read_text().splitlines()]
    return [(name, float(began), float(ended)) for name, began, ended in rows]


async def test_the_next_event_starts_the_moment_the_former_ends(
    logs: LogKeeper, tmp_path: Path
) -> None:
    """A run that outlasts its schedule: the next one waits its turn, and never two at once."""
    notes = tmp_path / "notes"
    async with runtime_of(_single(), logs=logs) as runtime:
        await runtime.invoke("single", _event("warm", notes))
        for number in range(4):
            await runtime.invoke_async("single", _event(str(number), notes, 0.3))
        await eventually(lambda: len(_notes(notes)) == 5)
    runs = _notes(notes)[1:]
    assert [name for name, _, _ in runs] == ["0", "1", "2", "3"]
    pauses = [after[1] - before[2] for before, after in itertools.pairwise(runs)]
    assert all(0 <= pause < 0.2 for pause in pauses)


async def test_event_waits_for_a_synchronous_run_too(logs: LogKeeper, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    async with runtime_of(_single(), logs=logs) as runtime:
        running = runtime.submit("single", _event("sync", notes, 0.2))
        await runtime.invoke_async("single", _event("async", notes))
        await running
        await eventually(lambda: len(_notes(notes)) == 2)
    assert [name for name, _, _ in _notes(notes)] == ["sync", "async"]


async def test_event_that_waits_too_long_goes_to_the_dead_letter_queue(
    logs: LogKeeper, tmp_path: Path
) -> None:
    outbox, notes = Outbox(), tmp_path / "notes"
    function = _single(dead_letter_arn=QUEUE, event_invoke=EventInvokeConfig(maximum_event_age_s=1))
    async with runtime_of(function, logs=logs, send=outbox) as runtime:
        running = runtime.submit("single", _event("long", notes, 2))
        request_id = await runtime.invoke_async("single", _event("late", notes))
        arn, body, attributes = await asyncio.wait_for(outbox.sent.get(), 5)
        assert (arn, body["name"]) == (QUEUE, "late")
        assert attributes["RequestID"] == request_id
        await running
        await runtime.invoke("single", _event("after", notes))
    assert [name for name, _, _ in _notes(notes)] == ["long", "after"]


async def test_failure_is_retried_twice_and_recorded(logs: LogKeeper) -> None:
    outbox = Outbox()
    function = function_of("mishap", event_invoke=EventInvokeConfig(on_failure_arn=QUEUE))
    async with runtime_of(function, logs=logs, settings=FAST, send=outbox) as runtime:
        request_id = await runtime.invoke_async("mishap", b'{"kind":"fail"}')
        arn, record, _ = await asyncio.wait_for(outbox.sent.get(), 10)
    assert arn == QUEUE
    context = record["requestContext"]
    assert context["requestId"] == request_id
    assert context["functionArn"] == f"{function.arn}:$LATEST"
    assert context["condition"] == "RetriesExhausted"
    assert context["approximateInvokeCount"] == 3
    assert record["requestPayload"] == {"kind": "fail"}
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert record["responsePayload"]["errorMessage"] == "no luck"
    starts = [text for text in logs.texts() if text.startswith(f"START RequestId: {request_id}")]
    assert len(starts) == 3


async def test_retries_can_be_none(logs: LogKeeper) -> None:
    outbox = Outbox()
    config = EventInvokeConfig(maximum_retry_attempts=0)
    function = function_of("mishap", event_invoke=config, dead_letter_arn=QUEUE)
    async with runtime_of(function, logs=logs, settings=FAST, send=outbox) as runtime:
        await runtime.invoke_async("mishap", b'{"kind":"fail"}')
        _, body, attributes = await asyncio.wait_for(outbox.sent.get(), 10)
    assert body == {"kind": "fail"}
    assert attributes["ErrorMessage"] == "no luck"
    assert sum(text.startswith("START") for text in logs.texts()) == 1


async def test_queue_of_events_is_bounded(logs: LogKeeper, tmp_path: Path) -> None:
    settings = RuntimeSettings(async_queue=2, reload=False)
    async with runtime_of(_single(), logs=logs, settings=settings) as runtime:
        for _ in range(2):
            await runtime.invoke_async("single", _event("x", tmp_path / "notes", 5))
        with pytest.raises(Throttled):
            await runtime.invoke_async("single", _event("x", tmp_path / "notes"))
