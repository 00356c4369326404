"""One invocation on its way through the runtime, and the errors that Lambda itself reports."""

from __future__ import annotations

import asyncio
import json
import signal
from dataclasses import dataclass

from emulator.invocations import InvokeResult
from emulator.template.model import Function

# The Invoke API returns the last 4 KB of the log (its reference, LogType).
_TAIL_BYTES = 4_096
# As Go names them, in which Lambda's supervisor is written.
_SIGNALS: dict[int, str] = {
    signal.SIGHUP: "hangup",
    signal.SIGINT: "interrupt",
    signal.SIGILL: "illegal instruction",
    signal.SIGABRT: "aborted",
    signal.SIGBUS: "bus error",
    signal.SIGFPE: "floating point exception",
    signal.SIGKILL: "killed",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGPIPE: "broken pipe",
    signal.SIGTERM: "terminated",
}


@dataclass(slots=True, eq=False)
class Invocation:
    """A payload for a function and the future that takes its outcome."""

    function: Function
    payload: bytes
    request_id: str
    trace_id: str
    outcome: asyncio.Future[InvokeResult]
    tail: list[str] | None = None
    client_context: str | None = None
    is_event: bool = False

    @property
    def is_awaited(self) -> bool:
        """Whether a client waits for its outcome: not for an event, nor if the client gave up."""
        return not self.is_event and not self.outcome.done()

    def note(self, line: str) -> None:
        """Keep a log line for the tail, if one was asked for."""
        if self.tail is not None:
            self.tail.append(line)
            if len(self.tail) > 1_024:
                del self.tail[:512]

    def finish(self, payload: bytes, function_error: str | None) -> None:
        """Settle the outcome, unless whoever waited gave up."""
        if self.outcome.done():
            return
        tail = ""
        if self.tail is not None:
            text = "".join(f"{line}\n" for line in self.tail).encode()
            tail = text[-_TAIL_BYTES:].decode(errors="ignore")
        self.outcome.set_result(InvokeResult(self.request_id, payload, function_error, tail))


def error_payload(error_type: str, message: str) -> bytes:
    """The error object that Lambda returns when the runtime could not."""
    error = {"errorType": error_type, "errorMessage": message}
    return json.dumps(error, separators=(",", ":")).encode()


def exit_reason(code: int) -> str:
    """How Lambda words the end of a runtime process."""
    if code == 0:
        return "Runtime exited without providing a reason"
    if code < 0:
        return f"Runtime exited with error: signal: {_SIGNALS.get(-code, -code)}"
    return f"Runtime exited with error: exit status {code}"
