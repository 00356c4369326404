"""What Lambda's own API tells of functions, and what it does not."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from emulator.template.parse import load
from tests.emulator_harness import HELLO_APP, LogKeeper, hello_app, running
from tests.integration.emulator_runtime.lambda_client import ARN, call


async def test_descriptions(logs: LogKeeper, tmp_path: Path) -> None:
    template = HELLO_APP / "template.yaml"
    async with running(hello_app(), logs) as emulator:
        listed = await call(emulator, "list_functions")
        names = [function["FunctionName"] for function in listed["Functions"]]
        assert names == list(emulator.app.functions)
        assert "NextMarker" not in listed
        every = await call(emulator, "list_functions", FunctionVersion="ALL")
        assert every["Functions"][0]["FunctionArn"] == f"{ARN}:hello:$LATEST"
        described = await call(emulator, "get_function_configuration", FunctionName="mishap")
        code_size = sum(
            file.stat().st_size
            for file in (HELLO_APP / "functions" / "mishap").rglob("*")
            if file.is_file() and "__pycache__" not in file.parts
        )
        expected = {
            "FunctionName": "mishap",
            "FunctionArn": f"{ARN}:mishap",
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
        again = await call(emulator, "get_function_configuration", FunctionName="mishap")
        assert again["RevisionId"] == described["RevisionId"]
        whole = await call(emulator, "get_function", FunctionName="hello")
        assert whole["Configuration"]["Environment"]["Variables"] == {"GREETING": "hello"}
        assert whole["Code"]["Location"] == (HELLO_APP / "functions" / "hello").as_uri()
        account = await call(emulator, "get_account_settings")
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
            page = await call(emulator, "list_functions", MaxItems=2, **marker)
            found += [function["FunctionName"] for function in page["Functions"]]
            pages += 1
            if "NextMarker" not in page:
                break
            marker = {"Marker": page["NextMarker"]}
        assert found == list(emulator.app.functions)
        assert pages == (len(found) + 1) // 2
        with pytest.raises(ClientError, match="InvalidParameterValueException"):
            await call(emulator, "list_functions", Marker="nonsense")


async def test_concurrency_and_retries_are_described(logs: LogKeeper) -> None:
    async with running(hello_app(), logs) as emulator:
        answers = {
            name: await call(emulator, "get_function_concurrency", FunctionName=name)
            for name in ("single", "hello")
        }
        assert answers["single"]["ReservedConcurrentExecutions"] == 1
        assert "ReservedConcurrentExecutions" not in answers["hello"]
        whole = await call(emulator, "get_function", FunctionName="single")
        assert whole["Concurrency"] == {"ReservedConcurrentExecutions": 1}
        config = await call(emulator, "get_function_event_invoke_config", FunctionName="single")
        assert config["FunctionArn"] == f"{ARN}:single:$LATEST"
        assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (0, 120)
        with pytest.raises(ClientError, match="doesn't have an EventInvokeConfig"):
            await call(emulator, "get_function_event_invoke_config", FunctionName="hello")


async def test_what_changes_functions_is_not_there_and_says_so(logs: LogKeeper) -> None:
    async with running(hello_app(), logs) as emulator, httpx.AsyncClient(timeout=60) as client:
        with pytest.raises(ClientError) as caught:
            await call(emulator, "delete_function", FunctionName="hello")
        said = caught.value.response
        assert said["ResponseMetadata"]["HTTPStatusCode"] == 501
        assert "functions of its template" in said["Error"]["Message"]
        nothing = await client.get(f"{emulator.lambda_url}/nothing")
        assert nothing.status_code == 404
        assert nothing.headers["x-amzn-errortype"] == "UnknownOperationException"


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
        async with httpx.AsyncClient(timeout=60) as client:
            texts = [
                (await client.get(f"{emulator.lambda_url}/2015-03-31/functions{path}")).text
                for path in ("/", "/one", "/one/configuration")
            ]
        described = await call(emulator, "get_function_configuration", FunctionName="one")
    assert not any("very-secret" in text for text in texts)
    assert described["Environment"]["Variables"] == {
        "DATABASE_URL": "****",
        "PASSWORD": "****",
        "MODE": "fast",
    }


async def test_code_that_changes_is_other_code(logs: LogKeeper, new_app: Any) -> None:
    app = new_app("def handler(event, context):\n    return 1\n")
    async with running(app, logs) as emulator:
        before = await call(emulator, "get_function_configuration", FunctionName="one")
        file = app.functions["one"].code_dir / "app.py"
        file.write_text("def handler(event, context):\n    return 22\n")
        after = await call(emulator, "get_function_configuration", FunctionName="one")
    assert after["CodeSize"] == before["CodeSize"] + 1
    for name in ("CodeSha256", "RevisionId", "LastModified"):
        assert after[name] != before[name], name
