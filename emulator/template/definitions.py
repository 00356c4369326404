"""Routes that an HTTP API's OpenAPI definition declares.

Source: API Gateway developer guide, "OpenAPI extensions for API Gateway".
"""

from __future__ import annotations

from collections.abc import Iterator

from emulator.template.authorization import INVOCATION_URI, Authorization
from emulator.template.model import Route
from emulator.template.properties import Properties
from emulator.template.source import Map
from emulator.template.stack import Stack

_INTEGRATION = "x-amazon-apigateway-integration"
_CORS = "x-amazon-apigateway-cors"
_ANY = "x-amazon-apigateway-any-method"
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", _ANY)


class Definition:
    """An OpenAPI document, whose extensions say what serves its operations."""

    def __init__(self, stack: Stack, document: Properties) -> None:
        self._stack = stack
        self._document = document

    def add_authorizers(self, authorization: Authorization) -> None:
        """Make its security schemes known."""
        schemes = self._document.section("components").section("securitySchemes")
        for name in schemes:
            authorization.add_scheme(name, schemes)

    def routes(self, authorization: Authorization) -> Iterator[Route]:
        """Yield the routes that can be served; what cannot be is told."""
        if _CORS in self._document:
            reason = f"{self._document.where}: {_CORS} is not read; write CorsConfiguration"
            self._stack.warn(self._document.line(_CORS), reason)
        paths = self._document.section("paths")
        for path in paths:
            methods = paths.section(path)
            for method in methods:
                if method in _METHODS:
                    verb = "ANY" if method == _ANY else method.upper()
                    key = path if path == "$default" else f"{verb} {path}"
                    with self._stack.leaving_out(key):
                        route = self._route(key, methods.section(method), authorization)
                        if route is not None:
                            yield route

    def _route(self, key: str, operation: Properties, authorization: Authorization) -> Route | None:
        integration = operation.section(_INTEGRATION)
        kind = (integration.text("type") or "").lower()
        if kind != "aws_proxy" or "integrationSubtype" in integration:
            reason = f"{key}: only aws_proxy integrations of functions are emulated; it is left out"
            self._stack.warn(operation.raw.line, reason)
            return None
        uri = integration.required_text("uri")
        function = authorization.function((INVOCATION_URI.fullmatch(uri) or ("", uri))[1])
        if function is None:
            reason = f"{key}: its function is not run here; it is left out"
            self._stack.warn(integration.line("uri"), reason)
            return None
        version = integration.text("payloadFormatVersion") or "1.0"
        if version not in ("1.0", "2.0"):
            raise integration.fail("payloadFormatVersion", "must be 1.0 or 2.0")
        timeout_ms = integration.integer("timeoutInMillis", minimum=50, maximum=30_000)
        return Route(
            key,
            function,
            timeout_ms or 30_000,
            payload_version=version,
            protection=authorization.named(key, self._security(operation), operation.raw.line),
        )

    def _security(self, operation: Properties) -> str | None:
        """Return the name of the scheme that protects an operation."""
        holder = operation if "security" in operation.raw else self._document
        for requirement in holder.items("security"):
            if isinstance(requirement, Map):
                for name in requirement:
                    return name
        return None
