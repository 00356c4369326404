"""What the API refuses, in the words of Lambda: botocore makes its exceptions of them.

Source: Lambda API reference, "Common Errors" and each operation's; the texts are AWS's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

# Lambda quotas page: 6 MB for a synchronous, 1 MB for an asynchronous invocation.
MAX_SYNC_BYTES = 6 * 1024 * 1024
MAX_ASYNC_BYTES = 1024 * 1024


class Refused(Exception):
    """An error of the API: a status, AWS's name for it, and a message."""

    def __init__(self, status: int, name: str, message: str, **more: str) -> None:
        super().__init__(message)
        self.status = status
        self.name = name
        # Lambda spells the key in two ways.
        key = "Message" if name in {"ResourceNotFoundException", "ServiceException"} else "message"
        self._fields = {**more, key: message}

    def body(self) -> bytes:
        """The JSON that goes with the status."""
        return json.dumps(self._fields).encode()


def not_found(message: str) -> Refused:
    """There is no such thing."""
    return Refused(404, "ResourceNotFoundException", message, Type="User")


def invalid_parameter(message: str) -> Refused:
    """A parameter that the API understands and cannot take."""
    return Refused(400, "InvalidParameterValueException", message, Type="User")


def _violated(value: str, name: str, constraint: str) -> Refused:
    message = (
        f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: "
        f"Member must satisfy {constraint}"
    )
    return Refused(400, "ValidationException", message)


def not_one_of(value: str, name: str, allowed: Iterable[str]) -> Refused:
    """A value outside an enumeration."""
    return _violated(value, name, f"enum value set: [{', '.join(allowed)}]")


def not_like(value: str, name: str, pattern: str) -> Refused:
    """A value that its pattern does not match."""
    return _violated(value, name, f"regular expression pattern: {pattern}")


def bad_json(reason: str) -> Refused:
    """A payload that is no JSON."""
    message = f"Could not parse request body into json: Could not parse payload into json: {reason}"
    return Refused(400, "InvalidRequestContentException", message, Type="User")


def too_large() -> Refused:
    """A request over what any invocation may have."""
    message = (
        f"Request must be smaller than {MAX_SYNC_BYTES} bytes for the InvokeFunction operation"
    )
    return Refused(413, "RequestEntityTooLargeException", message, Type="User")


def too_large_event(size: int) -> Refused:
    """A payload over what an asynchronous invocation may have."""
    message = (
        f"{size} byte payload is too large for the Event invocation type "
        f"(limit {MAX_ASYNC_BYTES} bytes)"
    )
    return Refused(413, "RequestEntityTooLargeException", message, Type="User")


def throttled(reason: str) -> Refused:
    """No concurrency is left; `reason` is one of AWS's ThrottleReasons."""
    return Refused(429, "TooManyRequestsException", "Rate Exceeded.", Type="User", Reason=reason)


def not_emulated(method: str, path: str) -> Refused:
    """An operation that Lambda has and the emulator does not: functions come from the template."""
    message = (
        f"The emulator does not have {method} {path}: it invokes and describes the functions of "
        "its template, and changes none."
    )
    return Refused(501, "NotImplementedException", message)


def unknown(method: str, path: str) -> Refused:
    """No operation of Lambda at all."""
    return Refused(404, "UnknownOperationException", f"Lambda has no operation {method} {path}.")


def forbidden(message: str) -> Refused:
    """A request that no program on this machine sends."""
    return Refused(403, "AccessDeniedException", message)
