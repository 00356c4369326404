"""Asynchronous invocations: order, retries, age, what becomes of failures."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from emulator.invocations import Throttled
from emulator.runtime import RuntimeSettings
from emulator.runtime.destinations import Message
from emulator.template.model import EventInvokeConfig
from tests.emulator_harness import LogKeeper, function_of, runtime_of
from tests.waiting import PATIENCE_S, eventually

QUEUE = "arn:aws:sqs:us-east-1:000000000000:failures"
BUS = "arn:aws:events:us-east-1:000000000000:event-bus/outcomes"
FAST = RuntimeSettings(retry_delays_s=(0.05, 0.1), reload=False)


class Outbox:
    """Takes what is sent to queues and buses."""

    def __init__(self, fails: int = 0) -> None:
        self.sent: asyncio.Queue[Message] = asyncio.Queue()
        self._fails = fails

    async def __call__(self, message: Message) -> None:
        if self._fails:
            self._fails -= 1
            raise OSError("away")
        self.sent.put_nowait(message)

    async def next(self) -> tuple[str, Any, dict[str, str]]:
        """Where the next message goes, what it says and the values of its attributes."""
        message = await asyncio.wait_for(self.sent.get(), PATIENCE_S)
        values = {name: value for name, (_, value) in message.attributes.items()}
        return message.arn, json.loads(message.body), values


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
        arn, body, attributes = await outbox.next()
        assert (arn, body["name"]) == (QUEUE, "late")
        assert attributes == {
            "RequestID": request_id,
            "ErrorCode": "429",
            "ErrorMessage": "Rate Exceeded.",
        }
        await running
        await runtime.invoke("single", _event("after", notes))
    assert [name for name, _, _ in _notes(notes)] == ["long", "after"]


async def test_failure_is_retried_twice_and_recorded(logs: LogKeeper) -> None:
    outbox = Outbox()
    function = function_of("mishap", event_invoke=EventInvokeConfig(on_failure_arn=QUEUE))
    async with runtime_of(function, logs=logs, settings=FAST, send=outbox) as runtime:
        request_id = await runtime.invoke_async("mishap", b'{"kind":"fail"}')
        arn, record, _ = await outbox.next()
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
        _, body, attributes = await outbox.next()
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


async def test_success_is_recorded_where_it_is_wanted(logs: LogKeeper) -> None:
    outbox = Outbox()
    config = EventInvokeConfig(on_success_arn=BUS, on_failure_arn=QUEUE)
    function = function_of("mishap", event_invoke=config, dead_letter_arn=QUEUE)
    async with runtime_of(function, logs=logs, send=outbox) as runtime:
        request_id = await runtime.invoke_async("mishap", b'{"kind":"fork"}')
        message = await asyncio.wait_for(outbox.sent.get(), PATIENCE_S)
    assert message.bus_entry() == {
        "EventBusName": BUS,
        "Source": "lambda",
        "DetailType": "Lambda Function Invocation Result - Success",
        "Detail": message.body,
        "Resources": [BUS, f"{function.arn}:$LATEST"],
    }
    record = json.loads(message.body)
    context = {name: record["requestContext"][name] for name in ("requestId", "condition")}
    assert context == {"requestId": request_id, "condition": "Success"}
    assert record["requestContext"]["approximateInvokeCount"] == 1
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"}
    assert set(record["responsePayload"]) == {"own", "child"}
    assert outbox.sent.empty()


async def test_a_function_can_take_what_became_of_another(logs: LogKeeper, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("def handler(e, c): print('took', e['requestPayload'])\n")
    taker = function_of("taker", tmp_path)
    config = EventInvokeConfig(maximum_retry_attempts=0, on_failure_arn=taker.arn)
    function = function_of("mishap", event_invoke=config)
    async with runtime_of(function, taker, logs=logs) as runtime:
        await runtime.invoke_async("mishap", b'{"kind":"fail"}')
        line = await logs.until(lambda line: line.message.startswith("took"))
    assert (line.function, line.message) == ("taker", "took {'kind': 'fail'}")


async def test_failure_goes_to_destination_and_dead_letter_queue(logs: LogKeeper) -> None:
    outbox = Outbox(fails=1)
    config = EventInvokeConfig(maximum_retry_attempts=0, on_failure_arn=BUS)
    function = function_of("mishap", event_invoke=config, dead_letter_arn=QUEUE)
    async with runtime_of(function, logs=logs, send=outbox) as runtime:
        await runtime.invoke_async("mishap", b'{"kind":"fail"}')
        assert {(await outbox.next())[0] for _ in range(2)} == {BUS, QUEUE}


async def test_nothing_runs_with_a_reservation_of_zero(logs: LogKeeper) -> None:
    outbox = Outbox()
    config = EventInvokeConfig(on_failure_arn=QUEUE)
    function = function_of("mishap", event_invoke=config, reserved_concurrency=0)
    async with runtime_of(function, logs=logs, send=outbox) as runtime:
        await runtime.invoke_async("mishap", b'{"kind":"chatter"}')
        _, record, _ = await outbox.next()
        with pytest.raises(Throttled) as caught:
            runtime.submit("mishap", b"{}")
    assert record["requestContext"]["condition"] == "ZeroReservedConcurrency"
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert "responseContext" not in record
    assert caught.value.reason == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert not any(text.startswith("START") for text in logs.texts())


async def test_what_is_sent_nowhere_is_told(logs: LogKeeper) -> None:
    config = EventInvokeConfig(maximum_retry_attempts=0, on_failure_arn=QUEUE)
    async with runtime_of(function_of("mishap", event_invoke=config), logs=logs) as runtime:
        await runtime.invoke_async("mishap", b'{"kind":"fail"}')
        line = await logs.until(lambda line: "could not be sent" in line.message)
    assert QUEUE in line.message
