"""Requests that no client sends: each has its answer, and its connection goes on."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest

from tests.emulator_harness import LogKeeper, hello_app, running

_DEEP = b"[" * 100_000
_DIGITS = b"9" * 5_000
_SQS = b"x-amz-target: AmazonSQS.%b\r\ncontent-type: application/x-amz-json-1.0\r\n"
_EVENTS = b"x-amz-target: AWSEvents.%b\r\ncontent-type: application/x-amz-json-1.1\r\n"

_SCHEDULER = (
    b"authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/scheduler/aws4_request\r\n"
)


def _request(
    line: bytes, headers: bytes = b"", body: bytes = b"", host: bytes = b"localhost"
) -> bytes:
    length = b"content-length: %d\r\n" % len(body)
    return line + b" HTTP/1.1\r\nhost: " + host + b"\r\n" + headers + length + b"\r\n" + body


async def _statuses(url: str, request: bytes) -> list[int]:
    """The request's status, and that of an innocent one after it on the same connection."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    found = []
    for each in (request, _request(b"GET /innocent")):
        writer.write(each)
        async with asyncio.timeout(20):
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length or 0))
        found.append(int(head.split()[1]))
    writer.close()
    return found


_FUNCTION = b"/2015-03-31/functions/hello"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (_request(b"GET /2015-03-31/functions?Marker=" + _DIGITS), 400),
        (_request(b"GET /2015-03-31/functions?MaxItems=" + _DIGITS), 400),
        (_request(b"POST " + _FUNCTION + b"/invocations", body=_DEEP), 400),
        (_request(b"POST " + _FUNCTION + b"/invocations", body=b'"\xff"'), 400),
        (_request(b"POST " + _FUNCTION + b"/invocations", b"x-amz-client-context: W1tb\r\n"), 400),
        (_request(b"POST " + _FUNCTION + b"/invocations", b"x-amz-log-type: \xff\r\n"), 400),
        (_request(b"GET " + _FUNCTION + b"/aliases/%ff"), 404),
        (_request(b"GET /2015-03-31/functions/%00"), 400),
        (
            _request(
                b"POST /_emulator/clock", b"content-type: application/json\r\n", _DEEP[:4_000]
            ),
            400,
        ),
        (_request(b"POST /_emulator/clock", b"content-type: application/json\r\n", b"\xff"), 400),
    ],
    ids=lambda value: repr(value)[:60],
)
async def test_lambdas_api(logs: LogKeeper, request_bytes: bytes, status: int) -> None:
    async with running(hello_app(), logs) as emulator:
        assert await _statuses(emulator.lambda_url, request_bytes) == [status, 404]


@pytest.mark.parametrize(
    ("request_bytes", "statuses"),
    [
        (_request(b"POST /", _SQS % b"SendMessage", _DEEP), {400}),
        (_request(b"POST /", _SQS % b"ReceiveMessage", b'{"QueueUrl": "\\ud800"}'), {400}),
        (_request(b"POST /", _SQS % b"\xff", b"{}"), {400}),
        (
            _request(b"POST /", _SQS % b"SendMessage" + b"x-amzn-trace-id: \xff\r\n", b"{}"),
            {400, 500},
        ),
        (_request(b"POST /", _EVENTS % b"PutEvents", _DEEP), {400, 500}),
        (_request(b"POST /", _EVENTS % b"PutEvents", b'{"Entries": [1]}'), {400}),
        (
            _request(b"GET /schedules?NextToken=" + _DIGITS, _SCHEDULER),
            {200},
        ),
        (_request(b"GET /_emulator/schedules/version?after=" + _DIGITS), {200}),
        (_request(b"GET /", host=b"["), {400, 403, 500}),
    ],
    ids=lambda value: repr(value)[:60],
)
async def test_the_endpoint(
    aws_endpoint_url: str, request_bytes: bytes, statuses: set[int]
) -> None:
    status, _ = await _statuses(aws_endpoint_url, request_bytes)
    assert status in statuses
