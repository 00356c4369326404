"""A function behind the HTTP API: finds the endpoint of an event, answers in one manner."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

from paywright.errors import NotFound, PaywrightError
from paywright.http.messages import Request, Response, new_request_id
from paywright.observability import get_logger, tell

Endpoint = Callable[..., Response]

_PARAMETER = re.compile(r"<(\w+)>")
_NOT_JSON = b"\xff"


class ApiFunction:
    """Routes API Gateway events (HTTP API, payload 2.0) to endpoints.

    An endpoint takes the request and its path parameters, and returns a response or raises a
    PaywrightError. Anything else that it raises is logged and answered with 500.
    """

    def __init__(self) -> None:
        self._routes: list[tuple[re.Pattern[str], Endpoint]] = []

    def post(self, path: str) -> Callable[[Endpoint], Endpoint]:
        """Serve POST requests of a path such as `/v1/payments/<payment_id>`."""
        pattern = re.compile(_PARAMETER.sub(r"(?P<\1>[^/]+)", path))

        def register(endpoint: Endpoint) -> Endpoint:
            self._routes.append((pattern, endpoint))
            return endpoint

        return register

    def __call__(self, event: dict[str, Any], _context: Any) -> dict[str, Any]:
        """The Lambda handler."""
        request = _request(event)
        response = answer(request, lambda: self._serve(request))
        return {
            "statusCode": response.status,
            "body": response.body,
            "isBase64Encoded": False,
            "headers": response.headers,
        }

    def _serve(self, request: Request) -> Response:
        if request.method == "POST":
            for pattern, endpoint in self._routes:
                if match := pattern.fullmatch(request.path):
                    return endpoint(request, **match.groupdict())
        raise NotFound


def answer(request: Request, serve: Callable[[], Response]) -> Response:
    """Serve a request and turn every error into the response that the conventions fix."""
    ids = {"request_id": request.request_id, "trace_id": request.trace_id}
    try:
        response = serve()
    except PaywrightError as error:
        if type(error).status >= 500:
            extra = {"code": error.code, **ids}
            get_logger().error("request failed", extra=extra, exc_info=error)
        response = Response.of_error(error, request)
    except Exception:
        get_logger().exception("request failed", extra=ids)
        response = Response.of_error(PaywrightError(), request)
    shown = {"method": request.method, "path": request.shown_path, "status": response.status}
    tell("request", **shown, **ids)
    return response.with_standard_headers(request)


def _request(event: dict[str, Any]) -> Request:
    around = event["requestContext"]
    http = around["http"]
    stage = around.get("stage", "$default")
    return Request(
        method=http["method"],
        # A stage with a name stands before the path.
        path=event["rawPath"]
        if stage == "$default"
        else event["rawPath"].removeprefix(f"/{stage}"),
        headers=event.get("headers") or {},
        body=_body(event),
        request_id=around.get("requestId") or new_request_id(),
        source_ip=http.get("sourceIp"),
    )


def _body(event: dict[str, Any]) -> bytes:
    body: str = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return body.encode(errors="surrogatepass")  # half a character is found out as no JSON
    try:
        return base64.b64decode(body)
    except (binascii.Error, ValueError):
        return _NOT_JSON  # the gateway makes none such; whatever it is, it is no JSON
