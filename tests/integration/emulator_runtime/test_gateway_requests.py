"""Requests as clients of every kind send them, to functions that return their event."""

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
from emulator.template.model import Route
from tests.emulator_harness import LogKeeper, function_of, hello_app, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

_ECHO = Path(__file__).parents[2] / "fixtures" / "guarded_app" / "functions" / "echo"
_BINARY = """
import base64
def handler(event, context):
    body = base64.b64encode(bytes(range(256))).decode()
    cookies = ["a=1; Path=/", "b=2"]
    headers = {"content-type": "image/png", "X-Own": "1,2"}
    return {"statusCode": 201, "headers": headers, "cookies": cookies, "body": body,
            "isBase64Encoded": True}
"""
_ROUTES = ("GET /only", "GET /things/{id}", "ANY /any/{proxy+}", "HEAD /head", "POST /post")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def echo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Emulator]:
    folder = tmp_path_factory.mktemp("binary")
    (folder / "app.py").write_text(_BINARY)
    app = hello_app()
    routes = (*(Route(key, "echo") for key in _ROUTES), Route("GET /binary", "binary"))
    api = dataclasses.replace(app.http_apis[0], routes=routes)
    functions = {"echo": function_of("echo", _ECHO), "binary": function_of("binary", folder)}
    app = dataclasses.replace(app, http_apis=(api,), functions=functions)
    async with running(app, LogKeeper()) as emulator:
        yield emulator


async def _send(emulator: Emulator, *pieces: bytes) -> bytes:
    """What a raw client reads until the gateway closes."""
    host, port = (emulator.gateway_url or "").removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
    async with asyncio.timeout(10):
        received = await reader.read()
    writer.close()
    return received


def _event(received: bytes) -> Any:
    return json.loads(received.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/only", 200),
        ("GET", "/only/", 404),
        ("GET", "//only", 404),
        ("GET", "/Only", 404),
        ("HEAD", "/only", 404),  # no route of its own, and none for ANY
        ("HEAD", "/head", 200),
        ("OPTIONS", "/only", 404),
        ("OPTIONS", "/any/x", 200),
        ("PATCH", "/any/x/y/", 200),
        ("GET", "/any/", 404),
        ("GET", "/", 404),
        ("TRACE", "/any/x", 200),
    ],
)
async def test_methods_and_slashes(echo: Emulator, method: str, target: str, status: int) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.request(method, f"{echo.gateway_url}{target}")
    assert answer.status_code == status
    if method == "HEAD":
        assert answer.content == b""


@pytest.mark.parametrize(
    ("target", "raw_path", "parameters"),
    [
        ("/things/a%2Fb", "/things/a/b", {"id": "a/b"}),
        ("/things/a+b", "/things/a+b", {"id": "a+b"}),
        ("/things/%7e%25", "/things/~%", {"id": "~%"}),
        ("/things/caf%C3%A9", "/things/café", {"id": "café"}),
        ("/any/a//b/", "/any/a//b/", {"proxy": "a//b/"}),
    ],
)
async def test_paths(
    echo: Emulator, target: str, raw_path: str, parameters: dict[str, str]
) -> None:
    request = f"GET {target} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n"
    event = _event(await _send(echo, request.encode()))
    assert event["rawPath"] == event["requestContext"]["http"]["path"] == raw_path
    assert event["pathParameters"] == parameters


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("a=1&a=2&b=", {"a": "1,2", "b": ""}),
        ("a", {"a": ""}),
        ("a=b=c", {"a": "b=c"}),
        ("q=x+y%2Bz", {"q": "x y+z"}),
        ("a%20b=%26", {"a b": "&"}),
        ("&&a=1&", {"a": "1"}),
        ("", None),
    ],
)
async def test_queries(echo: Emulator, query: str, parameters: dict[str, str] | None) -> None:
    request = f"GET /any/x?{query} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n"
    event = _event(await _send(echo, request.encode()))
    assert event["rawQueryString"] == query
    assert event.get("queryStringParameters") == parameters


