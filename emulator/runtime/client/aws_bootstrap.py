"""AWS's own runtime client with its HTTP calls replaced.

awslambdaric makes its calls through a C++ extension, `runtime_client`, on libcurl: two calls for
each invocation, one after the other. Everything that a function can observe (loading the handler,
its context, errors, logging, JSON) is Python, and runs here as it is; only the extension is not.
"""

from __future__ import annotations

import sys
from types import ModuleType

from .transport import RuntimeApi

_NEXT_HEADERS = (
    "Lambda-Runtime-Aws-Request-Id",
    "Lambda-Runtime-Trace-Id",
    "Lambda-Runtime-Invoked-Function-Arn",
    "Lambda-Runtime-Client-Context",
    "Lambda-Runtime-Cognito-Identity",
    "Lambda-Runtime-Aws-Tenant-Id",
    "Lambda-Runtime-Invocation-Id",
    "Content-Type",
)
_NAMES = tuple((name, name.lower()) for name in _NEXT_HEADERS)


class _RuntimeClient(ModuleType):
    """What awslambdaric expects of the extension."""

    def __init__(self, address: str) -> None:
        super().__init__("runtime_client")
        self._api = RuntimeApi(address)

    def initialize_client(self, user_agent: str) -> None:
        """The user agent goes nowhere: nobody here tells clients apart by it."""

    def next(self) -> tuple[bytes, dict[str, str | int]]:
        body, received = self._api.next()
        headers: dict[str, str | int] = {
            name: received[lowered] for name, lowered in _NAMES if lowered in received
        }
        headers["Lambda-Runtime-Deadline-Ms"] = int(received["lambda-runtime-deadline-ms"])
        return body, headers

    def post_invocation_result(
        self, request_id: str, body: bytes, content_type: str, _invocation_id: str | None = None
    ) -> None:
        self._api.respond(request_id, content_type, body)

    def post_error(
        self, request_id: str, error: str, xray_cause: str, _invocation_id: str | None = None
    ) -> None:
        self._api.fail(request_id, error.encode(), xray_cause)


def run(handler: str, address: str) -> None:
    """Run a function until its environment ends."""
    sys.modules["runtime_client"] = _RuntimeClient(address)
    from awslambdaric import bootstrap  # noqa: PLC0415 - it imports the extension
    from awslambdaric.lambda_runtime_client import LambdaRuntimeClient  # noqa: PLC0415

    # Its second argument is a thread for each wait, which a call on libcurl needs to let signal
    # handlers run meanwhile; a socket of Python's needs none.
    bootstrap.run(handler, LambdaRuntimeClient(address, False))
