"""The platform's lines about one environment, and what a client is told when a function failed.

The wording and the order of fields are those of Lambda's log streams ("Understanding the Lambda
execution environment lifecycle", and streams that people published).
"""

from __future__ import annotations

import json
import math
import platform
from dataclasses import dataclass
from enum import StrEnum

from emulator.runtime.invocation import error_payload

TIMED_OUT = "Status: timeout"
_LONGEST_TOLD = 4_096


class Phase(StrEnum):
    """Where an INIT takes place: before any invocation, or inside one because the first failed."""

    INIT = "init"
    INVOKE = "invoke"


@dataclass(frozen=True)
class Failure:
    """What ended an INIT or an invocation in place of an answer.

    `status` closes the REPORT line; `reported` is the error that the runtime itself sent, if any.
    """

    error_type: str
    message: str
    status: str
    reported: bytes | None = None

    def payload(self, request_id: str) -> bytes:
        """Return the error object that the client gets."""
        if self.reported is not None:
            return self.reported
        return error_payload(self.error_type, f"RequestId: {request_id} Error: {self.message}")


def failed(error_type: str, message: str, reported: bytes | None = None) -> Failure:
    """Return the failure of a runtime that ended or gave up."""
    return Failure(error_type, message, f"Status: error\tError Type: {error_type}", reported)


def reported(body: bytes) -> Failure:
    """Return the failure of an INIT as the runtime itself reports it."""
    try:
        error_type = json.loads(body)["errorType"]
    except (ValueError, TypeError, KeyError, RecursionError):
        error_type = "Runtime.Unknown"
    return failed(str(error_type), "INIT failed", body)


def told(body: bytes) -> str:
    """Return an error that a runtime reported, as it prints it: type, message and traceback."""
    try:
        error = json.loads(body)
        line = f"[ERROR] {error['errorType']}: {error['errorMessage']}"
        trace = "".join(error.get("stackTrace") or ())
    except (ValueError, TypeError, KeyError, AttributeError):
        return f"[ERROR] {body[:_LONGEST_TOLD].decode(errors='replace')}"
    return f"{line}\nTraceback (most recent call last):\n{trace}".rstrip() if trace else line


def timed_out(limit_s: float) -> Failure:
    """Return the failure of what took longer than it may."""
    message = f"Task timed out after {limit_s:.2f} seconds"
    return Failure("Sandbox.Timedout", message, TIMED_OUT)


def out_of_memory() -> Failure:
    """Return the failure of a function that used more than its memory size.

    The client sees a killed runtime, as on Lambda; only the REPORT line names the reason.
    """
    message = "Runtime exited with error: signal: killed"
    return Failure("Runtime.ExitError", message, "Status: error\tError Type: Runtime.OutOfMemory")


def too_large(limit_bytes: int) -> Failure:
    """Return the failure of an answer that is longer than Lambda takes."""
    size = "Response payload size exceeded maximum allowed payload size"
    return failed("Function.ResponseSizeTooLarge", f"{size} ({limit_bytes} bytes).")


STOPPED = Failure("ServiceException", "The emulator was shut down", "Status: failure")
"""An invocation that was still running when the emulator stopped."""


def init_start(region: str) -> str:
    """Return the first line of an environment; the runtime is the Python that runs here."""
    return (
        f"INIT_START Runtime Version: python:{platform.python_version()}\t"
        f"Runtime Version ARN: arn:aws:lambda:{region}::runtime:local"
    )


def init_report(elapsed_ms: float, phase: Phase, failure: Failure) -> str:
    """Return the line about an INIT that failed; one that succeeds is in the first REPORT."""
    return f"INIT_REPORT Init Duration: {elapsed_ms:.2f} ms\tPhase: {phase}\t{failure.status}"


def report(
    request_id: str,
    duration_ms: float,
    *,
    memory_size_mb: int,
    memory_used_mb: int,
    init_ms: float | None,
    status: str,
) -> str:
    """Return the last line of an invocation."""
    billed_ms = math.ceil(duration_ms + (init_ms or 0.0))
    init = "" if init_ms is None else f"Init Duration: {init_ms:.2f} ms\t"
    return (
        f"REPORT RequestId: {request_id}\tDuration: {duration_ms:.2f} ms\t"
        f"Billed Duration: {billed_ms} ms\tMemory Size: {memory_size_mb} MB\t"
        f"Max Memory Used: {min(memory_used_mb, memory_size_mb)} MB\t{init}{status}"
    )
