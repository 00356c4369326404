"""What two requests with one key have to share: method, path and what their bodies say."""

from __future__ import annotations

import pytest

from paywright.http.messages import Request

_BODY = '{"amount":100,"metadata":{"a":"é","b":"2"},"events":["x","y"]}'


def fingerprint(body: str = _BODY, method: str = "POST", path: str = "/v1/payments") -> bytes:
    return Request(method, path, {}, body.encode(), "r", None).fingerprint(b"key")


@pytest.mark.parametrize(
    "body",
    [
        '{"events":["x","y"],"metadata":{"b":"2","a":"é"},"amount":100}',
        '{\n  "amount": 100, "metadata": {"a": "é", "b": "2"}, "events": ["x", "y"]\n}\n',
        _BODY.replace("é", "\\u00e9").replace("amount", "\\u0061mount"),
    ],
)
def test_a_body_may_be_written_in_another_way(body: str) -> None:
    assert fingerprint(body) == fingerprint()


@pytest.mark.parametrize(
    "body",
    [
        _BODY.replace("100", "101"),
        _BODY.replace("100", '"100"'),
        _BODY.replace('"x","y"', '"y","x"'),
        _BODY.replace('"b":"2"', '"B":"2"'),
        _BODY.replace('"amount":100,', ""),
        "{}",
        "",
        "null",
        "[]",
    ],
)
def test_a_body_that_says_something_else_is_another_request(body: str) -> None:
    assert fingerprint(body) != fingerprint()


def test_so_is_another_path_or_method() -> None:
    assert fingerprint(path="/v1/customers") != fingerprint()
    assert fingerprint(method="PUT") != fingerprint()


def test_no_body_says_what_an_empty_object_does() -> None:
    assert fingerprint("") == fingerprint("{}") == fingerprint(" { } ")
    assert len({fingerprint(body) for body in ("", "null", "[]", '{"a":null}')}) == 4
