"""HTTP request to Lambda event, payload format 2.0.

Source: API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs", and what
was recorded on AWS (tests/conformance). Keys that have nothing to say are absent, as on AWS.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii as _quote
from typing import Any
from urllib.parse import unquote, unquote_plus

from emulator.http1 import Request
from emulator.template.model import HttpApi

# Delivered as text on AWS; everything else, forms and requests without a type too, comes in base64.
_TEXT_TYPES = frozenset({"application/json", "application/xml", "application/javascript"})


@dataclass(frozen=True)
class Sighting:
    """What the gateway itself knows of a request."""

    request_id: str
    trace_id: str
    epoch_s: float


@dataclass(frozen=True)
class Verdict:
    """What came of asking an authorizer: `status` is 0 to let the request pass, else the refusal.

    `context` and `principal_id` are what it said of the caller, `error` why it could not be asked.
    """

    status: int
    context: Mapping[str, Any] | None = None
    principal_id: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class Question:
    """What an authorizer is asked about: a route's ARN and the values of its identity sources."""

    arn: str
    identity: tuple[str, ...]


def domain_name(host: str) -> str:
    """The name that a client called, of its Host header."""
    host = host.rpartition("@")[2]
    return host.rpartition(":")[0] or host


def is_text(content_type: str | None) -> bool:
    """Whether a body of this type reaches the function as it is, not in base64."""
    if not content_type:
        return False
    media = content_type.partition(";")[0].strip().lower()
    return media in _TEXT_TYPES or media.startswith("text/")


class EventBuilder:
    """Builds the events of one API.

    Text is joined from encoded parts, since this runs for every request: a third of the time that
    a dictionary and `json.dumps` take.
    """

    def __init__(self, api: HttpApi, account_id: str) -> None:
        self._context = f'"accountId":{_quote(account_id)},"apiId":{_quote(api.api_id)}'
        self._stage = _quote(api.stage)
        variables = json.dumps(dict(api.stage_variables), separators=(",", ":"))
        self._stage_variables = f',"stageVariables":{variables}' if api.stage_variables else ""

    def build(
        self,
        request: Request,
        route_key: str,
        path_parameters: Mapping[str, str],
        sighting: Sighting,
        verdict: Verdict | None = None,
    ) -> bytes:
        """The event, as JSON; `verdict` is what the route's authorizer said, if it has one."""
        authorizer = ""
        if verdict is not None:
            authorizer = f',"authorizer":{{"lambda":{json.dumps(verdict.context)}}}'
        parts = ['{"version":"2.0"']
        content_type = self._extend(parts, request, route_key, sighting, authorizer)
        if path_parameters:
            parts.append(f'"pathParameters":{_object(path_parameters)}')
        encoded = "false"
        if request.body:
            body, is_base64 = body_text(request.body, content_type)
            parts.append(f'"body":{_quote(body)}')
            encoded = "true" if is_base64 else "false"
        parts.append(f'"isBase64Encoded":{encoded}{self._stage_variables}}}')
        return ",".join(parts).encode()

    def for_authorizer(
        self,
        request: Request,
        route_key: str,
        path_parameters: Mapping[str, str],
        sighting: Sighting,
        asked: Question,
    ) -> bytes:
        """The event that a Lambda authorizer of payload format 2.0 gets."""
        parts = ['{"version":"2.0","type":"REQUEST"', f'"routeArn":{_quote(asked.arn)}']
        if asked.identity:
            parts.append(f'"identitySource":[{",".join(map(_quote, asked.identity))}]')
        self._extend(parts, request, route_key, sighting)
        if path_parameters:
            parts.append(f'"pathParameters":{_object(path_parameters)}')
        return (",".join(parts) + self._stage_variables + "}").encode()

    def _extend(
        self,
        parts: list[str],
        request: Request,
        route_key: str,
        sighting: Sighting,
        authorizer: str = "",
    ) -> str | None:
        """Add what integrations' and authorizers' events have in common; the body's type."""
        headers, cookies = request_headers(request, sighting)
        path, _, query = request.target.decode(errors="replace").partition("?")
        raw_path = _quote(unquote(path))
        domain = domain_name(headers.get("host", "localhost"))
        key = _quote(route_key)
        parts.append(f'"routeKey":{key},"rawPath":{raw_path},"rawQueryString":{_quote(query)}')
        if cookies:
            parts.append(f'"cookies":[{",".join(map(_quote, cookies))}]')
        parts.append(f'"headers":{_object(headers)}')
        if query:
            parts.append(f'"queryStringParameters":{_object(query_parameters(query))}')
        parts.append(
            f'"requestContext":{{{self._context}{authorizer},"domainName":{_quote(domain)},'
            f'"domainPrefix":{_quote(domain.partition(".")[0])},'
            f'"http":{{"method":{_quote(request.method)},"path":{raw_path},'
            f'"protocol":"HTTP/1.1","sourceIp":{_quote(request.peer)},'
            f'"userAgent":{_quote(headers.get("user-agent", ""))}}},'
            f'"requestId":{_quote(sighting.request_id)},"routeKey":{key},"stage":{self._stage},'
            f'"time":"{request_time(int(sighting.epoch_s))}",'
            f'"timeEpoch":{int(sighting.epoch_s * 1000)}}}'
        )
        return headers.get("content-type")


def _object(values: Mapping[str, str]) -> str:
    """A JSON object of strings."""
    return "{" + ",".join([f"{_quote(name)}:{_quote(v)}" for name, v in values.items()]) + "}"


def query_parameters(query: str) -> dict[str, str]:
    """Decoded parameters; the values of one name are joined by commas."""
    found: dict[str, str] = {}
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            name, value = unquote_plus(name), unquote_plus(value)
            found[name] = f"{found[name]},{value}" if name in found else value
    return found


def request_headers(request: Request, sighting: Sighting) -> tuple[dict[str, str], list[str]]:
    """The headers as functions see them, values of one name joined, and the cookies."""
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for raw_name, raw_value in request.headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name == "cookie":
            cookies += [cookie for part in value.split(";") if (cookie := part.strip())]
        elif name not in _HOP_BY_HOP:
            headers[name] = f"{headers[name]},{value}" if name in headers else value
    forwarded = headers.get("x-forwarded-for")
    headers["x-forwarded-for"] = f"{forwarded}, {request.peer}" if forwarded else request.peer
    host = headers.get("host", "")
    headers["x-forwarded-port"] = host.rpartition(":")[2] if ":" in host else "80"
    headers["x-forwarded-proto"] = "http"
    headers["x-amzn-trace-id"] = sighting.trace_id
    if request.body:
        headers["content-length"] = str(len(request.body))
    return headers, cookies


_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "upgrade", "expect", "te"}
)


def body_text(body: bytes, content_type: str | None) -> tuple[str, bool]:
    """The body as text, and whether that is base64."""
    if is_text(content_type):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode("ascii"), True


_time_cache: tuple[int, str] = (-1, "")


def request_time(second: int) -> str:
    """The time in the form of Apache's logs; one formatting a second is enough."""
    global _time_cache  # noqa: PLW0603
    if _time_cache[0] != second:
        _time_cache = (second, time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(second)))
    return _time_cache[1]
