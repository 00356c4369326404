"""How each route of this function is served: let in, answered in one manner, seen out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import fastapi

from paywright.errors import NotFound
from paywright.http.function import answer
from paywright.http.messages import Request, new_request_id
from paywright.ids import parse_typeid
from paywright.payments.models import Answer, Caller, RequestContext, to_json
from paywright.wiring import platform

Service = Callable[[Request, Caller, RequestContext], Answer]


async def serve(raw: fastapi.Request, service: Service) -> fastapi.Response:
    """Answer a request with a service; every error becomes the response that it stands for."""
    body = await raw.body()
    event: dict[str, Any] = raw.scope.get("aws.event", {})
    request = Request(
        method=raw.method,
        path=raw.url.path,
        headers=dict(raw.headers),
        body=body,
        request_id=event.get("requestContext", {}).get("requestId") or new_request_id(),
        source_ip=raw.client.host if raw.client else None,
    )
    response = answer(
        request,
        lambda: platform().gate.serve(
            request, lambda caller, context: service(request, caller, context)
        ),
    )
    return fastapi.Response(response.body, response.status, response.headers)


def shown(document: dict[str, Any]) -> Answer:
    """An object as the answer to a GET."""
    return Answer(200, to_json(document))


def id_in_path(prefix: str, text: str) -> UUID:
    """The id that a path names; raise NotFound for one that is none."""
    uuid = parse_typeid(prefix, text)
    if uuid is None:
        raise NotFound
    return uuid
