"""What a function returned to HTTP response, payload formats 2.0 and 1.0.

Source: API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs", and what
was recorded on AWS (tests/conformance).
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from emulator.http1 import JSON_TYPE, Header

_TEXT_TYPE: Header = (b"content-type", b"text/plain; charset=utf-8")
# What belongs to the connection is the gateway's to say.
_NOT_THE_FUNCTIONS = frozenset(
    {b"connection", b"content-length", b"transfer-encoding", b"keep-alive", b"upgrade"}
)
# RFC 9110: a name is a token.
_NAME_EXTRA = frozenset("!#$%&'*+-.^_`|~")


_STATUS = re.compile("[0-9]{3}")


class Malformed(Exception):
    """A result that API Gateway answers with 500: `Internal Server Error`."""


@dataclass(frozen=True)
class HttpAnswer:
    """An HTTP response without what the connection adds."""

    status: int
    headers: tuple[Header, ...]
    body: bytes


def infer(result: bytes) -> HttpAnswer:
    """The response for a function's result; raises Malformed.

    Without a `statusCode` the whole result is the body of a 200, said to be JSON; a JSON string is
    unquoted, and what is no JSON at all passes through.
    """
    try:
        value = _parsed(result)
    except (json.JSONDecodeError, UnicodeDecodeError):
        return HttpAnswer(200, (JSON_TYPE,), result)
    if not isinstance(value, dict) or "statusCode" not in value:
        body = _encoded(value, "the result") if isinstance(value, str) else result
        return HttpAnswer(200, (JSON_TYPE,), body)
    headers = _with_type(_headers(value.get("headers")))
    headers += _cookies(value.get("cookies"))
    return HttpAnswer(_status(value["statusCode"]), tuple(headers), _body(value))


def infer_v1(result: bytes) -> HttpAnswer:
    """The response for a result in payload format 1.0, where nothing is guessed; raises Malformed.

    A header may have several values; that in `headers` comes before those in `multiValueHeaders`,
    as aws-lambda-dotnet recorded on HTTP APIs (V1_CombinesSingleAndMultiValueHeaders; REST APIs
    have them the other way round).
    """
    try:
        value = _parsed(result)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"the result is no JSON: {error}") from error
    if not isinstance(value, dict) or "statusCode" not in value:
        raise Malformed("the result must be an object with a statusCode")
    many = value.get("multiValueHeaders") or {}
    if not isinstance(many, dict) or not all(isinstance(values, list) for values in many.values()):
        raise Malformed("multiValueHeaders must be an object of lists")
    headers = _headers(value.get("headers"))
    headers += [header for name in many for item in many[name] for header in _headers({name: item})]
    headers = _with_type(headers)
    return HttpAnswer(_status(value["statusCode"]), tuple(headers), _body(value))


def _parsed(result: bytes) -> Any:
    """A result's value; raises JSONDecodeError or UnicodeDecodeError for what is no JSON."""
    try:
        return json.loads(result)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except (ValueError, RecursionError) as error:  # JSON, of numbers too long or lists too deep
        raise Malformed(f"the result cannot be read: {error}") from None


def _encoded(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise Malformed(f"{what} has half of a surrogate pair") from None


def _with_type(headers: list[Header]) -> list[Header]:
    if not any(name == b"content-type" for name, _ in headers):
        headers.append(_TEXT_TYPE)
    return headers


def _status(value: Any) -> int:
    if isinstance(value, str) and _STATUS.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 200 <= value <= 599:
        raise Malformed(f"statusCode {value!r:.100}")
    return value


def _headers(value: Any) -> list[Header]:
    if value is None:
        return []
    if not isinstance(value, dict):
        raise Malformed("headers must be an object")
    headers: list[Header] = []
    for name, content in value.items():
        lowered = _header_name(name)
        if content is not None and lowered not in _NOT_THE_FUNCTIONS:
            headers.append((lowered, _header_value(content)))
    return headers


@lru_cache(maxsize=1_024)
def _header_name(name: str) -> bytes:
    if not name.isascii() or not all(c.isalnum() or c in _NAME_EXTRA for c in name):
        raise Malformed(f"header name {name!r:.100}")
    return name.lower().encode("ascii")


def _header_value(content: Any) -> bytes:
    if isinstance(content, dict | list):
        raise Malformed("a header's value must be a string, a number or a boolean")
    text = content if isinstance(content, str) else json.dumps(content)
    if "\r" in text or "\n" in text or "\0" in text:
        raise Malformed("a header's value must be one line")
    return _encoded(text.strip(), "a header's value")


def _cookies(value: Any) -> list[Header]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(cookie, str) for cookie in value):
        raise Malformed("cookies must be a list of strings")
    return [(b"set-cookie", _header_value(cookie)) for cookie in value]


def _body(value: dict[str, Any]) -> bytes:
    body = value.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise Malformed("body must be a string")
    if value.get("isBase64Encoded") is True:
        try:
            return base64.b64decode(body, validate=True)
        except ValueError as error:  # binascii.Error is one
            raise Malformed(f"body is no base64: {error}") from error
    return _encoded(body, "body")
