"""How an event finds its endpoint, and the line that each request leaves."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from paywright import observability
from paywright.errors import InvalidField
from paywright.http.function import ApiFunction
from paywright.http.messages import Request, Response

_function = ApiFunction()


@_function.post("/v1/things/<thing_id>/turn")
def _turn(request: Request, thing_id: str) -> Response:
    if request.document == "no":
        raise InvalidField("No.", param="body")
    if request.document == "broken":
        raise RuntimeError("on purpose")
    return Response(200, json.dumps([thing_id, request.document]))


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "things")
    observability._head.cache_clear()
    yield
    observability._head.cache_clear()


def _call(
    body: str = '"yes"',
    *,
    path: str = "/v1/things/a-1/turn",
    method: str = "POST",
    stage: str = "$default",
    encoded: bool = False,
) -> dict[str, Any]:
    event = {
        "rawPath": path if stage == "$default" else f"/{stage}{path}",
        "headers": {"content-type": "application/json"},
        "body": body,
        "isBase64Encoded": encoded,
        "requestContext": {
            "http": {"method": method, "sourceIp": "192.0.2.1"},
            "requestId": "request-1",
            "stage": stage,
        },
    }
    return _function(event, None)


@pytest.mark.parametrize("stage", ["$default", "live"])
def test_a_path_gives_its_parameters(stage: str) -> None:
    answered = _call(stage=stage)

    assert answered["statusCode"] == 200
    assert json.loads(answered["body"]) == ["a-1", "yes"]
    assert answered["headers"]["Request-Id"] == "request-1"


def test_a_body_may_come_in_base64() -> None:
    answered = _call(base64.b64encode('"jä"'.encode()).decode(), encoded=True)

    assert json.loads(answered["body"]) == ["a-1", "jä"]


@pytest.mark.parametrize(
    ("body", "encoded"),
    [("{", False), ("NaN", False), ("\ud800", False), ("_w==", True), ("/w==", True), ("x", True)],
)
def test_what_is_no_json_is_refused(body: str, encoded: bool) -> None:
    answered = _call(body, encoded=encoded)

    assert answered["statusCode"] == 400
    assert json.loads(answered["body"])["error"]["code"] == "malformed_json"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/things/a-1/turn/2"),
        ("POST", "/v1/things//turn"),
        ("POST", "/v1/things/a/b/turn"),
        ("GET", "/v1/things/a-1/turn"),
    ],
)
def test_other_paths_and_methods_are_unknown(method: str, path: str) -> None:
    assert _call(path=path, method=method)["statusCode"] == 404


def test_an_error_is_an_answer() -> None:
    assert _call('"no"')["statusCode"] == 400
    assert _call('"broken"')["statusCode"] == 500


def test_a_request_leaves_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    _call(path='/v1/4242424242424242/"')

    line = json.loads(capsys.readouterr().out)
    assert line.pop("timestamp").endswith("+00:00")
    assert line == {
        "level": "INFO",
        "message": "request",
        "service": "things",
        "method": "POST",
        "path": "/v1/…/…",
        "status": 404,
        "request_id": "request-1",
        "trace_id": Request("POST", "/", {}, b"", "request-1", None).trace_id,
    }


@pytest.mark.parametrize("name", ["LOG_LEVEL", "AWS_LAMBDA_LOG_LEVEL"])
def test_the_line_is_left_out_where_only_what_went_wrong_is_wanted(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, "WARNING")

    _call()

    assert capsys.readouterr().out == ""
