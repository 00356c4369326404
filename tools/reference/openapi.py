"""Makes the OpenAPI 3.1 document from the template's routes, the functions' models and the errors.

Source: OpenAPI Specification 3.1.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from itertools import groupby
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from emulator.template.parse import load
from paywright.errors import PaywrightError, RateLimited, catalogue
from paywright.event import API_VERSION
from tools.reference.objects import Error, id_pattern
from tools.reference.operation import Body, Operation, Schema
from tools.reference.operations import OPERATIONS
from tools.reference.schemas import Schemas

_ROOT = Path(__file__).parents[2]
# No route depends on these, but the template's own rules ask for them.
_PARAMETERS = {
    "ValkeyUrl": "redis://127.0.0.1",
    "DatabaseUrl": "postgresql://127.0.0.1",
    "HousekeepingDatabaseUrl": "postgresql://127.0.0.1",
    "PiiKey": "0" * 64,
}
_SCHEMAS = "#/components/schemas/"
_EXAMPLES = "#/components/examples/"
_REQUEST_ID = "req_5b1f0c7e9a42d86301f7b2ce"

_ABOUT: Final = """\
Card payments in many currencies, a double-entry ledger, signed webhooks.

Amounts are integers in the currency's minor unit. A request that was not answered is repeated with
the same Idempotency-Key: it has one effect and one answer. New fields may be added to objects at
any time. The errors are explained in docs/errors.md, the test cards in docs/testing.md."""

_HEADERS: Final[dict[str, Schema]] = {
    "Request-Id": {
        "description": "Names this request; quote it when you ask about it.",
        "required": True,
        "schema": {"type": "string"},
    },
    "X-Trace-Id": {
        "description": "The W3C trace id: that of `traceparent`, where it was sent.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    },
    "RateLimit-Limit": {
        "description": "How many requests a minute the merchant has.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "RateLimit-Remaining": {
        "description": "How many of them are left.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    },
    "RateLimit-Reset": {
        "description": "In how many seconds there are more.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0, "maximum": 60},
    },
    "Retry-After": {
        "description": "In how many seconds to try again.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "Idempotent-Replayed": {
        "description": "Present when this answer was given before, under the same key.",
        "schema": {"const": "true"},
    },
}
_STANDARD = ("Request-Id", "X-Trace-Id")
_QUOTA = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")

_KEY: Final[Schema] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Your name for this request. Kept for 24 hours after a success.",
    "schema": {"type": "string", "pattern": "^[ -~]{1,255}$"},
    "example": "order-1001",
}
_TRACE: Final[Schema] = {
    "name": "traceparent",
    "in": "header",
    "description": "W3C Trace Context; passed on with the payment's events.",
    "schema": {"type": "string"},
}


def document() -> Schema:
    """The document for the routes of `template.yaml`; KeyError for one that is not described."""
    paths: dict[str, Schema] = {}
    for method, path in routes():
        operation = OPERATIONS[f"{method} {path}"]
        paths.setdefault(path, {})[method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Paywright",
            "version": API_VERSION,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [
            {
                "url": "http://127.0.0.1:{port}",
                "description": "The laptop's gateway",
                "variables": {"port": {"default": "3000"}},
            },
            {
                "url": "https://{api}.execute-api.{region}.amazonaws.com",
                "description": "AWS",
                "variables": {"api": {"default": "api-id"}, "region": {"default": "us-east-1"}},
            },
        ],
        "security": [{"api_key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "api_key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`sk_test_…` sees test objects only, `sk_live_…` live ones.",
                }
            },
            "headers": _HEADERS,
            "schemas": _schemas(),
            "examples": {e.code: {"value": e().body(_REQUEST_ID)} for e in catalogue()},
        },
    }


def routes() -> list[tuple[str, str]]:
    """Method and path of every route that the template declares, by path."""
    template = load(_ROOT / "template.yaml", _PARAMETERS)
    keys = [route.key.split() for api in template.http_apis for route in api.routes]
    return sorted(((method, path) for method, path in keys), key=lambda route: (route[1], route[0]))


def _operation(operation: Operation) -> Schema:
    made: Schema = {
        "operationId": operation.endpoint.__name__,
        "summary": operation.endpoint.__doc__.rstrip("."),
        "parameters": _parameters(operation),
    }
    if operation.body is not None:
        made["requestBody"] = _request_body(operation.body)
    made["responses"] = {
        str(operation.status): _success(operation),
        **{str(status): _refusal(found) for status, found in _by_status(operation.errors)},
    }
    return made


def _parameters(operation: Operation) -> list[Schema]:
    found = [*operation.query, _TRACE]
    if operation.body is not None and operation.takes_key:
        found.insert(0, {**_KEY, "required": operation.body.key_required})
    if operation.id_prefix is not None:
        schema = {"type": "string", "pattern": id_pattern(operation.id_prefix)}
        found.insert(0, {"name": "id", "in": "path", "required": True, "schema": schema})
    return found


def _request_body(body: Body) -> Schema:
    examples = {name: {"value": value} for name, value in body.examples.items()}
    schema = {"$ref": _SCHEMAS + body.model.__name__}
    return {
        "required": body.required,
        "content": {"application/json": {"schema": schema, "examples": examples}},
    }


def _success(operation: Operation) -> Schema:
    replayed = ("Idempotent-Replayed",) if operation.takes_key else ()
    return {
        "description": HTTPStatus(operation.status).phrase,
        "headers": _header_references(*_STANDARD, *_QUOTA, *replayed),
        "content": {
            "application/json": {
                "schema": {"$ref": _SCHEMAS + operation.returns.__name__},
                "example": operation.example,
            }
        },
    }


def _refusal(found: list[type[PaywrightError]]) -> Schema:
    code = {"enum": [error.code for error in found]}
    narrowed = {"properties": {"error": {"properties": {"code": code}}}}
    retry = ("Retry-After",) if any(error.status in (409, 429) for error in found) else ()
    quota = _QUOTA if RateLimited in found else ()
    return {
        "description": "; ".join(f"`{error.code}`" for error in found),
        "headers": _header_references(*_STANDARD, *quota, *retry),
        "content": {
            "application/json": {
                "schema": {"allOf": [{"$ref": _SCHEMAS + "Error"}, narrowed]},
                "examples": {error.code: {"$ref": _EXAMPLES + error.code} for error in found},
            }
        },
    }


def _header_references(*names: str) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _by_status(
    found: Iterable[type[PaywrightError]],
) -> Iterable[tuple[int, list[type[PaywrightError]]]]:
    ordered = sorted(found, key=lambda error: (error.status, error.code))
    return ((status, list(group)) for status, group in groupby(ordered, lambda e: e.status))


def _schemas() -> Mapping[str, Schema]:
    bodies = [operation.body for operation in OPERATIONS.values() if operation.body is not None]
    shown = [operation.returns for operation in OPERATIONS.values()]
    types: list[type] = [*(body.model for body in bodies), *dict.fromkeys(shown), Error]
    _, made = TypeAdapter.json_schemas(
        [(kind.__name__, "validation", TypeAdapter(kind)) for kind in types],
        ref_template=_SCHEMAS + "{model}",
        schema_generator=Schemas,
    )
    schemas: dict[str, Schema] = made["$defs"]
    for body in bodies:
        fields = schemas[body.model.__name__]["properties"]
        for name, limits in body.limits.items():
            fields[name].update(limits)
    codes = [error.code for error in catalogue()]
    schemas["ErrorDetails"]["properties"]["code"]["enum"] = codes
    return schemas
