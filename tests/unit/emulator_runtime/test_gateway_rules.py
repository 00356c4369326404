"""Responses, throttling, CORS and log lines, without any process."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.gateway import response
from emulator.gateway.context import AccessLogFormat
from emulator.gateway.policy import Policy
from emulator.gateway.routes import RouteTable
from emulator.gateway.throttle import TokenBucket, bucket
from emulator.runtime.lines import MAX_LINE_BYTES, LineSplitter
from emulator.template.model import Route, Throttle


def _answer(**result: object) -> response.HttpAnswer:
    return response.infer(json.dumps({"statusCode": 200, **result}).encode())


def test_cookies_become_set_cookie_headers() -> None:
    answer = _answer(cookies=["a=1; Path=/", "b=2"])
    assert [v for n, v in answer.headers if n == b"set-cookie"] == [b"a=1; Path=/", b"b=2"]


def test_base64_body_is_decoded() -> None:
    assert _answer(body="AQIDBAU=", isBase64Encoded=True).body == b"\x01\x02\x03\x04\x05"


def test_numbers_and_booleans_are_header_values() -> None:
    headers = dict(_answer(headers={"X-N": 5, "X-B": True, "X-Null": None}).headers)
    assert headers[b"x-n"] == b"5"
    assert headers[b"x-b"] == b"true"
    assert b"x-null" not in headers


def test_the_connection_is_not_the_functions_to_manage() -> None:
    headers = dict(_answer(headers={"Content-Length": "99", "Connection": "close"}).headers)
    assert set(headers) == {b"content-type"}


@pytest.mark.parametrize(
    "result",
    [
        {"statusCode": 99},
        {"statusCode": 600},
        {"statusCode": True},
        {"statusCode": None},
        {"statusCode": "abc"},
        {"headers": ["a"]},
        {"headers": {"a b": "c"}},
        {"headers": {"a": "b\r\nset-cookie: evil=1"}},
        {"headers": {"a": ["b"]}},
        {"cookies": "a=1"},
        {"body": {"not": "text"}},
        {"body": "???", "isBase64Encoded": True},
    ],
)
def test_malformed_results(result: dict[str, object]) -> None:
    with pytest.raises(response.Malformed):
        _answer(**result)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/", None),
        ("/a", "GET /a"),
        ("/b/", None),
        ("/b/x%2Fy", "GET /b/{id}"),
        ("/c/", None),
        ("/c/x/y", "GET /c/{rest+}"),
        ("", None),
        ("/", None),
    ],
)
def test_empty_segments_and_escaped_slashes(path: str, expected: str | None) -> None:
    table = RouteTable([Route(k, "f") for k in ("GET /a", "GET /b/{id}", "GET /c/{rest+}")])
    match = table.match("GET", path)
    assert (match.route.key if match else None) == expected


def test_a_less_specific_path_serves_a_method_that_the_specific_one_lacks() -> None:
    table = RouteTable([Route("POST /pets/dog", "f"), Route("GET /pets/{proxy+}", "f")])
    match = table.match("GET", "/pets/dog")
    assert match is not None
    assert match.path_parameters == {"proxy": "dog"}


def test_variables_are_decoded() -> None:
    match = RouteTable([Route("GET /{a}/x/{b+}", "f")]).match("GET", "/1%202/x/3/%34")
    assert match is not None
    assert match.path_parameters == {"a": "1 2", "b": "3/4"}


def test_bucket_gives_its_burst_and_then_its_rate() -> None:
    now = 0.0
    bucket = TokenBucket(Throttle(rate=2.0, burst=3), lambda: now)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    now = 0.5
    assert [bucket.take() for _ in range(2)] == [True, False]
    now = 100.0
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


def test_what_a_throttle_leaves_open_is_the_accounts() -> None:
    only_rate = TokenBucket(Throttle(rate=1.0), lambda: 0.0)
    assert sum(only_rate.take() for _ in range(6_000)) == 5_000
    assert not TokenBucket(Throttle(rate=5.0, burst=0), lambda: 0.0).take()
    assert bucket(Throttle(), Throttle(), lambda: 0.0) is None


def test_a_routes_throttle_goes_over_its_stages() -> None:
    limit = bucket(Throttle(burst=1), Throttle(rate=2.0, burst=9), lambda: 0.0)
    assert limit is not None
    assert [limit.take() for _ in range(2)] == [True, False]


_ARN = "arn:aws:execute-api:us-east-1:1:api/$default/GET/pets/1"


@pytest.mark.parametrize(
    ("statements", "allowed"),
    [
        ([("Allow", "execute-api:Invoke", _ARN)], True),
        ([("Allow", "*", "*")], True),
        ([("Allow", "execute-api:*", "arn:aws:execute-api:*:*:api/*/GET/*")], True),
        ([("Allow", "EXECUTE-API:invoke", "arn:aws:execute-api:us-east-?:1:api/*")], True),
        ([("Allow", "execute-api:ManageConnections", _ARN)], False),
        ([("Allow", "execute-api:Invoke", "arn:aws:execute-api:*:*:other/*")], False),
        ([("Allow", "execute-api:Invoke", _ARN.lower())], False),
        ([("Allow", "execute-api:Invoke", _ARN[:-1])], False),
        ([("Allow", "*", "*"), ("Deny", "execute-api:Invoke", _ARN)], False),
        ([("Allow", "*", "*"), ("Deny", "*", "*/POST/*")], True),
        ([("Deny", "*", "*")], False),
    ],
)
def test_policies(statements: list[tuple[str, str, str]], allowed: bool) -> None:
    document = {
        "Statement": [
            {"Effect": effect, "Action": action, "Resource": [resource, "arn:none"]}
            for effect, action, resource in statements
        ]
    }
    assert Policy(document).allows(_ARN) is allowed


def test_conditions_never_open_a_route() -> None:
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    condition = {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}
    assert not Policy({"Statement": allow | condition}).allows(_ARN)
    deny = allow | condition | {"Effect": "Deny"}
    assert not Policy({"Statement": [allow, deny]}).allows(_ARN)


def test_access_log_format() -> None:
    template = '{"id":"$context.requestId","to":"$context.identity.sourceIp"} $context.none.'
    line = AccessLogFormat(template).line({"requestId": "r", "identity.sourceIp": "::1"})
    assert line == '{"id":"r","to":"::1"} -.'


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_lines_do_not_depend_on_how_they_arrive(pieces: list[bytes]) -> None:
    whole: list[str] = []
    parts: list[str] = []
    one, many = LineSplitter(whole.append), LineSplitter(parts.append)
    one.feed(b"".join(pieces))
    one.flush()
    for piece in pieces:
        many.feed(piece)
    many.flush()
    assert parts == whole


def test_endless_line_is_cut() -> None:
    lines: list[str] = []
    splitter = LineSplitter(lines.append)
    for _ in range(10):
        splitter.feed(b"x" * 100_000)
    splitter.flush()
    assert "".join(lines) == "x" * 1_000_000
    assert max(map(len, lines)) <= MAX_LINE_BYTES
