"""Lambda's own API, driven by boto3."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from emulator.app import Addresses, Emulator
from emulator.template.parse import load
from tests.emulator_harness import HELLO_APP, LogKeeper, hello_app, running

_ARN = "arn:aws:lambda:us-east-1:000000000000:function"


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
        for reference in (
            "mishap",
            "mishap:$LATEST",
            "function:mishap",
            "000000000000:function:mishap",
            "000000000000:function:mishap:$LATEST",
            f"{_ARN}:mishap",
            f"{_ARN}:mishap:$LATEST",
        ):
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
        with_qualifier = await _call(
            emulator, "invoke", FunctionName="mishap", Qualifier="$LATEST", Payload=payload
        )
        assert "LogResult" not in with_qualifier


async def test_nothing_is_an_empty_event(logs: LogKeeper) -> None:
    async with running(hello_app(), logs) as emulator:
        answer = await _call(emulator, "invoke", FunctionName="hello")
    assert json.loads(answer["Payload"])["statusCode"] == 200


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
            f"Function not found: {_ARN}:nobody",
        ),
        (
            {"Qualifier": "live"},
            "ResourceNotFoundException",
            404,
            f"Function not found: {_ARN}:hello:live",
        ),
        (
            {"FunctionName": f"{_ARN}:hello:7"},
            "ResourceNotFoundException",
            404,
            f"Function not found: {_ARN}:hello:7",
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
            await _call(emulator, "invoke", **{"FunctionName": "hello", **arguments})
    said = caught.value.response
    assert (said["Error"]["Code"], said["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    assert said["Error"]["Message"].startswith(message)
    assert re.fullmatch(r"[0-9a-f-]{36}", said["ResponseMetadata"]["RequestId"])


async def test_throttling(logs: LogKeeper, tmp_path: Any) -> None:
    async with running(hello_app(), logs) as emulator:
        event = {"name": "x", "file": str(tmp_path / "notes"), "seconds": 1}
        running_one = emulator.runtime.submit("single", json.dumps(event).encode())
        with pytest.raises(ClientError) as caught:
            await _call(emulator, "invoke", FunctionName="single", Payload=b"{}")
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
        answer = await _call(emulator, "invoke", FunctionName="one", ClientContext=encoded)
        assert json.loads(answer["Payload"]) == [{"a": "ü"}, {"b": 2}, "shop"]
        await _call(
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
    async with running(new_app(code), logs) as emulator, httpx.AsyncClient() as client:
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


async def test_descriptions(logs: LogKeeper, tmp_path: Path) -> None:
    template = HELLO_APP / "template.yaml"
    async with running(hello_app(), logs) as emulator:
        listed = await _call(emulator, "list_functions")
        names = [function["FunctionName"] for function in listed["Functions"]]
        assert names == list(emulator.app.functions)
        assert "NextMarker" not in listed
        every = await _call(emulator, "list_functions", FunctionVersion="ALL")
        assert every["Functions"][0]["FunctionArn"] == f"{_ARN}:hello:$LATEST"
        described = await _call(emulator, "get_function_configuration", FunctionName="mishap")
        code_size = sum(
            file.stat().st_size
            for file in (HELLO_APP / "functions" / "mishap").rglob("*")
            if file.is_file() and "__pycache__" not in file.parts
        )
        expected = {
            "FunctionName": "mishap",
            "FunctionArn": f"{_ARN}:mishap",
            "Runtime": "python3.13",
            "Role": "arn:aws:iam::000000000000:role/local-MishapRole",
            "Handler": "app.handler",
            "CodeSize": code_size,
            "Description": "",
            "Timeout": 1,
            "MemorySize": 128,
            "Version": "$LATEST",
            "TracingConfig": {"Mode": "PassThrough"},
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "PackageType": "Zip",
            "Architectures": ["x86_64"],
            "EphemeralStorage": {"Size": 512},
            "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/mishap"},
        }
        assert {name: described.get(name) for name in expected} == expected
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}\+0000", described["LastModified"])
        assert len(base64.b64decode(described["CodeSha256"])) == 32
        again = await _call(emulator, "get_function_configuration", FunctionName="mishap")
        assert again["RevisionId"] == described["RevisionId"]
        whole = await _call(emulator, "get_function", FunctionName="hello")
        assert whole["Configuration"]["Environment"]["Variables"] == {"GREETING": "hello"}
        assert whole["Code"]["Location"] == (HELLO_APP / "functions" / "hello").as_uri()
        account = await _call(emulator, "get_account_settings")
        assert account["AccountUsage"]["FunctionCount"] == len(names)
        assert account["AccountLimit"]["ConcurrentExecutions"] == 1000
        assert account["AccountLimit"]["UnreservedConcurrentExecutions"] == 999
        assert template.exists()


async def test_pages(logs: LogKeeper) -> None:
    async with running(hello_app(), logs) as emulator:
        found: list[str] = []
        marker: dict[str, str] = {}
        pages = 0
        while True:
            page = await _call(emulator, "list_functions", MaxItems=2, **marker)
            found += [function["FunctionName"] for function in page["Functions"]]
            pages += 1
            if "NextMarker" not in page:
                break
            marker = {"Marker": page["NextMarker"]}
        assert found == list(emulator.app.functions)
        assert pages == (len(found) + 1) // 2
        with pytest.raises(ClientError, match="InvalidParameterValueException"):
            await _call(emulator, "list_functions", Marker="nonsense")


async def test_concurrency_and_retries_are_described(logs: LogKeeper) -> None:
    async with running(hello_app(), logs) as emulator:
        answers = {
            name: await _call(emulator, "get_function_concurrency", FunctionName=name)
            for name in ("single", "hello")
        }
        assert answers["single"]["ReservedConcurrentExecutions"] == 1
        assert "ReservedConcurrentExecutions" not in answers["hello"]
        whole = await _call(emulator, "get_function", FunctionName="single")
        assert whole["Concurrency"] == {"ReservedConcurrentExecutions": 1}
        config = await _call(emulator, "get_function_event_invoke_config", FunctionName="single")
        assert config["FunctionArn"] == f"{_ARN}:single:$LATEST"
        assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (0, 120)
        with pytest.raises(ClientError, match="doesn't have an EventInvokeConfig"):
            await _call(emulator, "get_function_event_invoke_config", FunctionName="hello")


async def test_what_changes_functions_is_not_there_and_says_so(logs: LogKeeper) -> None:
    async with running(hello_app(), logs) as emulator, httpx.AsyncClient() as client:
        with pytest.raises(ClientError) as caught:
            await _call(emulator, "delete_function", FunctionName="hello")
        said = caught.value.response
        assert said["ResponseMetadata"]["HTTPStatusCode"] == 501
        assert "functions of its template" in said["Error"]["Message"]
        nothing = await client.get(f"{emulator.lambda_url}/nothing")
        assert nothing.status_code == 404
        assert nothing.headers["x-amzn-errortype"] == "UnknownOperationException"


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
    async with running(hello_app(), logs) as emulator, httpx.AsyncClient() as client:
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


async def test_no_secret_leaves_it(logs: LogKeeper, new_app: Any) -> None:
    template = new_app("def handler(event, context):\n    return None\n").template_path
    text = template.read_text()
    text = text.replace(
        "Resources:",
        "Parameters:\n"
        "  Password: {Type: String, NoEcho: true}\n"
        '  Unused: {Type: String, NoEcho: true, Default: ""}\n'
        "Resources:",
    ).replace(
        "      Handler:",
        "      Environment:\n"
        "        Variables:\n"
        "          DATABASE_URL: !Sub postgresql://me:${Password}@db/main\n"
        "          PASSWORD: !Ref Password\n"
        "          MODE: fast\n"
        "      Handler:",
    )
    template.write_text(text)
    async with running(load(template, {"Password": "very-secret"}), logs) as emulator:
        async with httpx.AsyncClient() as client:
            texts = [
                (await client.get(f"{emulator.lambda_url}/2015-03-31/functions{path}")).text
                for path in ("/", "/one", "/one/configuration")
            ]
        described = await _call(emulator, "get_function_configuration", FunctionName="one")
    assert not any("very-secret" in text for text in texts)
    assert described["Environment"]["Variables"] == {
        "DATABASE_URL": "****",
        "PASSWORD": "****",
        "MODE": "fast",
    }


async def test_code_that_changes_is_other_code(logs: LogKeeper, new_app: Any) -> None:
    app = new_app("def handler(event, context):\n    return 1\n")
    async with running(app, logs) as emulator:
        before = await _call(emulator, "get_function_configuration", FunctionName="one")
        file = app.functions["one"].code_dir / "app.py"
        file.write_text("def handler(event, context):\n    return 22\n")
        after = await _call(emulator, "get_function_configuration", FunctionName="one")
    assert after["CodeSize"] == before["CodeSize"] + 1
    for name in ("CodeSha256", "RevisionId", "LastModified"):
        assert after[name] != before[name], name
