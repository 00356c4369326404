"""Lambda's own API, driven by boto3."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from emulator.app import Emulator
from tests.emulator_harness import LogKeeper, hello_app, running


def _client(emulator: Emulator) -> Any:
    return boto3.client(
        "lambda",
        endpoint_url=emulator.lambda_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


async def _call(emulator: Emulator, method: str, **arguments: Any) -> Any:
    def call() -> Any:
        client = _client(emulator)
        try:
            answer = getattr(client, method)(**arguments)
            if "Payload" in answer:
                answer["Payload"] = answer["Payload"].read()
            return answer
        finally:
            client.close()

    return await asyncio.to_thread(call)


async def test_request_and_response_with_log_tail(logs: LogKeeper) -> None:
    async with running(hello_app(), logs) as emulator:
        payload = json.dumps({"kind": "chatter"})
        for reference in ("mishap", "mishap:$LATEST", emulator.app.functions["mishap"].arn):
            answer = await _call(
                emulator, "invoke", FunctionName=reference, Payload=payload, LogType="Tail"
            )
            assert answer["StatusCode"] == 200
            assert answer["ExecutedVersion"] == "$LATEST"
            assert "FunctionError" not in answer
            assert json.loads(answer["Payload"]) > 0
            tail = base64.b64decode(answer["LogResult"]).decode()
            assert tail.startswith("START RequestId: ")
            assert "one line\ntwo lines\n" in tail


async def test_function_error(logs: LogKeeper) -> None:
    async with running(hello_app(), logs) as emulator:
        answer = await _call(emulator, "invoke", FunctionName="mishap", Payload=b'{"kind": "fail"}')
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert json.loads(answer["Payload"])["errorType"] == "ValueError"


async def test_event_is_accepted_and_run(logs: LogKeeper) -> None:
    async with running(hello_app(), logs) as emulator:
        answer = await _call(
            emulator,
            "invoke",
            FunctionName="mishap",
            InvocationType="Event",
            Payload=b'{"kind": "chatter"}',
        )
        assert answer["StatusCode"] == 202
        line = await logs.until(lambda line: line.message == "two lines")
    assert line.request_id == answer["ResponseMetadata"]["RequestId"]


async def test_dry_run_runs_nothing(logs: LogKeeper) -> None:
    async with running(hello_app(), logs) as emulator:
        answer = await _call(
            emulator, "invoke", FunctionName="hello", InvocationType="DryRun", Payload=b"{}"
        )
    assert answer["StatusCode"] == 204
    assert not any(text.startswith("START") for text in logs.texts())


@pytest.mark.parametrize(
    ("arguments", "code", "status"),
    [
        ({"FunctionName": "nobody"}, "ResourceNotFoundException", 404),
        ({"Payload": b"{not json"}, "InvalidRequestContentException", 400),
        ({"Payload": b'"' + b"x" * 6_291_456 + b'"'}, "RequestTooLargeException", 413),
        (
            {"Payload": b'"' + b"x" * 1_048_576 + b'"', "InvocationType": "Event"},
            "RequestTooLargeException",
            413,
        ),
    ],
)
async def test_refusals(logs: LogKeeper, arguments: dict[str, Any], code: str, status: int) -> None:
    async with running(hello_app(), logs) as emulator:
        with pytest.raises(ClientError) as caught:
            await _call(emulator, "invoke", **{"FunctionName": "hello", **arguments})
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


async def test_throttling(logs: LogKeeper, tmp_path: Any) -> None:
    async with running(hello_app(), logs) as emulator:
        event = {"name": "x", "file": str(tmp_path / "notes"), "seconds": 1}
        running_one = emulator.runtime.submit("single", json.dumps(event).encode())
        with pytest.raises(ClientError) as caught:
            await _call(emulator, "invoke", FunctionName="single", Payload=b"{}")
        await running_one
    assert caught.value.response["Error"]["Code"] == "TooManyRequestsException"


async def test_descriptions(logs: LogKeeper) -> None:
    async with running(hello_app(), logs) as emulator:
        listed = await _call(emulator, "list_functions")
        names = [function["FunctionName"] for function in listed["Functions"]]
        assert names == ["hello", "echo", "mishap", "broken", "single"]
        described = await _call(emulator, "get_function_configuration", FunctionName="mishap")
        assert described["Timeout"] == 1
        assert described["Handler"] == "app.handler"
        whole = await _call(emulator, "get_function", FunctionName="hello")
        assert whole["Configuration"]["Environment"]["Variables"] == {"GREETING": "hello"}
