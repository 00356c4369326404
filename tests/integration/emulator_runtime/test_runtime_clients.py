"""Runtime clients: what a handler and its caller see is what AWS's own client makes of it."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

from emulator.http1 import HttpServer, Request
from emulator.logs import Kind
from emulator.runtime import RuntimeSettings
from emulator.runtime.client.transport import ApiError, RuntimeApi
from emulator.runtime.clients import Client, choose, command
from tests.emulator_harness import LogKeeper, function_of, runtime_of
from tests.waiting import eventually

PROBES = Path(__file__).parents[2] / "fixtures" / "probes"
OURS = (Client.AWSLAMBDARIC, Client.PYTHON)
KINDS = (
    "everything",
    "numbers",
    "tuples",
    "unicode",
    "raw",
    "nothing",
    "moment",
    "cycle",
    "fail",
    "fail_chained",
    "speak",
    "large",
)
# Each is one way in which an environment does not come up.
HANDLERS = (
    "absent.handler",
    "lacks.handler",
    "probe.absent",
    "raises.handler",
    "exits.handler",
    "syntax.handler",
    "nodot",
    "sys.handler",
    "no/such.handler",
)
_VARYING = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\[\$LATEST\][0-9a-f]{32}"), "<stream>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z"), "<time>"),
    (re.compile(r"0x[0-9a-f]+"), "<address>"),
)


def _plain(text: str) -> str:
    for pattern, name in _VARYING:
        text = pattern.sub(name, text)
    return text


async def _seen(client: Client, environment: dict[str, str]) -> dict[str, Any]:
    """Every answer and every line, without what differs from one run to the next."""
    logs = LogKeeper()
    names = ["probe.handler", *(HANDLERS if not environment else ())]
    functions = [
        function_of(f"f{number}", PROBES, handler=handler, environment=environment, timeout_s=60)
        for number, handler in enumerate(names)
    ]
    seen: dict[str, Any] = {}
    settings = RuntimeSettings(reload=False, client=client, init_s=60)
    async with runtime_of(*functions, logs=logs, settings=settings) as runtime:
        for kind in KINDS:
            result = await runtime.invoke("f0", json.dumps({"probe": kind}).encode())
            seen[kind] = (result.function_error, _plain(result.payload.decode(errors="replace")))
        for function in functions[1:]:
            result = await runtime.invoke(function.name, b"{}")
            seen[function.handler] = (result.function_error, _plain(result.payload.decode()))
    for function in functions:
        seen[f"log of {function.handler}"] = [
            _plain(line.message)
            for line in logs.lines
            if line.function == function.name and line.kind is Kind.FUNCTION
        ]
    return seen


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"},
        {"AWS_LAMBDA_LOG_FORMAT": "Text", "AWS_LAMBDA_LOG_LEVEL": "ERROR"},
    ],
    ids=["plain", "json", "level"],
)
@pytest.mark.skipif(
    importlib.util.find_spec("awslambdaric") is None, reason="AWS's client is the measure"
)
async def test_all_clients_behave_as_awss_own(environment: dict[str, str]) -> None:
    wanted, *found = await asyncio.gather(
        *(_seen(client, environment) for client in (Client.LIBCURL, *OURS))
    )
    assert wanted["fail"][0] == "Unhandled"
    assert wanted["log of probe.handler"]
    for client, seen in zip(OURS, found, strict=True):
        for what, value in wanted.items():
            assert seen[what] == value, f"{client}: {what}"


@pytest.mark.parametrize("client", OURS)
async def test_a_response_that_is_refused_ends_the_client_not_the_caller(client: Client) -> None:
    logs = LogKeeper()
    settings = RuntimeSettings(reload=False, client=client)
    async with runtime_of(function_of("mishap"), logs=logs, settings=settings) as runtime:
        result = await runtime.invoke("mishap", b'{"kind":"big"}')
        assert json.loads(result.payload)["errorType"] == "Function.ResponseSizeTooLarge"
        result = await runtime.invoke("mishap", b'{"kind":"chatter"}')
        assert result.function_error is None


async def test_one_write_brings_the_answer_and_asks_for_more() -> None:
    """The server has both calls at once, and its receipt waits for what the second one brings."""
    parked: list[Request] = []

    def serve(request: Request) -> None:
        if request.method == "GET":
            parked.append(request)
            if len(parked) == 1:
                _invoke(request)
        else:
            request.may_wait = True
            request.respond_json(202, b"{}")

    def _invoke(request: Request) -> None:
        headers = [(b"Lambda-Runtime-Aws-Request-Id", b"one")]
        request.respond_json(200, b'{"n":1}', headers)

    server = HttpServer(serve)
    await server.listen("127.0.0.1")
    api = RuntimeApi(f"127.0.0.1:{server.port}")
    body, headers = await asyncio.to_thread(api.next)
    assert (body, headers["lambda-runtime-aws-request-id"]) == (b'{"n":1}', "one")
    api.respond("one", "application/json", b"null")
    waiting = asyncio.ensure_future(asyncio.to_thread(api.next))
    await eventually(lambda: len(parked) == 2)
    sent = api._socket
    assert sent is not None
    _invoke(parked[1])
    assert (await waiting)[0] == b'{"n":1}'
    await server.close()
    sent.close()


@pytest.mark.parametrize("size", [4, 100_000], ids=["with the next call", "at once"])
async def test_a_refused_result_is_an_error(size: int) -> None:
    def serve(request: Request) -> None:
        request.respond_json(400 if request.method == "POST" else 200, b"{}")

    server = HttpServer(serve)
    await server.listen("127.0.0.1")
    api = RuntimeApi(f"127.0.0.1:{server.port}")

    def answer_and_go_on() -> None:
        api.respond("one", "application/json", b"x" * size)
        api.next()

    with pytest.raises(ApiError, match="refused: status 400"):
        await asyncio.to_thread(answer_and_go_on)
    assert api._socket is not None
    api._socket.close()
    await server.close()


@pytest.mark.parametrize("client", [Client.AUTO, Client.PYTHON])
async def test_an_answer_that_is_too_large_leaves_no_traceback_of_ours(
    logs: LogKeeper, client: Client
) -> None:
    settings = RuntimeSettings(reload=False, client=client)
    async with runtime_of(function_of("mishap"), logs=logs, settings=settings) as runtime:
        await runtime.invoke("mishap", b'{"kind":"big"}')
        await logs.until(lambda line: line.message.startswith("[ERROR] LAMBDA_RUNTIME the result"))
        await eventually(lambda: not runtime.pool("mishap").environments)
    assert not any("Traceback" in text or "emulator" in text for text in logs.texts())


async def test_a_server_that_is_gone_is_an_error() -> None:
    server = HttpServer(lambda _request: None)
    await server.listen("127.0.0.1")
    api = RuntimeApi(f"127.0.0.1:{server.port}")
    asking = asyncio.ensure_future(asyncio.to_thread(api.next))
    await eventually(lambda: not server._drained.is_set())
    await server.close()
    with pytest.raises(ApiError, match="closed"):
        await asking
    assert api._socket is not None
    api._socket.close()


def test_the_choice_of_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert choose(Client.AUTO) is choose(Client.PYTHON) is Client.PYTHON
    with pytest.raises(ValueError, match="not installed"):
        choose(Client.LIBCURL)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert choose(Client.AUTO) is Client.AWSLAMBDARIC
    assert command(Client.LIBCURL, "app.handler")[1:] == ["-m", "awslambdaric", "app.handler"]
    assert command(Client.PYTHON, "app.handler")[-2:] == ["python", "app.handler"]


async def test_a_platform_without_awslambdaric_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    logs = LogKeeper()
    async with runtime_of(function_of("hello"), logs=logs) as runtime:
        assert (await runtime.invoke("hello", b"{}")).function_error is None
    assert any("awslambdaric is not installed" in text for text in logs.texts(Kind.PLATFORM))
