"""One execution environment: a process running awslambdaric and the Runtime API that it talks to.

Each environment has a Runtime API of its own on a port of its own, as on Lambda: awslambdaric
takes a path in AWS_LAMBDA_RUNTIME_API for invocations but not for reporting INIT errors.
"""

from __future__ import annotations

import asyncio
import math
import os
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Protocol

from emulator.http1 import HttpServer, Limits, Request
from emulator.logs import Kind, LogSink, timestamp
from emulator.runtime import variables
from emulator.runtime.guard import Guard
from emulator.runtime.invocation import Invocation, error_payload, exit_reason
from emulator.runtime.lines import LineSplitter
from emulator.runtime.process import ChildProcess
from emulator.template.model import Function

# Lambda's quotas page: 6 MB for a synchronous response; the figure is the one in its error message.
MAX_RESPONSE_BYTES = 6_291_556
# An error report carries its X-Ray cause in a header of up to 1 MB (awslambdaric).
_LIMITS = Limits(
    head_bytes=2 * 1024 * 1024,
    body_bytes=MAX_RESPONSE_BYTES,
    head_s=None,
    body_s=None,
    idle_s=None,
    write_s=None,
    connections=64,
)
_NEXT = b"/2018-06-01/runtime/invocation/next"
_INVOCATION = b"/2018-06-01/runtime/invocation/"
_INIT_ERROR = b"/2018-06-01/runtime/init/error"
_ACCEPTED = b'{"status":"OK"}'
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / (1024 * 1024)


