"""One execution environment: a process with a runtime client and the Runtime API it talks to.

Each environment has a Runtime API of its own on a port of its own, as on Lambda: awslambdaric
takes a path in AWS_LAMBDA_RUNTIME_API for invocations but not for reporting INIT errors.
"""

from __future__ import annotations

import asyncio
import math
import shutil
import time
from enum import Enum, auto
from typing import Protocol

from emulator.http1 import HttpServer, Limits, Request
from emulator.runtime import clients, reports, slices, variables
from emulator.runtime.invocation import Invocation, error_payload, exit_reason
from emulator.runtime.memory import Footprint, seconds_until_look
from emulator.runtime.process import ChildProcess
from emulator.runtime.reports import Failure, Phase
from emulator.runtime.surroundings import Surroundings
from emulator.runtime.transcript import Transcript
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
# An INIT that crashes leaves nothing to look at; by then an interpreter is loaded.
_FIRST_LOOK_S = 0.02
_ACCEPTED = b'{"status":"OK"}'


class State(Enum):
    """What an environment is doing."""

    STARTING = auto()
    IDLE = auto()
    BUSY = auto()
    RETURNING = auto()  # it answered and has not yet asked for more
    ENDED = auto()


class Owner(Protocol):
    """The pool that an environment belongs to."""

    def ready(self, environment: Environment) -> None:
        """It asks for an invocation."""
        ...

    def completed(self, environment: Environment) -> None:
        """Its invocation is over; it is RETURNING, or about to be ended."""
        ...

    def ended(self, environment: Environment, init_failed: bool) -> None:
        """Its process is gone; `init_failed` if that happened before it was ever ready."""
        ...


