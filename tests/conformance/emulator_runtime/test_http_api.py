"""HTTP APIs as recorded on AWS: requests, responses, choice of route."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from emulator.app import Emulator
from emulator.gateway import response
from emulator.gateway.routes import RouteTable
from emulator.template.model import Route
from tests.emulator_harness import LogKeeper, hello_app, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

_HERE = Path(__file__).parent
# What names the host, the connection or the moment, and what the recording client added.
_IGNORED_HEADERS = {"host", "x-amzn-trace-id", "x-forwarded-for", "x-forwarded-port"} | {
    "x-forwarded-proto", "content-type", "accept", "accept-encoding", "user-agent"
}  # fmt: skip


def _cases(name: str) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads((_HERE / name).read_text())["cases"]
    return cases


_REQUESTS = _cases("recorded_requests.json")
_RESPONSES = _cases("recorded_responses.json")
_ROUTES = [
    (group["routes"], *case)
    for group in json.loads((_HERE / "route_selection.json").read_text())["sets"]
    for case in group["cases"]
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def echo() -> AsyncIterator[Emulator]:
    """An API with all recorded routes, answered by a function that returns its event."""
    app = hello_app()
    keys = {case["recorded_event"]["routeKey"] for case in _REQUESTS}
    routes = tuple(Route(key, "echo") for key in [*sorted(keys), "$default"])
    api = dataclasses.replace(app.http_apis[0], routes=routes)
    async with running(dataclasses.replace(app, http_apis=(api,)), LogKeeper()) as emulator:
        yield emulator


async def _event_of(emulator: Emulator, method: str, target: str, **request: Any) -> Any:
    async with httpx.AsyncClient() as client:
        answer = await client.request(method, f"{emulator.gateway_url}{target}", **request)
    assert answer.status_code == 200
    return answer.json()


@pytest.mark.parametrize("case", _REQUESTS, ids=lambda case: case["name"])
async def test_request_becomes_recorded_event(echo: Emulator, case: dict[str, Any]) -> None:
    request, recorded = case["request"], case["recorded_event"]
    body = base64.b64decode(request["body_base64"]) if request["body_base64"] else b""
    event = await _event_of(
        echo, request["method"], request["target"], headers=request["headers"], content=body
    )
    for key in ("version", "routeKey", "rawPath", "rawQueryString", "isBase64Encoded"):
        assert event[key] == recorded[key]
    # The recording kept absent keys as null.
    for key in ("cookies", "queryStringParameters", "pathParameters", "body", "stageVariables"):
        assert event.get(key) == recorded[key], key
        assert event.get(key, "absent") is not None, "AWS leaves out what it has not"
    headers = {k.lower(): v for k, v in recorded["headers"].items()}
    for name, value in headers.items():
        if name not in _IGNORED_HEADERS:
            assert event["headers"][name] == value
    assert set(headers) - {"content-type"} <= set(event["headers"])
    context, expected = event["requestContext"], recorded["requestContext"]
    assert set(context) == {key for key, value in expected.items() if value is not None}
    assert set(context["http"]) == set(expected["http"])
    for key in ("method", "path", "protocol"):
        assert context["http"][key] == expected["http"][key]
    assert context["routeKey"] == expected["routeKey"]
    assert context["stage"] == expected["stage"]


@pytest.mark.parametrize("case", _RESPONSES, ids=lambda case: case["name"])
async def test_result_becomes_recorded_response(case: dict[str, Any]) -> None:
    recorded = case["recorded_http"]
    try:
        answer = response.infer(case["lambda_returns"].encode())
    except response.Malformed:
        assert recorded["status"] == 500
        return
    assert answer.status == recorded["status"]
    assert answer.body == recorded["body"].encode()
    content_type = dict(answer.headers)[b"content-type"].decode()
    assert [content_type] == recorded["headers"]["Content-Type"]


@pytest.mark.parametrize(("routes", "method", "path", "expected"), _ROUTES)
async def test_route_selection(
    routes: list[str], method: str, path: str, expected: str | None
) -> None:
    match = RouteTable([Route(key, "f") for key in routes]).match(method, path)
    assert (match.route.key if match else None) == expected


# Verified on AWS by the authors of MiniStack (ministackorg/ministack, pull request 766).
@pytest.mark.parametrize(
    ("content_type", "is_text"),
    [
        ("text/plain", True),
        ("text/csv; charset=utf-8", True),
        ("application/json", True),
        ("application/json; charset=utf-8", True),
        ("application/xml", True),
        ("application/javascript", True),
        ("application/x-www-form-urlencoded", False),
        ("multipart/form-data; boundary=x", False),
        ("application/octet-stream", False),
        (None, False),
    ],
)
async def test_body_is_text_or_base64_by_type(
    echo: Emulator, content_type: str | None, is_text: bool
) -> None:
    headers = {"content-type": content_type} if content_type else {}
    event = await _event_of(echo, "POST", "/body", headers=headers, content=b"a=b")
    assert event["isBase64Encoded"] is not is_text
    assert event["body"] == ("a=b" if is_text else "YT1i")


async def test_duplicate_headers_join_and_cookies_stand_apart(echo: Emulator) -> None:
    headers = [("x-many", "1"), ("X-Many", "2"), ("cookie", "a=1; b=2"), ("cookie", "c=3")]
    event = await _event_of(echo, "GET", "/headers", headers=headers)
    assert event["headers"]["x-many"] == "1,2"
    assert "cookie" not in event["headers"]
    assert event["cookies"] == ["a=1", "b=2", "c=3"]


async def test_given_trace_id_is_passed_on(echo: Emulator) -> None:
    trace = "Root=1-67fd88a4-127eb8e773d2bb6f7df47ab6"
    event = await _event_of(echo, "GET", "/trace", headers={"x-amzn-trace-id": trace})
    assert event["headers"]["x-amzn-trace-id"] == trace


async def test_stage_variables_and_unicode(echo: Emulator) -> None:
    event = await _event_of(echo, "GET", "/caf%C3%A9?q=%E2%98%95&empty")
    assert event["rawPath"] == "/café"
    assert event["rawQueryString"] == "q=%E2%98%95&empty"
    assert event["queryStringParameters"] == {"q": "☕", "empty": ""}
    assert event["routeKey"] == "$default"
