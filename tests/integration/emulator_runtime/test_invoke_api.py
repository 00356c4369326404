"""Lambda's own API, driven by boto3."""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from botocore.exceptions import ClientError

from emulator.app import Addresses, Emulator
from tests.emulator_harness import LogKeeper, hello_app, running
from tests.integration.emulator_runtime.lambda_client import ARN, call


async def test_request_and_response_with_log_tail(logs: LogKeeper) -> None:
    async with running(hello_app(), logs) as emulator:
        payload = json.dumps({"kind": "chatter"})
        for reference in (
            "mishap",
            "mishap:$LATEST",
            "function:mishap",
            "000000000000:function:mishap",
            "000000000000:function:mishap:$LATEST",
            f"{ARN}:mishap",
            f"{ARN}:mishap:$LATEST",
        ):
            answer = await call(
                emulator, "invoke", FunctionName=reference, Payload=payload, LogType="Tail"
            )
            assert answer["StatusCode"] == 200
            assert answer["ExecutedVersion"] == "$LATEST"
            assert "FunctionError" not in answer
            assert json.loads(answer["Payload"]) > 0
            tail = base64.b64decode(answer["LogResult"]).decode()
            assert tail.startswith("START RequestId: ")
            assert "one line\ntwo lines\n" in tail
        with_qualifier = await call(
            emulator, "invoke", FunctionName="mishap", Qualifier="$LATEST", Payload=payload
        )
        assert "LogResult" not in with_qualifier


async def test_nothing_is_an_empty_event(logs: LogKeeper) -> None:
    async with running(hello_app(), logs) as emulator:
        answer = await call(emulator, "invoke", FunctionName="hello")
    assert json.loads(answer["Payload"])["statusCode"] == 200


async def test_function_error(logs: LogKeeper) -> None:
    async with running(hello_app(), logs) as emulator:
        answer = await call(emulator, "invoke", FunctionName="mishap", Payload=b'{"kind": "fail"}')
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert json.loads(answer["Payload"])["errorType"] == "ValueError"


