"""HTTP APIs as recorded on AWS: requests, responses, choice of route."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
import pytest_asyncio

from emulator.app import Emulator
from emulator.gateway import response
from emulator.gateway.routes import RouteTable
from emulator.template.model import Route
from tests.emulator_harness import LogKeeper, function_of, hello_app, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

_HERE = Path(__file__).parent
FIXTURES = _HERE.parents[1] / "fixtures"
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


def _of(cases: list[dict[str, Any]], api: str) -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in cases if case["api"] == api]


def _route_key(event: dict[str, Any]) -> str:
    return event.get("routeKey") or f"{event['httpMethod']} {event['resource']}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def echo() -> AsyncIterator[Emulator]:
    """An API with all recorded routes, answered by a function that returns its event."""
    routes = {"$default": Route("$default", "echo")}
    for case in _REQUESTS:
        key = _route_key(case["recorded_event"])
        version = "2.0" if case["api"].endswith("2.0") else "1.0"
        routes[key] = Route(key, "echo", payload_version=version)
    app = hello_app()
    api = dataclasses.replace(app.http_apis[0], routes=tuple(routes.values()))
    function = function_of("echo", FIXTURES / "guarded_app" / "functions" / "echo")
    app = dataclasses.replace(app, http_apis=(api,), functions={"echo": function})
    async with running(app, LogKeeper()) as emulator:
        yield emulator


async def _event_of(emulator: Emulator, method: str, target: str, **request: Any) -> Any:
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.request(method, f"{emulator.gateway_url}{target}", **request)
    assert answer.status_code == 200
    return answer.json()


async def _event_of_case(emulator: Emulator, case: dict[str, Any]) -> Any:
    request = case["request"]
    body = base64.b64decode(request["body_base64"]) if request["body_base64"] else b""
    return await _event_of(
        emulator, request["method"], request["target"], headers=request["headers"], content=body
    )


@pytest.mark.parametrize("case", _of(_REQUESTS, "http_api_payload_2.0"))
async def test_request_becomes_recorded_event(echo: Emulator, case: dict[str, Any]) -> None:
    recorded = case["recorded_event"]
    event = await _event_of_case(echo, case)
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


@pytest.mark.parametrize("case", _of(_REQUESTS, "http_api_payload_1.0"))
async def test_request_becomes_recorded_event_in_format_1(
    echo: Emulator, case: dict[str, Any]
) -> None:
    recorded = case["recorded_event"]
    event = await _event_of_case(echo, case)
    assert event["version"] == "1.0"
    for key in recorded.keys() - {"headers", "multiValueHeaders", "requestContext"}:
        assert event[key] == recorded[key], key
    assert set(recorded["headers"]) - {"Content-Type"} <= set(event["headers"])
    assert event["multiValueHeaders"]["Content-Length"] == ["0"]
    context, expected = event["requestContext"], recorded["requestContext"]
    # The recording's classes have fields of WebSocket APIs too.
    present = {key for key, value in expected.items() if value is not None} - {"connectedAt"}
    assert present <= set(context)
    assert set(expected["identity"]) - {"apiKey", "apiKeyId", "clientCert"} <= set(
        context["identity"]
    )
    for key in ("path", "resourceId", "resourcePath", "httpMethod", "stage"):
        assert context[key] == expected[key], key


@pytest.mark.parametrize("case", _of(_REQUESTS, "rest_api_1.0"))
async def test_format_1_agrees_with_what_rest_apis_send(
    echo: Emulator, case: dict[str, Any]
) -> None:
    """There are no REST APIs here; where both kinds agree, so must format 1.0 of HTTP APIs."""
    recorded = case["recorded_event"]
    # One recording names a path other than the one it says it was sent to.
    sent = {**case, "request": {**case["request"], "target": recorded["path"] + _query(case)}}
    event = await _event_of_case(echo, sent)
    for key in (
        "resource",
        "path",
        "httpMethod",
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "body",
        "isBase64Encoded",
    ):
        assert event[key] == recorded[key], key
    # The pins: a REST API leaves path parameters encoded, an HTTP API decodes them.
    decoded = {name: unquote(value) for name, value in recorded["pathParameters"].items()}
    assert event["pathParameters"] == decoded
    context, expected = event["requestContext"], recorded["requestContext"]
    for key in ("resourcePath", "httpMethod"):
        assert context[key] == expected[key]


def _query(case: dict[str, Any]) -> str:
    _, separator, query = case["request"]["target"].partition("?")
    return f"{separator}{query}"


@pytest.mark.parametrize("case", _of(_RESPONSES, "http_api_payload_2.0"))
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


@pytest.mark.parametrize("case", _of(_RESPONSES, "rest_api_1.0"))
async def test_format_1_answers_as_rest_apis_do(case: dict[str, Any]) -> None:
    """Recorded on REST APIs, which differ in two things: errors are 502, the type is JSON."""
    recorded = case["recorded_http"]
    try:
        answer = response.infer_v1(case["lambda_returns"].encode())
    except response.Malformed:
        assert recorded["status"] == 502
        return
    assert answer.status == recorded["status"]
    assert answer.body == recorded["body"].encode()
    expected = {
        name.lower(): values
        for name, values in recorded["headers"].items()
        if name != "Content-Length"
    }
    returned = json.loads(case["lambda_returns"])
    if "Content-Type" not in returned.get("headers", {}):
        expected["content-type"] = ["text/plain; charset=utf-8"]
    found: dict[str, list[str]] = {}
    for name, value in answer.headers:
        found.setdefault(name.decode(), []).append(value.decode())
    if "combined-header" in expected:
        # The same case, recorded on an HTTP API (V1_CombinesSingleAndMultiValueHeadersHttpV1.json).
        assert expected["combined-header"] == ["multi-value1", "multi-value2", "single-value"]
        expected["combined-header"] = ["single-value", "multi-value1", "multi-value2"]
    assert found == expected


async def test_format_1_guesses_nothing() -> None:
    """The pins: what is no object is an error, where format 2.0 makes it the body."""
    for result in (b'"text"', b"[1]", b"42", b"null", b'{"body": "x"}', b"{"):
        with pytest.raises(response.Malformed):
            response.infer_v1(result)


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
