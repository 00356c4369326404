"""Cross-origin resource sharing as an HTTP API does it: configured, the gateway answers itself.

Source: API Gateway developer guide, "Configure CORS for HTTP APIs".
"""

from __future__ import annotations

from collections.abc import Iterable

from emulator.http1 import Header, Request
from emulator.template.model import Cors

_PREFIX = b"access-control-"


class CorsPolicy:
    """The headers that an API's CORS configuration adds."""

    def __init__(self, cors: Cors) -> None:
        self._cors = cors
        self._always: list[Header] = []
        if cors.allow_credentials:
            self._always.append((b"access-control-allow-credentials", b"true"))
        if cors.expose_headers:
            self._always.append((b"access-control-expose-headers", _join(cors.expose_headers)))
        self._preflight: list[Header] = []
        if cors.allow_methods:
            self._preflight.append((b"access-control-allow-methods", _join(cors.allow_methods)))
        if cors.allow_headers:
            self._preflight.append((b"access-control-allow-headers", _join(cors.allow_headers)))
        if cors.max_age_s is not None:
            self._preflight.append((b"access-control-max-age", b"%d" % cors.max_age_s))

    @staticmethod
    def is_preflight(request: Request) -> bool:
        """Whether a browser asks what it may do."""
        return (
            request.method == "OPTIONS"
            and request.header(b"origin") is not None
            and request.header(b"access-control-request-method") is not None
        )

    def preflight(self, request: Request) -> list[Header]:
        """The headers of the answer to a preflight; none for an origin that is not allowed."""
        origin = self._origin(request)
        return [*origin, *self._always, *self._preflight] if origin else []

    def apply(self, request: Request, headers: Iterable[Header]) -> list[Header]:
        """A response's headers: the function's own CORS headers are ignored."""
        kept = [header for header in headers if not header[0].startswith(_PREFIX)]
        origin = self._origin(request)
        return [*kept, *origin, *self._always] if origin else kept

    def _origin(self, request: Request) -> list[Header]:
        origin = request.header(b"origin")
        if origin is None:
            return []
        text = origin.decode("latin-1")
        for allowed in self._cors.allow_origins:
            if allowed == "*":
                return [(b"access-control-allow-origin", b"*")]
            wildcard = allowed.endswith("://*") and text.startswith(allowed[:-1])
            if allowed == text or wildcard:
                return [(b"access-control-allow-origin", origin), (b"vary", b"origin")]
        return []


def _join(values: Iterable[str]) -> bytes:
    return ",".join(values).encode()