async def test_event_is_accepted_and_run(logs: LogKeeper) -> None:
    async with running(hello_app(), logs) as emulator:
        answer = await call(
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
        answer = await call(
            emulator, "invoke", FunctionName="hello", InvocationType="DryRun", Payload=b"{}"
        )
    assert answer["StatusCode"] == 204
    assert not any(text.startswith("START") for text in logs.texts())


_TOO_LARGE = b'"' + b"x" * 6_291_456 + b'"'
_TOO_LARGE_EVENT = b'"' + b"x" * 1_048_576 + b'"'


# The texts are AWS's, as people have quoted its answers: a caller may look for them.
# invocationType: ex-aws/ex_aws#442. JSON: awsdocs/aws-lambda-developer-guide#382. Sizes:
# pelmers/streetwarp-web#14 and ASFHyP3/hyp3#2241 (of the event limit that was 256 KB then).
# Qualifiers: EventBridge Scheduler user guide, "Troubleshooting universal targets". Patterns, and
# TooManyRequestsException's fields: botocore's model of the API.
@pytest.mark.parametrize(
    ("arguments", "code", "status", "message"),
    [
        (
            {"FunctionName": "nobody"},
            "ResourceNotFoundException",
            404,
            f"Function not found: {ARN}:nobody",
        ),
        (
            {"Qualifier": "live"},
            "ResourceNotFoundException",
            404,
            f"Function not found: {ARN}:hello:live",
        ),
        (
            {"FunctionName": f"{ARN}:hello:7"},
            "ResourceNotFoundException",
            404,
            f"Function not found: {ARN}:hello:7",
        ),
        (
            {"FunctionName": "arn:aws:lambda:eu-west-1:000000000000:function:hello"},
            "ResourceNotFoundException",
            404,
            "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
        ),
        (
            {"FunctionName": "hello:$LATEST", "Qualifier": "1"},
            "InvalidParameterValueException",
            400,
            "The derived qualifier from the function name does not match the specified qualifier.",
        ),
        (
            {"FunctionName": "hello world"},
            "ValidationException",
            400,
            "1 validation error detected: Value 'hello world' at 'functionName' failed to satisfy"
            " constraint: Member must satisfy regular expression pattern: ",
        ),
        (
            {"InvocationType": "dry_run"},
            "ValidationException",
            400,
            "1 validation error detected: Value 'dry_run' at 'invocationType' failed to satisfy"
            " constraint: Member must satisfy enum value set: [DryRun, RequestResponse, Event]",
        ),
        (
            {"Payload": b"{not json"},
            "InvalidRequestContentException",
            400,
            "Could not parse request body into json: Could not parse payload into json: ",
        ),
        (
            {"Payload": b"\xff\xfe{}"},
            "InvalidRequestContentException",
            400,
            "Could not parse request body into json: Could not parse payload into json: ",
        ),
        (
            {"Payload": b"[" * 100_000},
            "InvalidRequestContentException",
            400,
            "Could not parse request body into json: Could not parse payload into json: ",
        ),
        (
            {"Payload": b"{not json", "InvocationType": "Event"},
            "InvalidRequestContentException",
            400,
            "Could not parse request body into json: Could not parse payload into json: ",
        ),
        (
            {"ClientContext": "no base64"},
            "InvalidRequestContentException",
            400,
            "Client context must be a valid Base64-encoded JSON object.",
        ),
        (
            {"Payload": _TOO_LARGE},
            "RequestEntityTooLargeException",
            413,
            "Request must be smaller than 6291456 bytes for the InvokeFunction operation",
        ),
        (
            {"Payload": _TOO_LARGE_EVENT, "InvocationType": "Event"},
            "RequestEntityTooLargeException",
            413,
            "1048578 byte payload is too large for the Event invocation type (limit 1048576 bytes)",
        ),
        (
            {"Payload": _TOO_LARGE, "InvocationType": "Event"},
            "RequestEntityTooLargeException",
            413,
            "6291458 byte payload is too large for the Event invocation type (limit 1048576 bytes)",
        ),
    ],
)
async def test_refusals(
    logs: LogKeeper, arguments: dict[str, Any], code: str, status: int, message: str
) -> None:
    async with running(hello_app(), logs) as emulator:
        with pytest.raises(ClientError) as caught:
            await call(emulator, "invoke", **{"FunctionName": "hello", **arguments})
    said = caught.value.response
    assert (said["Error"]["Code"], said["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    assert said["Error"]["Message"].startswith(message)
    assert re.fullmatch(r"[0-9a-f-]{36}", said["ResponseMetadata"]["RequestId"])


async def test_throttling(logs: LogKeeper, tmp_path: Any) -> None:
    async with running(hello_app(), logs) as emulator:
        event = {"name": "x", "file": str(tmp_path / "notes"), "seconds": 1}
        running_one = emulator.runtime.submit("single", json.dumps(event).encode())
        with pytest.raises(ClientError) as caught:
            await call(emulator, "invoke", FunctionName="single", Payload=b"{}")
        await running_one
    said: Any = caught.value.response
    assert said["Error"] == {"Code": "TooManyRequestsException", "Message": "Rate Exceeded."}
    assert said["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert said["Type"] == "User"


async def test_a_client_context_reaches_the_function_and_an_event_has_none(
    logs: LogKeeper, new_app: Any
) -> None:
    code = (
        "def handler(event, context):\n"
        "    given = context.client_context\n"
        "    found = given and [given.custom, given.env, given.client.app_title]\n"
        "    print('context', found)\n"
        "    return found\n"
    )
    context = {
        "custom": {"a": "ü"},
        "env": {"b": 2},
        "client": {"app_title": "shop"},
    }
    encoded = base64.b64encode(json.dumps(context, ensure_ascii=False).encode()).decode()
    async with running(new_app(code), logs) as emulator:
        answer = await call(emulator, "invoke", FunctionName="one", ClientContext=encoded)
        assert json.loads(answer["Payload"]) == [{"a": "ü"}, {"b": 2}, "shop"]
        await call(
            emulator, "invoke", FunctionName="one", ClientContext=encoded, InvocationType="Event"
        )
        await logs.until(lambda line: line.message == "context None")


async def test_the_trace_header_reaches_the_function_and_every_line_of_the_log(
    logs: LogKeeper, new_app: Any
) -> None:
    code = (
        "import os\n"
        "def handler(event, context):\n"
        "    print('hello')\n"
        "    return os.environ['_X_AMZN_TRACE_ID']\n"
    )
    root = "Root=1-5759e988-bd862e3fe1be46a994272793"
    parent = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"
    headers: list[tuple[dict[str, str], str]] = [
        ({"X-Amzn-Trace-Id": f"{root};Sampled=1"}, f"{root};Sampled=1"),
        ({"traceparent": parent}, root),
        ({"traceparent": "00-" + "0" * 32 + "-53995c3f42cd8ad8-01"}, "Root=1-"),
        ({"X-Amzn-Trace-Id": "nonsense"}, "Root=1-"),
        ({"X-Amzn-Trace-Id": "Root=1-5759e988"}, "Root=1-"),
        ({"X-Amzn-Trace-Id": f"{root};x={'x' * 1000}"}, "Root=1-"),
        ({}, "Root=1-"),
    ]
    async with running(new_app(code), logs) as emulator, httpx.AsyncClient(timeout=60) as client:
        for sent, expected in headers:
            answer = await client.post(
                f"{emulator.lambda_url}/2015-03-31/functions/one/invocations", headers=sent
            )
            got = answer.json()
            assert got.startswith(expected)
            assert len(got) < 100
            own = [line for line in logs.lines if line.fields.get("trace_id") == got]
            begun = [line.message.split(" ")[0].split("\t")[0] for line in own]
            assert begun[-4:] == ["START", "hello", "END", "REPORT"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost"}, 200),
        ({"Host": "LOCALHOST:3001"}, 200),
        ({"Host": "[::1]:3001"}, 200),
        ({"Host": "rebound.example:3001"}, 403),
        ({"Host": "127.0.0.1.example"}, 403),
        ({"Host": "localhost.example:3001"}, 403),
        ({"Origin": "https://page.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:3001"}, 403),
    ],
)
async def test_a_page_in_a_browser_reaches_nothing(
    logs: LogKeeper, headers: dict[str, str], status: int
) -> None:
    async with running(hello_app(), logs) as emulator, httpx.AsyncClient(timeout=60) as client:
        invoked = await client.post(
            f"{emulator.lambda_url}/2015-03-31/functions/hello/invocations",
            content=b"{}",
            headers={"content-type": "text/plain", **headers},
        )
        described = await client.get(
            f"{emulator.lambda_url}/2015-03-31/functions/", headers=headers
        )
    assert (invoked.status_code, described.status_code) == (status, status)
    started = any(text.startswith("START") for text in logs.texts())
    assert started == (status == 200)


async def test_it_listens_on_this_machine_only_whatever_the_gateway_does(logs: LogKeeper) -> None:
    emulator = Emulator(hello_app(), logs, addresses=Addresses("0.0.0.0", 0, 0))
    await emulator.start()
    try:
        assert urlsplit(emulator.gateway_url or "").hostname == "0.0.0.0"
        assert urlsplit(emulator.lambda_url).hostname == "127.0.0.1"
    finally:
        await emulator.stop()
