"""A function behind the HTTP API: Powertools routes the event, we answer in one manner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler import Response as PowertoolsResponse

from paywright.errors import PaywrightError
from paywright.http.messages import Request, Response, new_request_id
from paywright.observability import get_logger

Endpoint = Callable[..., Response]


class ApiFunction:
    """Routes API Gateway events (HTTP API, payload 2.0) to endpoints.

    An endpoint takes the request and its path parameters, and returns a response or raises a
    PaywrightError. Anything else that it raises is logged and answered with 500.
    """

    def __init__(self) -> None:
        self._resolver = APIGatewayHttpResolver()

    def post(self, path: str) -> Callable[[Endpoint], Endpoint]:
        """Serve POST requests of a path such as `/v1/payments/<payment_id>`."""

        def register(endpoint: Endpoint) -> Endpoint:
            def route(**parameters: str) -> PowertoolsResponse[str]:
                request = self._request()
                response = answer(request, lambda: endpoint(request, **parameters))
                return PowertoolsResponse(
                    status_code=response.status,
                    body=response.body,
                    headers=dict(response.headers),
                )

            self._resolver.post(path)(route)
            return endpoint

        return register

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """The Lambda handler."""
        return self._resolver.resolve(event, context)

    def _request(self) -> Request:
        event = self._resolver.current_event
        http = event.raw_event["requestContext"]["http"]
        try:
            # Powertools decodes base64 to text; a body that is not UTF-8 is not JSON either.
            body = (event.decoded_body or "").encode()
        except UnicodeDecodeError:
            body = b"\xff"
        return Request(
            method=http["method"],
            path=event.raw_event["rawPath"],
            headers=event.raw_event.get("headers") or {},
            body=body,
            request_id=event.raw_event["requestContext"].get("requestId") or new_request_id(),
            source_ip=http.get("sourceIp"),
        )


def answer(request: Request, serve: Callable[[], Response]) -> Response:
    """Serve a request and turn every error into the response that the conventions fix."""
    logger = get_logger()
    try:
        response = serve()
    except PaywrightError as error:
        if type(error).status >= 500:
            logger.error(
                "request failed",
                extra={"code": error.code, **_ids(request)},
                exc_info=error,
            )
        response = Response.of_error(error, request)
    except Exception:
        logger.exception("request failed", extra=_ids(request))
        response = Response.of_error(PaywrightError(), request)
    logger.info(
        "request",
        extra={
            "method": request.method,
            "path": request.shown_path,
            "status": response.status,
            **_ids(request),
        },
    )
    return response.with_standard_headers(request)


def _ids(request: Request) -> dict[str, str]:
    return {"request_id": request.request_id, "trace_id": request.trace_id}
