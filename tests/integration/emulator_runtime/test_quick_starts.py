"""SAM apps in the manner of `sam init` and of AWS's documentation, run as they are."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import boto3
import httpx

from emulator.template.parse import load
from tests.emulator_harness import LogKeeper, running

_APPS = Path(__file__).parents[2] / "fixtures" / "quick_starts"


async def test_hello_world(logs: LogKeeper) -> None:
    app = load(_APPS / "hello_world" / "template.yaml")
    assert app.warnings == ()
    assert app.http_apis[0].routes[0].throttle.burst == 20
    async with running(app, logs) as emulator, httpx.AsyncClient() as client:
        answer = await client.get(f"{emulator.gateway_url}/hello")
        assert (answer.status_code, answer.json()) == (200, {"message": "hello world"})
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_openapi_in_a_file(logs: LogKeeper) -> None:
    app = load(_APPS / "openapi" / "template.yaml", {"Stage": "prod"})
    assert app.warnings == ()
    async with running(app, logs) as emulator, httpx.AsyncClient() as client:
        url = f"{emulator.gateway_url}/prod/pets/rex"
        assert (await client.get(url)).json() == {"name": "rex", "version": "2.0"}
        answer = await client.post(url)
        assert (answer.status_code, answer.json()) == (201, {"name": "rex", "version": "1.0"})
        assert answer.headers.get_list("x-many") == ["1", "2"]


async def test_several_apis(logs: LogKeeper) -> None:
    app = load(_APPS / "several_apis" / "template.yaml")
    assert app.warnings == ()
    async with running(app, logs) as emulator, httpx.AsyncClient() as client:
        public, internal = emulator.gateway_urls["PublicApi"], emulator.gateway_urls["InternalApi"]
        answer = await client.get(f"{public}/v1/a", headers={"origin": "https://a.example"})
        assert answer.json() == {
            "name": "shop",
            "route": "$default",
            "path": "/v1/a",
            "all": "shop+admin",
            "debug": "1",
        }
        assert answer.headers["access-control-allow-origin"] == "*"
        answer = await client.get(f"{internal}/internal-dev/a")
        assert (answer.json()["name"], answer.json()["route"]) == ("admin", "ANY /{proxy+}")
        assert (await client.get(f"{internal}/v1/a")).status_code == 404


async def test_functions_of_cloudformation(logs: LogKeeper) -> None:
    app = load(_APPS / "plain_lambda" / "template.yaml")
    assert set(app.functions) == {"adder", "doubler"}
    elsewhere, table, url = sorted(app.warnings, key=lambda text: int(text.split(":")[1]))
    assert "Fn::ImportValue needs another stack" in elsewhere
    assert elsewhere.endswith("; Elsewhere is left out")
    assert "the emulator does not run AWS::DynamoDB::Table" in table
    assert "the emulator does not run AWS::Lambda::Url" in url
    async with running(app, logs) as emulator:
        client = boto3.client("lambda", endpoint_url=emulator.lambda_url)
        for name, expected in (("adder", 5), ("doubler", 4)):
            answer = await asyncio.to_thread(
                client.invoke, FunctionName=name, Payload=json.dumps({"a": 2, "b": 3})
            )
            assert json.loads(answer["Payload"].read()) == expected
