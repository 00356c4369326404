"""Holds what the API answers against docs/openapi.json."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from tests.api import Api, Reply

ROOT = Path(__file__).parents[3]
DOCUMENT = json.loads((ROOT / "docs/openapi.json").read_text())
_UNLISTED = {"content-type", "content-length"}  # OpenAPI describes these by other means


def _closed(document: dict[str, Any]) -> dict[str, Any]:
    """The document with objects that take no other field than those listed.

    Clients are told to expect new fields; we want to know of every one that is not described.
    """
    copy: dict[str, Any] = json.loads(json.dumps(document))
    for schema in copy["components"]["schemas"].values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    return copy


CLOSED = _closed(DOCUMENT)


def documented_path(path: str) -> str:
    """The path in the document that a request's path belongs to, whatever its query."""
    path = path.partition("?")[0]
    for template in DOCUMENT["paths"]:
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            return str(template)
    raise AssertionError(f"no such path in the document: {path}")


def schema_at(*pointer: str) -> Draft202012Validator:
    """A validator for the schema at a place in the document."""
    escaped = "/".join(part.replace("~", "~0").replace("/", "~1") for part in pointer)
    return Draft202012Validator({**CLOSED, "$ref": f"#/{escaped}"})


def response_schema(method: str, path: str, status: str) -> Draft202012Validator:
    """A validator for the body of one response of one route."""
    place = ("paths", path, method.lower(), "responses", status)
    return schema_at(*place, "content", "application/json", "schema")


def check(method: str, path: str, reply: Reply) -> None:
    """Fail unless the document describes this answer: status, body and headers."""
    template, status = documented_path(path), str(reply.status)
    described = DOCUMENT["paths"][template][method.lower()]["responses"].get(status)
    assert described is not None, f"{method} {path} answers {status}, undescribed"
    assert reply.headers["content-type"] == "application/json", "not JSON"
    response_schema(method, template, status).validate(reply.json)
    listed = {name.lower(): name for name in described["headers"]}
    surplus = set(reply.headers) - set(listed) - _UNLISTED
    assert not surplus, f"{surplus} undescribed"
    for lower, name in listed.items():
        header = DOCUMENT["components"]["headers"][name]
        assert lower in reply.headers or not header.get("required"), f"{name} is missing"
        if lower in reply.headers:
            text = reply.headers[lower]
            value = int(text) if header["schema"].get("type") == "integer" else text
            Draft202012Validator(header["schema"]).validate(value)


class CheckedApi(Api):
    """Checks each answer before it hands it on."""

    def _call(self, method: str, path: str, body: str | bytes, headers: dict[str, str]) -> Reply:
        reply = super()._call(method, path, body, headers)
        check(method, path, reply)
        return reply