class Environment:
    """One process of one function, taking one invocation at a time."""

    def __init__(
        self,
        function: Function,
        number: int,
        owner: Owner,
        around: Surroundings,
        *,
        phase: Phase,
        init_s: float,
    ) -> None:
        """`init_s` limits an INIT before invocations; one inside has the function's timeout."""
        self.function = function
        self.state = State.STARTING
        self.retired = False
        self.phase = phase
        self.idle_since = math.inf
        self.memory_due = -math.inf  # when to look at its memory, by the loop's time
        self._number = number
        self._owner = owner
        self._around = around
        self._init_s = init_s if phase is Phase.INIT else float(function.timeout_s)
        self._loop = asyncio.get_running_loop()
        self._api = HttpServer(self._handle, _LIMITS)
        self._process: ChildProcess | None = None
        self._tmp_dir = around.tmp_root / f"{function.name}-{number}"
        self._log = Transcript(function.name, around)
        self._next: Request | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._started_at = 0.0
        self._init_began = time.perf_counter()
        self._init_ms: float | None = None
        self._failure: Failure | None = None
        self._is_unwanted = False
        self._memory: Footprint | None = None

    async def start(self) -> None:
        """Start listening and spawn the process; `ended` is called when that is impossible."""
        try:
            await self._api.listen("127.0.0.1")
            self._tmp_dir.mkdir(parents=True)
            self._process = ChildProcess(
                clients.command(self._around.client, self.function.handler),
                cwd=self.function.code_dir,
                env=variables.build(
                    self.function,
                    runtime_api=f"127.0.0.1:{self._api.port}",
                    region=self._around.region,
                    tmp_dir=self._tmp_dir,
                    number=self._number,
                    extra=self._around.extra_variables,
                ),
                on_output=self._log.feed,
                on_exit=self._exited,
            )
        except (OSError, ValueError) as error:
            self._failure = reports.failed("Runtime.InvalidEntrypoint", f"cannot start: {error}")
            self._over()
            await self._clean_up()
            return
        self._around.guard.add(self._process.pid)
        if self.state is State.ENDED:
            self._process.kill()  # told to end while it was being started
            return
        self._log.platform(reports.init_start(self._around.region))
        self._timer = self._loop.call_later(self._init_s, self._init_expired)
        slices.wait_for_others(self._process.pid)
        self._memory = Footprint(self._process.pid)
        self._loop.call_later(_FIRST_LOOK_S, self._look_at_memory)

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
        self._log.invocation = invocation
        self._started_at = time.perf_counter()
        timeout_s: float = function.timeout_s
        if self.phase is Phase.INVOKE:
            self.phase = Phase.INIT  # the INIT that ran inside took its part of the time
            timeout_s -= self._started_at - self._init_began
            self._started_at = self._init_began
            self._init_ms = None
        self._timer = self._loop.call_later(timeout_s, self._expired)
        deadline_ms = int((time.time() + timeout_s) * 1000)
        headers = [
            (b"Lambda-Runtime-Aws-Request-Id", invocation.request_id.encode()),
            (b"Lambda-Runtime-Deadline-Ms", b"%d" % deadline_ms),
            (b"Lambda-Runtime-Invoked-Function-Arn", function.arn.encode()),
            (b"Lambda-Runtime-Trace-Id", invocation.trace_id.encode()),
        ]
        if invocation.client_context is not None:
            headers.append((b"Lambda-Runtime-Client-Context", invocation.client_context.encode()))
        waiting.respond_json(200, invocation.payload, headers)
        self._log.platform(f"START RequestId: {invocation.request_id} Version: $LATEST")
        return True

    @property
    def invocation(self) -> Invocation | None:
        """What it is running."""
        return self._log.invocation

    def fail(self, invocation: Invocation) -> None:
        """Settle an invocation with the error of the INIT that ran inside it."""
        failure = self._failure
        assert failure is not None
        self._log.invocation = invocation
        self._started_at = self._init_began
        self._log.platform(f"START RequestId: {invocation.request_id} Version: $LATEST")
        self._log.explain(invocation, failure)
        self._report(invocation, failure.status, failed=True)
        self._log.invocation = None
        invocation.finish(failure.payload(invocation.request_id), "Unhandled")

    def check_memory(self, now: float) -> None:
        """Kill it if it, with all that it forked, uses more than its memory size."""
        left_mb: float = self.function.memory_mb
        if self._memory is not None and self._failure is None:
            left_mb -= self._memory.measure(self.function.memory_mb)
            if left_mb < 0:
                self._ran_out_of_memory()
        self.memory_due = now + seconds_until_look(left_mb)

    def end(self) -> None:
        """Kill it, whatever it does; `ended` follows."""
        self._is_unwanted = self._failure is None
        if self._process is not None:
            self._process.kill()
        else:
            self.state = State.ENDED

    # -- the Runtime API

    def _handle(self, request: Request) -> None:
        target = request.target
        if self._failure is not None or self._is_unwanted:
            return  # it is being killed: what it still says comes too late
        if target == _NEXT:
            self._wants_next(request)
        elif request.method == "POST" and target.startswith(_INVOCATION):
            self._answered(request, target[len(_INVOCATION) :])
        elif request.method == "POST" and target == _INIT_ERROR:
            self._look_at_memory()
            self._failure = reports.reported(request.body)
            request.respond_json(202, _ACCEPTED)
        else:
            request.respond_json(404, b'{"errorMessage":"Not Found","errorType":"NotFound"}')

    def _wants_next(self, request: Request) -> None:
        if self.state is State.STARTING:
            self._look_at_memory()
            self._init_ms = (time.perf_counter() - self._init_began) * 1000
            self._around.metrics.initialized(self.function.name, self._init_ms)
            assert self._process is not None
            slices.go_first(self._process.pid)
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
        invocation = self._log.invocation
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
            failure = reports.too_large(MAX_RESPONSE_BYTES)
            self._log.explain(invocation, failure)
            payload = error_payload(failure.error_type, failure.message)
            self._complete(payload, "Unhandled", failure.status)
        else:
            request.may_wait = True
            request.respond_json(202, _ACCEPTED)
            if self._exceeded_memory():
                self._ran_out_of_memory()
            else:
                self._complete(request.body, None if outcome == b"response" else "Unhandled")

    # -- the end of an invocation

    def _complete(self, payload: bytes, function_error: str | None, status: str = "") -> None:
        invocation = self._log.invocation
        assert invocation is not None
        if self._process is not None:
            self._process.drain()
        self._log.flush()
        self._report(invocation, status, failed=function_error is not None)
        self._log.invocation = None
        self._init_ms = None
        self.state = State.RETURNING
        self._owner.completed(self)
        invocation.finish(payload, function_error)

    def _look_at_memory(self) -> None:
        if self._memory is not None:
            self._memory.look()

    def _exceeded_memory(self) -> bool:
        """Whether its answer comes from more memory than the function may use."""
        if self._memory is None:
            return False
        duration_ms = (time.perf_counter() - self._started_at) * 1000
        return self._memory.after(duration_ms) > self.function.memory_mb

    def _ran_out_of_memory(self) -> None:
        assert self._memory is not None
        used_mb, limit_mb = self._memory.peak_mb, self.function.memory_mb
        self._log.platform(f"{used_mb} MB used, MemorySize is {limit_mb} MB: killed", level="ERROR")
        self._failure = reports.out_of_memory()
        self.end()

    def _report(self, invocation: Invocation, status: str, *, failed: bool) -> None:
        duration_ms = (time.perf_counter() - self._started_at) * 1000
        function, memory = self.function, self._memory
        self._log.platform(f"END RequestId: {invocation.request_id}")
        self._log.platform(
            reports.report(
                invocation.request_id,
                duration_ms,
                memory_size_mb=function.memory_mb,
                memory_used_mb=memory.peak_mb if memory is not None else 0,
                init_ms=self._init_ms,
                status=status,
            )
        )
        self._around.metrics.invoked(function.name, duration_ms, failed=failed)

    # -- what ends an environment

    def _expired(self) -> None:
        """The function's timeout passed, for its invocation or for asking for the next one."""
        self._timer = None
        if self._log.invocation is not None and self._failure is None:
            self._failure = reports.timed_out(self.function.timeout_s)
        self.end()

    def _init_expired(self) -> None:
        self._timer = None
        if self._failure is None:
            self._failure = reports.timed_out(self._init_s)
        self.end()

    def _exited(self, code: int) -> None:
        assert self._process is not None
        self._around.guard.remove(self._process.pid)
        self._log.flush()
        if self._failure is None:
            reason = reports.failed("Runtime.ExitError", exit_reason(code))
            self._failure = reports.STOPPED if self._is_unwanted else reason
        invocation = self._log.invocation
        if invocation is not None:
            self._log.explain(invocation, self._failure)
            payload = self._failure.payload(invocation.request_id)
            self._complete(payload, "Unhandled", self._failure.status)
        self._over()
        cleaning, all_cleaning = self._loop.create_task(self._clean_up()), self._around.cleaning
        all_cleaning.add(cleaning)
        cleaning.add_done_callback(all_cleaning.discard)

    def _over(self) -> None:
        """Tell the owner, at once: a request of the dead process may be waiting to be read."""
        init_failed = self.state is State.STARTING and not self._is_unwanted
        self.state = State.ENDED
        self._stop_timer()
        if self._failure is not None and init_failed:
            elapsed_ms = (time.perf_counter() - self._init_began) * 1000
            self._log.platform(
                reports.init_report(elapsed_ms, self.phase, self._failure), level="ERROR"
            )
        self._owner.ended(self, init_failed)
        if self._memory is not None:
            self._memory.close()

    async def _clean_up(self) -> None:
        await self._api.close()
        try:
            await self._around.leftovers.end(self._tmp_dir)
        except Exception as error:
            text = f"what it left running could not be looked for: {error or type(error).__name__}"
            self._log.platform(text, level="WARNING")
        await self._loop.run_in_executor(None, shutil.rmtree, self._tmp_dir, True)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