async def test_request_line_and_headers_have_one_limit(echo: Emulator) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        url = f"{echo.gateway_url}/any/"
        assert (await client.get(url + "x" * 9_000)).status_code == 200
        refused = await client.get(url + "x" * 10_240)
        assert (refused.status_code, refused.json()) == (
            431,
            {"message": "Request Header Fields Too Large"},
        )
        half = {"x-half": "y" * 5_200}
        assert (await client.get(url + "x" * 5_200, headers=half)).status_code == 431
        assert (await client.get(url + "x", headers=half)).status_code == 200


async def test_an_event_that_lambda_would_not_take(echo: Emulator) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.post(f"{echo.gateway_url}/post", content=b"\0" * 5 * 1024 * 1024)
    assert (answer.status_code, answer.json()) == (413, {"message": "Request Entity Too Large"})


async def test_chunked_bodies(echo: Emulator) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    async with httpx.AsyncClient(timeout=60) as client:
        headers = {"content-type": "text/plain"}
        answer = await client.post(f"{echo.gateway_url}/post", content=pieces(), headers=headers)
    event = answer.json()
    assert (event["body"], event["isBase64Encoded"]) == ("one two", False)
    assert event["headers"]["content-length"] == "7"
    assert "transfer-encoding" not in event["headers"]


async def test_http_1_0_and_expect_continue(echo: Emulator) -> None:
    received = await _send(echo, b"GET /only HTTP/1.0\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 200 ")
    assert _event(received)["requestContext"]["http"]["protocol"] == "HTTP/1.1"
    head = b"POST /post HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 2\r\n"
    received = await _send(echo, head + b"connection: close\r\n\r\n", b"ok")
    assert received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")
    assert "expect" not in _event(received.partition(b"\r\n\r\n")[2])["headers"]


async def test_pipelined_requests_of_unequal_length(echo: Emulator) -> None:
    requests = [
        f"GET /any/{number}?{'x' * (number * 100)} HTTP/1.1\r\nhost: h\r\n".encode()
        for number in range(8)
    ]
    together = b"\r\n".join(requests) + b"connection: close\r\n\r\n"
    received = await _send(echo, together)
    decode = json.JSONDecoder().raw_decode
    events = [decode(part.decode())[0] for part in received.split(b"\r\n\r\n")[1:]]
    assert [event["pathParameters"]["proxy"] for event in events] == list("01234567")


async def test_slow_clients_hold_up_nobody(echo: Emulator) -> None:
    host, port = (echo.gateway_url or "").removeprefix("http://").split(":")
    slow = [await asyncio.open_connection(host, int(port)) for _ in range(200)]
    for _, writer in slow:
        writer.write(b"POST /post HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\nhalf")
    async with httpx.AsyncClient(timeout=60) as client:
        answers = [await client.get(f"{echo.gateway_url}/only") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 5
    for _, writer in slow:
        writer.close()


async def test_binary_answers(echo: Emulator) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.get(f"{echo.gateway_url}/binary")
    assert (answer.status_code, answer.content) == (201, bytes(range(256)))
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-own"] == "1,2"
    assert answer.headers.get_list("set-cookie") == ["a=1; Path=/", "b=2"]


async def test_the_request_context_is_complete(echo: Emulator) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        headers = {"host": "shop.example:8080", "user-agent": "me/1"}
        answer = await client.get(f"{echo.gateway_url}/only", headers=headers)
    context = answer.json()["requestContext"]
    assert (context["domainName"], context["domainPrefix"]) == ("shop.example", "shop")
    assert context["http"] == {
        "method": "GET",
        "path": "/only",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "me/1",
    }
    assert context["requestId"] == answer.headers["apigw-requestid"]
    assert context["accountId"] == "000000000000"
    assert context["apiId"] == echo.app.http_apis[0].api_id
    assert context["timeEpoch"] > 1_700_000_000_000
    assert context["time"].endswith(" +0000")
    forwarded = answer.json()["headers"]
    assert forwarded["x-forwarded-port"] == "8080"
    assert forwarded["x-forwarded-proto"] == "http"
    assert forwarded["x-forwarded-for"] == "127.0.0.1"
    assert forwarded["x-amzn-trace-id"].startswith("Root=1-")
