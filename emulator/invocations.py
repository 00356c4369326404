"""What invoking a function takes and gives: the seam between Lambda and all that calls it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class InvokeResult:
    """The outcome of one synchronous invocation.

    `function_error` is None on success, else AWS's word for it (`Unhandled` or `Handled`), and
    `payload` is then the error object that Lambda returns. `log_tail` is the end of its log.
    """

    request_id: str
    payload: bytes
    function_error: str | None = None
    log_tail: str = ""


RESERVED_LIMIT = "ReservedFunctionConcurrentInvocationLimitExceeded"
ACCOUNT_LIMIT = "ConcurrentInvocationLimitExceeded"


class Throttled(Exception):
    """The function's concurrency is used up: HTTP 429 on AWS; `reason` is AWS's name of a limit."""

    def __init__(self, message: str, reason: str = RESERVED_LIMIT) -> None:
        super().__init__(message)
        self.reason = reason


class UnknownFunction(Exception):
    """The template declares no function, version or alias of that name."""


class Invoker(Protocol):
    """Runs functions; the gateway, the mappings, the schedules and the invoke API all use it.

    `function` is a function's physical name; it may end in `:` and a version or an alias. The
    payload is JSON, at most 6 MB.
    """

    async def invoke(
        self, function: str, payload: bytes, *, trace_id: str | None = None
    ) -> InvokeResult:
        """Run the function and wait for its answer; raise Throttled or UnknownFunction."""
        ...

    async def invoke_async(
        self, function: str, payload: bytes, *, trace_id: str | None = None
    ) -> str:
        """Accept an event (at most 1 MB), run it later with Lambda's retries; its request id."""
        ...
