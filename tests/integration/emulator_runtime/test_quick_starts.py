"""SAM apps in the manner of `sam init` and of AWS's documentation, run as they are."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import boto3
import httpx
import pytest

from emulator.app import Addresses, Emulator
from emulator.runtime import RuntimeSettings
from emulator.services.ports import is_free
from emulator.template.parse import load
from tests.emulator_harness import LogKeeper, running

_APPS = Path(__file__).parents[2] / "fixtures" / "quick_starts"


async def test_hello_world(logs: LogKeeper) -> None:
    app = load(_APPS / "hello_world" / "template.yaml")
    assert app.warnings == ()
    assert app.http_apis[0].routes[0].throttle.burst == 20
    async with running(app, logs) as emulator, httpx.AsyncClient(timeout=60) as client:
        answer = await client.get(f"{emulator.gateway_url}/hello")
        assert (answer.status_code, answer.json()) == (200, {"message": "hello world"})
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_openapi_in_a_file(logs: LogKeeper) -> None:
    app = load(_APPS / "openapi" / "template.yaml", {"Stage": "prod"})
    assert app.warnings == ()
    async with running(app, logs) as emulator, httpx.AsyncClient(timeout=60) as client:
        url = f"{emulator.gateway_url}/prod/pets/rex"
        assert (await client.get(url)).json() == {"name": "rex", "version": "2.0"}
        answer = await client.post(url)
        assert (answer.status_code, answer.json()) == (201, {"name": "rex", "version": "1.0"})
        assert answer.headers.get_list("x-many") == ["1", "2"]


async def test_several_apis(logs: LogKeeper) -> None:
    app = load(_APPS / "several_apis" / "template.yaml")
    assert app.warnings == ()
    async with running(app, logs) as emulator, httpx.AsyncClient(timeout=60) as client:
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


@pytest.mark.parametrize(
    ("gateway", "api", "public", "internal", "said"),
    [
        (0, 1, 0, 2, "InternalApi: http://127.0.0.1:{2} (port {1} is Lambda's)"),
        (0, 5, 0, 1, "InternalApi: http://127.0.0.1:{1}"),
        (0, 0, 1, 2, "PublicApi: http://127.0.0.1:{1} (port {0} is Lambda's)"),
    ],
)
async def test_no_api_takes_lambdas_port(
    logs: LogKeeper, gateway: int, api: int, public: int, internal: int, said: str
) -> None:
    app = load(_APPS / "several_apis" / "template.yaml")
    block = _free_block(6)
    addresses = Addresses("127.0.0.1", block[gateway], block[api])
    settings = RuntimeSettings(reload=False)
    emulator = Emulator(app, logs, addresses=addresses, settings=settings)
    await emulator.start()
    await emulator.stop()
    assert emulator.lambda_url == f"http://127.0.0.1:{block[api]}"
    assert list(emulator.gateway_urls.values()) == [
        f"http://127.0.0.1:{block[port]}" for port in (public, internal)
    ]
    assert f"HTTP API {said.format(*block)}" in logs.texts()


def _free_block(count: int) -> list[int]:
    """Ports in a row that nobody listens on, below those that the system gives out."""
    while True:
        first = random.randrange(15_000, 30_000)
        block = list(range(first, first + count))
        if all(map(is_free, block)):
            return block


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
