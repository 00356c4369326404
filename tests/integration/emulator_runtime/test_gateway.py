"""The gateway with real functions: errors, limits, throttling, CORS."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulator.logs import Kind
from emulator.template.model import Application, Cors, Route, Throttle
from tests.emulator_harness import LogKeeper, function_of, hello_app, running


def _with_api(app: Application, **changes: Any) -> Application:
    api = dataclasses.replace(app.http_apis[0], **changes)
    return dataclasses.replace(app, http_apis=(api,))


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=60) as client:
        yield client


async def test_hello(logs: LogKeeper, client: httpx.AsyncClient) -> None:
    async with running(hello_app(Greeting="ahoy"), logs) as emulator:
        answer = await client.get(f"{emulator.gateway_url}/hello/ann")
        assert (answer.status_code, answer.json()) == (200, {"message": "ahoy, ann"})
        assert answer.headers["content-type"] == "application/json"
        line = await logs.until(lambda line: line.kind is Kind.ACCESS)
    assert line.request_id == answer.headers["apigw-requestid"]
    assert (line.function, line.fields["status"]) == ("hello", 200)
    assert line.fields["route"] == "GET /hello/{name}"
    assert "GET /hello/ann 200" in line.message


@pytest.mark.parametrize("number", ["4242424242424242", "4242 4242 4242 4242", "3782-822463-10005"])
async def test_a_long_number_in_a_path_is_not_logged(
    number: str, logs: LogKeeper, client: httpx.AsyncClient
) -> None:
    async with running(hello_app(), logs) as emulator:
        await client.get(f"{emulator.gateway_url}/hello/a-{number}-12345678901?{number}")
        line = await logs.until(lambda line: line.kind is Kind.ACCESS)
    assert line.fields["path"] == "/hello/a-…"
    assert "GET /hello/a-… 200" in line.message


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "message"),
    [
        ("GET", "/nothing", {}, 404, "Not Found"),
        ("DELETE", "/hello", {}, 404, "Not Found"),
        ("GET", "/broken", {}, 500, "Internal Server Error"),
        ("POST", "/mishap", {"x-kind": "fail"}, 500, "Internal Server Error"),
        ("POST", "/mishap", {"x-kind": "leave"}, 500, "Internal Server Error"),
        ("POST", "/mishap", {"x-kind": "hang"}, 500, "Internal Server Error"),
        ("GET", "/hello", {"x-long": "y" * 10_241}, 431, "Request Header Fields Too Large"),
    ],
)
async def test_errors(
    logs: LogKeeper,
    client: httpx.AsyncClient,
    method: str,
    path: str,
    headers: dict[str, str],
    status: int,
    message: str,
) -> None:
    async with running(hello_app(), logs) as emulator:
        answer = await client.request(method, f"{emulator.gateway_url}{path}", headers=headers)
    assert (answer.status_code, answer.json()) == (status, {"message": message})
    assert answer.headers["content-type"] == "application/json"


async def test_body_limits(logs: LogKeeper, client: httpx.AsyncClient) -> None:
    async with running(hello_app(), logs) as emulator:
        url = f"{emulator.gateway_url}/echo/x"
        answer = await client.post(url, content=b"x" * (10 * 1024 * 1024 + 1))
        assert answer.status_code == 413
        assert answer.json() == {"message": "Request Entity Too Large"}
        text = json.dumps({"statusCode": 200, "body": "x" * 3_000_000})
        headers = {"x-return-body": "1", "content-type": "application/json"}
        answer = await client.post(url, content=text, headers=headers)
        assert (answer.status_code, len(answer.content)) == (200, 3_000_000)


async def test_function_runs_on_after_the_integration_timeout(
    logs: LogKeeper, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(
        "import time\ndef handler(e, c):\n    time.sleep(0.6)\n    print('done all the same')\n"
    )
    app = _with_api(hello_app(), routes=(Route("GET /slow", "slow", timeout_ms=300),))
    app = dataclasses.replace(app, functions={"slow": function_of("slow", tmp_path)})
    async with running(app, logs) as emulator:
        answer = await client.get(f"{emulator.gateway_url}/slow")
        assert (answer.status_code, answer.json()) == (503, {"message": "Service Unavailable"})
        await logs.until(lambda line: line.message == "done all the same")


async def test_throttled_function_is_unavailable(
    logs: LogKeeper, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text("import time\ndef handler(e, c): time.sleep(0.5)\n")
    function = function_of("one", tmp_path, reserved_concurrency=1)
    app = _with_api(hello_app(), routes=(Route("GET /", "one"),))
    async with running(dataclasses.replace(app, functions={"one": function}), logs) as emulator:
        url = f"{emulator.gateway_url}/"
        statuses = await asyncio.gather(*(client.get(url) for _ in range(3)))
    assert sorted(answer.status_code for answer in statuses) == [200, 503, 503]


@pytest.mark.parametrize("where", ["stage", "route"])
async def test_throttle(logs: LogKeeper, client: httpx.AsyncClient, where: str) -> None:
    limit = Throttle(rate=0.01, burst=2)
    app = hello_app()
    if where == "stage":
        app = _with_api(app, throttle=limit)
    else:
        app = _with_api(app, routes=(Route("GET /hello", "hello", throttle=limit),))
    async with running(app, logs) as emulator:
        url = f"{emulator.gateway_url}/hello"
        answers = [await client.get(url) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json() == {"message": "Too Many Requests"}


async def test_named_stage_is_part_of_the_path(logs: LogKeeper, client: httpx.AsyncClient) -> None:
    async with running(_with_api(hello_app(), stage="prod"), logs) as emulator:
        event = (await client.get(f"{emulator.gateway_url}/prod/echo/x")).json()
        assert event["rawPath"] == event["requestContext"]["http"]["path"] == "/prod/echo/x"
        assert event["requestContext"]["stage"] == "prod"
        assert event["pathParameters"] == {"proxy": "x"}
        assert (await client.get(f"{emulator.gateway_url}/echo/x")).status_code == 404


async def test_cors_is_the_gateways(logs: LogKeeper, client: httpx.AsyncClient) -> None:
    cors = Cors(
        allow_origins=("https://a.example",),
        allow_methods=("GET", "POST"),
        allow_headers=("x-key",),
        max_age_s=60,
        allow_credentials=True,
    )
    async with running(_with_api(hello_app(), cors=cors), logs) as emulator:
        url = f"{emulator.gateway_url}/echo/x"
        asked = {"origin": "https://a.example", "access-control-request-method": "POST"}
        answer = await client.options(url, headers=asked)
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == "https://a.example"
        assert answer.headers["access-control-allow-methods"] == "GET,POST"
        assert answer.headers["access-control-max-age"] == "60"
        refused = await client.options(url, headers=asked | {"origin": "https://b.example"})
        assert "access-control-allow-origin" not in refused.headers
        own = json.dumps({"statusCode": 200, "headers": {"access-control-allow-origin": "*"}})
        answer = await client.post(
            url,
            content=own,
            headers={
                "origin": "https://a.example",
                "x-return-body": "1",
                "content-type": "application/json",
            },
        )
    assert answer.headers.get_list("access-control-allow-origin") == ["https://a.example"]
    assert answer.headers["access-control-allow-credentials"] == "true"