def _open_statm(pid: int) -> int:
    """The process's memory figures, kept open because they are read after every invocation."""
    try:
        return os.open(f"/proc/{pid}/statm", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1  # no Linux: the report says 0 MB


class State(Enum):
    """What an environment is doing."""

    STARTING = auto()
    IDLE = auto()
    BUSY = auto()
    RETURNING = auto()  # it answered and has not yet asked for more
    ENDED = auto()


@dataclass(frozen=True)
class Surroundings:
    """What all environments of one emulator share."""

    region: str
    extra_variables: Mapping[str, str]
    tmp_root: Path
    guard: Guard
    sink: LogSink


class Owner(Protocol):
    """The pool that an environment belongs to."""

    def ready(self, environment: Environment) -> None:
        """It asks for an invocation."""
        ...

    def completed(self, environment: Environment) -> None:
        """Its invocation is over; it is RETURNING, or about to be ended."""
        ...

    def ended(self, environment: Environment, init_error: bytes | None) -> None:
        """Its process is gone; `init_error` if that happened before it was ever ready."""
        ...


class Environment:
    """One process of one function, taking one invocation at a time."""

    def __init__(
        self, function: Function, number: int, owner: Owner, around: Surroundings, init_s: float
    ) -> None:
        self.function = function
        self.state = State.STARTING
        self.retired = False
        self.init_timed_out = False
        self.idle_since = math.inf
        self._number = number
        self._owner = owner
        self._around = around
        self._sink = around.sink
        self._init_s = init_s
        self._loop = asyncio.get_running_loop()
        self._api = HttpServer(self._handle, _LIMITS)
        self._process: ChildProcess | None = None
        self._tmp_dir = around.tmp_root / f"{function.name}-{number}"
        self._lines = LineSplitter(self._on_line)
        self._next: Request | None = None
        self._invocation: Invocation | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._started_at = 0.0
        self._init_began = time.perf_counter()
        self._init_ms: float | None = None
        self._init_error: bytes | None = None
        self._doom: bytes | None = None
        self._statm = -1
        self._peak_mb = 0

    async def start(self) -> None:
        """Start listening and spawn the process; `ended` is called when that is impossible."""
        try:
            await self._api.listen("127.0.0.1")
            self._tmp_dir.mkdir(parents=True)
            self._process = ChildProcess(
                [sys.executable, "-m", "awslambdaric", self.function.handler],
                cwd=self.function.code_dir,
                env=variables.build(
                    self.function,
                    runtime_api=f"127.0.0.1:{self._api.port}",
                    region=self._around.region,
                    tmp_dir=self._tmp_dir,
                    number=self._number,
                    extra=self._around.extra_variables,
                ),
                on_output=self._lines.feed,
                on_exit=self._exited,
            )
        except (OSError, ValueError) as error:
            self._platform(f"Cannot start the runtime: {error}", level="ERROR")
            self._init_error = error_payload("Runtime.InvalidEntrypoint", str(error))
            await self._over()
            return
        self._around.guard.add(self._process.pid)
        if self.state is State.ENDED:
            self._process.kill()  # told to end while it was being started
            return
        self._timer = self._loop.call_later(self._init_s, self._init_expired)
        self._statm = _open_statm(self._process.pid)

    @property
    def pid(self) -> int | None:
        """The process's id, once it runs."""
        return self._process.pid if self._process is not None else None

    def dispatch(self, invocation: Invocation) -> bool:
        """Give it an invocation; False if it turns out to be dead."""
        waiting, self._next = self._next, None
        assert self.state is State.IDLE
        assert waiting is not None
        if not waiting.connected:
            return False
        function = self.function
        self.state = State.BUSY
        self._invocation = invocation
        self._timer = self._loop.call_later(function.timeout_s, self._expired)
        deadline_ms = int((time.time() + function.timeout_s) * 1000)
        waiting.respond_json(
            200,
            invocation.payload,
            (
                (b"Lambda-Runtime-Aws-Request-Id", invocation.request_id.encode()),
                (b"Lambda-Runtime-Deadline-Ms", b"%d" % deadline_ms),
                (b"Lambda-Runtime-Invoked-Function-Arn", function.arn.encode()),
                (b"Lambda-Runtime-Trace-Id", invocation.trace_id.encode()),
            ),
        )
        self._started_at = time.perf_counter()
        self._platform(f"START RequestId: {invocation.request_id} Version: $LATEST")
        return True

    def end(self) -> None:
        """Kill it, whatever it does; `ended` follows."""
        if self._process is not None:
            self._process.kill()
        else:
            self.state = State.ENDED

    # -- the Runtime API

    def _handle(self, request: Request) -> None:
        target = request.target
        if target == _NEXT:
            self._wants_next(request)
        elif request.method == "POST" and target.startswith(_INVOCATION):
            self._answered(request, target[len(_INVOCATION) :])
        elif request.method == "POST" and target == _INIT_ERROR:
            self._init_error = request.body
            request.respond_json(202, _ACCEPTED)
        else:
            request.respond_json(404, b'{"errorMessage":"Not Found","errorType":"NotFound"}')

    def _wants_next(self, request: Request) -> None:
        if self.state is State.STARTING:
            self._init_ms = (time.perf_counter() - self._init_began) * 1000
        elif self.state is not State.RETURNING:
            request.respond_json(
                403,
                b'{"errorMessage":"State transition is not allowed","errorType":"InvalidState"}',
            )
            return
        self._stop_timer()
        self._next = request
        self.state = State.IDLE
        self._owner.ready(self)

    def _answered(self, request: Request, rest: bytes) -> None:
        request_id, _, outcome = rest.partition(b"/")
        invocation = self._invocation
        if invocation is None or request_id != invocation.request_id.encode():
            request.respond_json(
                400, b'{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}'
            )
        elif request.refusal:
            request.respond_json(
                413,
                b'{"errorMessage":"Exceeded maximum allowed payload size (6291556 bytes).",'
                b'"errorType":"RequestEntityTooLarge"}',
            )
            message = (
                "Response payload size exceeded maximum allowed payload size"
                f" ({MAX_RESPONSE_BYTES} bytes)."
            )
            self._complete(error_payload("Function.ResponseSizeTooLarge", message), "Unhandled")
        else:
            request.respond_json(202, _ACCEPTED)
            self._complete(request.body, None if outcome == b"response" else "Unhandled")

    # -- the end of an invocation

    def _complete(self, payload: bytes, function_error: str | None, status: str = "") -> None:
        invocation = self._invocation
        assert invocation is not None
        duration_ms = (time.perf_counter() - self._started_at) * 1000
        if self._process is not None:
            self._process.drain()
        self._lines.flush()
        self._platform(f"END RequestId: {invocation.request_id}")
        self._platform(self._report(invocation, duration_ms, status))
        self._invocation = None
        self._init_ms = None
        self.state = State.RETURNING
        self._owner.completed(self)
        invocation.finish(payload, function_error)

    def _report(self, invocation: Invocation, duration_ms: float, status: str) -> str:
        init_ms = self._init_ms
        billed_ms = math.ceil(duration_ms + (init_ms or 0.0))
        init = "" if init_ms is None else f"Init Duration: {init_ms:.2f} ms\t"
        return (
            f"REPORT RequestId: {invocation.request_id}\tDuration: {duration_ms:.2f} ms\t"
            f"Billed Duration: {billed_ms} ms\tMemory Size: {self.function.memory_mb} MB\t"
            f"Max Memory Used: {self._memory_mb()} MB\t{init}{status}"
        )

    def _memory_mb(self) -> int:
        """The largest resident size seen at the end of an invocation."""
        if self._statm >= 0:
            try:
                resident = int(os.pread(self._statm, 64, 0).split()[1])
            except (OSError, IndexError):
                return self._peak_mb
            self._peak_mb = max(self._peak_mb, math.ceil(resident * _PAGE_MB))
        return self._peak_mb

    # -- what ends an environment

    def _expired(self) -> None:
        """The function's timeout passed, for its invocation or for asking for the next one."""
        self._timer = None
        invocation = self._invocation
        if invocation is not None:
            seconds = f"{self.function.timeout_s:.2f} seconds"
            message = f"RequestId: {invocation.request_id} Error: Task timed out after {seconds}"
            self._doom = error_payload("Sandbox.Timedout", message)
            self._platform(
                f"{timestamp(time.time())} {invocation.request_id} Task timed out after {seconds}",
                level="ERROR",
            )
        self.end()

    def _init_expired(self) -> None:
        self._timer = None
        self.init_timed_out = True
        elapsed_ms = (time.perf_counter() - self._init_began) * 1000
        self._platform(
            f"INIT_REPORT Init Duration: {elapsed_ms:.2f} ms\tPhase: init\tStatus: timeout",
            level="ERROR",
        )
        self._init_error = error_payload(
            "Sandbox.Timedout", f"Error: Task timed out after {self._init_s:.2f} seconds"
        )
        self.end()

    def _exited(self, code: int) -> None:
        assert self._process is not None
        self._around.guard.remove(self._process.pid)
        self._lines.flush()
        invocation = self._invocation
        if invocation is not None:
            if self._doom is not None:
                self._complete(self._doom, "Unhandled", "Status: timeout")
            else:
                message = f"RequestId: {invocation.request_id} Error: {exit_reason(code)}"
                self._platform(f"{message}\nRuntime.ExitError", level="ERROR")
                payload = error_payload("Runtime.ExitError", message)
                status = "Status: error\tError Type: Runtime.ExitError"
                self._complete(payload, "Unhandled", status)
        elif self.state is State.STARTING and self._init_error is None:
            self._platform(f"INIT failed: {exit_reason(code)}", level="ERROR")
            self._init_error = error_payload("Runtime.ExitError", f"Error: {exit_reason(code)}")
        self._over_task = self._loop.create_task(self._over())

    async def _over(self) -> None:
        """Give everything back, then tell the owner."""
        was_starting = self.state is State.STARTING
        self.state = State.ENDED
        self._stop_timer()
        if self._statm >= 0:
            os.close(self._statm)
            self._statm = -1
        self._owner.ended(self, self._init_error if was_starting else None)
        await self._api.close()
        await self._loop.run_in_executor(None, shutil.rmtree, self._tmp_dir, True)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- logs

    def _on_line(self, line: str) -> None:
        invocation = self._invocation
        request_id = None
        if invocation is not None:
            request_id = invocation.request_id
            invocation.note(line)
        self._sink(Kind.FUNCTION, line, function=self.function.name, request_id=request_id)

    def _platform(self, line: str, *, level: str = "INFO") -> None:
        invocation = self._invocation
        request_id = None
        if invocation is not None:
            request_id = invocation.request_id
            invocation.note(line)
        self._sink(
            Kind.PLATFORM, line, function=self.function.name, request_id=request_id, level=level
        )
