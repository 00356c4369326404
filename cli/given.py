"""The servers that the environment gives in the place of ours, looked at before any start."""

from __future__ import annotations

import os
import socket
from urllib.parse import urlsplit

from cli.errors import Failure

_TIMEOUT_S = 5.0
_SERVERS = {
    "DATABASE_URL": (("postgres", "postgresql"), 5432),
    "VALKEY_URL": (("redis", "rediss", "valkey", "valkeys"), 6379),
    "AWS_ENDPOINT_URL": (("http", "https"), 443),
}


def check_given() -> None:
    """Raise Failure, in one sentence, for a URL that is malformed or where nobody answers."""
    for variable, (schemes, default_port) in _SERVERS.items():
        if url := os.environ.get(variable):
            _check(variable, url, schemes, default_port)


def _check(variable: str, url: str, schemes: tuple[str, ...], default_port: int) -> None:
    # The URL itself may hold a password: only host and port are repeated.
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or (80 if parts.scheme == "http" else default_port)
    except ValueError:
        raise Failure(f"{variable} is not a URL.") from None
    if parts.scheme not in schemes or host is None:
        example = f"{schemes[-1] if variable == 'DATABASE_URL' else schemes[0]}://host:port"
        raise Failure(f"{variable} is not a URL such as {example}.")
    try:
        socket.create_connection((host, port), timeout=_TIMEOUT_S).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise Failure(
            f"Nobody answers at {host}:{port}, where {variable} points: {reason}. "
            "Start that server, or unset the variable to have one started here."
        ) from error
