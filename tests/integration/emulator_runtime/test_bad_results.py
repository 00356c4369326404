"""Results that no HTTP response can be made of: 500 and a log line, never a client that waits.

Source: API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs": a result
that is no valid response is answered with 500, `Internal Server Error`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from emulator.app import Emulator
from emulator.runtime import RuntimeSettings
from emulator.template.model import Route
from tests.emulator_harness import LogKeeper, function_of, hello_app, running
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Returns what it is told, word for word; nested lists are made here, as no parser would read them.
_CODE = """
import json, sys
sys.setrecursionlimit(100_000)
def handler(event, context):
    body = json.loads(event["body"])
    if isinstance(body, dict) and "deep" in body:
        nested = []
        for _ in range(body["deep"]):
            nested = [nested]
        return nested
    return body
"""
_NEVER = [
    "\ud800",
    {"statusCode": 200, "headers": {"x": "\ud800"}},
    {"statusCode": 200, "headers": {"\ud800": "x"}},
    {"statusCode": 200, "headers": {"x": "a\r\nb"}},
    {"statusCode": 200, "headers": {"x": ["a"]}},
    {"statusCode": 200, "headers": [1]},
    {"statusCode": 200, "cookies": ["\ud800"]},
    {"statusCode": 200, "cookies": "a=1"},
    {"statusCode": 200, "isBase64Encoded": True, "body": "é"},
    {"statusCode": 200, "isBase64Encoded": True, "body": "x"},
    {"statusCode": 200, "body": {"a": 1}},
    {"statusCode": "9" * 5000},
    {"statusCode": 10**4000},
    {"statusCode": 99},
    {"statusCode": "²00"},
    {"statusCode": None},
    {"deep": 985},
    {"deep": 1_000},
    {"deep": 20_000},
]
_CALLS = 3_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def teller(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Emulator]:
    folder = tmp_path_factory.mktemp("teller")
    (folder / "app.py").write_text(_CODE)
    app = hello_app()
    routes = (Route("POST /2", "teller"), Route("POST /1", "teller", payload_version="1.0"))
    api = dataclasses.replace(app.http_apis[0], routes=routes)
    app = dataclasses.replace(
        app, http_apis=(api,), functions={"teller": function_of("teller", folder)}
    )
    settings = RuntimeSettings(max_environments=1, reload=False)
    async with running(app, LogKeeper(), settings) as emulator:
        yield emulator


async def _told(client: httpx.AsyncClient, emulator: Emulator, version: int, result: Any) -> int:
    answer = await client.post(
        f"{emulator.gateway_url}/{version}",
        content=json.dumps(result),
        headers={"content-type": "application/json"},
    )
    if answer.status_code == 500:
        assert answer.json() == {"message": "Internal Server Error"}
        assert "apigw-requestid" in answer.headers
    return answer.status_code


@pytest.mark.parametrize(
    ("version", "result"),
    [(2, result) for result in _NEVER]
    # Format 1.0 knows no cookies.
    + [(1, result) for result in _NEVER if not isinstance(result, dict) or "cookies" not in result],
    ids=lambda value: repr(value)[:40],
)
async def test_no_response(teller: Emulator, version: int, result: Any) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        assert await _told(client, teller, version, result) == 500


async def test_nothing_is_left_after_thousands_of_bad_results(teller: Emulator) -> None:
    results = [_NEVER[number % len(_NEVER)] for number in range(_CALLS)]
    waiting = iter(results)

    async with httpx.AsyncClient(timeout=60) as client:

        async def bad_calls() -> None:
            for result in waiting:
                assert await _told(client, teller, 2, result) == 500

        await asyncio.gather(*(_told(client, teller, 2, "warm") for _ in range(4)))
        before = _descriptors()
        await asyncio.gather(*(bad_calls() for _ in range(4)))
        assert await _told(client, teller, 2, {"statusCode": 201}) == 201
        await eventually(lambda: _descriptors() <= before)
    assert teller.runtime.pool("teller").in_flight == 0


def _descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
