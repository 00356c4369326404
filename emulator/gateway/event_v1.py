"""HTTP request to Lambda event, payload format 1.0 as an HTTP API sends it.

Source: API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs", and what
was recorded on AWS (tests/conformance). Other than in format 2.0, absent values are null.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, unquote_plus

from emulator.gateway.event import (
    Question,
    Sighting,
    Verdict,
    body_text,
    domain_name,
    request_headers,
    request_time,
)
from emulator.http1 import Request
from emulator.template.model import HttpApi

# As the gateway itself writes these; other names arrive as HTTP/2 clients send them.
_WRITTEN = {
    name.lower(): name
    for name in (
        "Content-Length",
        "Content-Type",
        "Host",
        "User-Agent",
        "X-Amzn-Trace-Id",
        "X-Forwarded-For",
        "X-Forwarded-Port",
        "X-Forwarded-Proto",
    )
}
_NO_IDENTITY = dict.fromkeys(
    (
        "accessKey",
        "accountId",
        "caller",
        "cognitoAuthenticationProvider",
        "cognitoAuthenticationType",
        "cognitoIdentityId",
        "cognitoIdentityPoolId",
        "principalOrgId",
        "user",
        "userArn",
    )
)


class EventBuilderV1:
    """Builds the events of one API in payload format 1.0."""

    def __init__(self, api: HttpApi, account_id: str) -> None:
        self._api = api
        self._account_id = account_id

    def build(
        self,
        request: Request,
        route_key: str,
        path_parameters: Mapping[str, str],
        sighting: Sighting,
        verdict: Verdict | None = None,
    ) -> bytes:
        """The event, as JSON; `verdict` is what the route's authorizer said, if it has one."""
        event: dict[str, Any] = {"version": "1.0"}
        event |= self._common(request, route_key, path_parameters, sighting)
        if verdict is not None:
            told = dict(verdict.context or {})
            if verdict.principal_id is not None:
                told["principalId"] = verdict.principal_id
            event["requestContext"]["authorizer"] = told
        event["body"], event["isBase64Encoded"] = None, False
        if request.body:
            content_type = request.header(b"content-type")
            event["body"], event["isBase64Encoded"] = body_text(
                request.body, content_type.decode("latin-1") if content_type else None
            )
        return json.dumps(event).encode()

    def for_authorizer(
        self,
        request: Request,
        route_key: str,
        path_parameters: Mapping[str, str],
        sighting: Sighting,
        asked: Question,
    ) -> bytes:
        """The event that a Lambda authorizer of payload format 1.0 gets."""
        identity = ",".join(asked.identity)
        event: dict[str, Any] = {"version": "1.0", "type": "REQUEST", "methodArn": asked.arn}
        if asked.identity:
            event |= {"identitySource": identity, "authorizationToken": identity}
        event |= self._common(request, route_key, path_parameters, sighting)
        return json.dumps(event).encode()

    def _common(
        self,
        request: Request,
        route_key: str,
        path_parameters: Mapping[str, str],
        sighting: Sighting,
    ) -> dict[str, Any]:
        path, _, query = request.target.decode(errors="replace").partition("?")
        headers = _headers(request, sighting)
        parameters = _query_parameters(query)
        resource = route_key.partition(" ")[2] or route_key
        domain = domain_name(headers.get("Host", ["localhost"])[0])
        return {
            "resource": resource,
            "path": path,
            "httpMethod": request.method,
            "headers": {name: values[-1] for name, values in headers.items()},
            "multiValueHeaders": headers,
            "queryStringParameters": {n: v[-1] for n, v in parameters.items()} or None,
            "multiValueQueryStringParameters": parameters or None,
            "requestContext": {
                "accountId": self._account_id,
                "apiId": self._api.api_id,
                "domainName": domain,
                "domainPrefix": domain.partition(".")[0],
                "extendedRequestId": sighting.request_id,
                "httpMethod": request.method,
                "identity": {
                    **_NO_IDENTITY,
                    "sourceIp": request.peer,
                    "userAgent": headers.get("User-Agent", [""])[0],
                },
                "path": unquote(path),
                "protocol": "HTTP/1.1",
                "requestId": sighting.request_id,
                "requestTime": request_time(int(sighting.epoch_s)),
                "requestTimeEpoch": int(sighting.epoch_s * 1000),
                "resourceId": route_key,
                "resourcePath": resource,
                "stage": self._api.stage,
            },
            "pathParameters": dict(path_parameters) or None,
            "stageVariables": dict(self._api.stage_variables) or None,
        }


def _headers(request: Request, sighting: Sighting) -> dict[str, list[str]]:
    """Each header's values, cookies among them."""
    joined, _ = request_headers(request, sighting)
    headers = {_WRITTEN.get(name, name): [value] for name, value in joined.items()}
    for raw_name in {name for name, _ in request.headers if name not in _ADDED}:
        name = raw_name.decode("latin-1")
        if name in joined or name == "cookie":
            values = [v.decode("latin-1") for n, v in request.headers if n == raw_name]
            headers[_WRITTEN.get(name, name)] = values
    return headers


_ADDED = frozenset({b"x-forwarded-for", b"x-forwarded-port", b"x-forwarded-proto"})


def _query_parameters(query: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            found.setdefault(unquote_plus(name), []).append(unquote_plus(value))
    return found
