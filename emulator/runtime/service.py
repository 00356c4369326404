"""Lambda as the rest of the emulator sees it: functions that can be invoked."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from emulator.invocations import InvokeResult, UnknownFunction
from emulator.logs import LogSink
from emulator.metrics import Metrics
from emulator.runtime.concurrency import Account, StartGate
from emulator.runtime.environment import Surroundings
from emulator.runtime.events import EventQueue, Run, Send
from emulator.runtime.guard import Guard
from emulator.runtime.invocation import Invocation
from emulator.runtime.leftovers import Leftovers
from emulator.runtime.pool import FunctionPool
from emulator.runtime.reload import watch
from emulator.runtime.settings import RuntimeSettings
from emulator.template.model import Function
from emulator.tracing import new_trace_id

# Ids need to differ, not to be secret; asking the kernel for each would cost three calls a request.
_random = random.Random()  # noqa: S311


def new_request_id() -> str:
    """A UUID in the form of Lambda's request ids."""
    text = f"{_random.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


class Runtime:
    """All functions of one application; an `Invoker`."""

    def __init__(
        self,
        functions: Mapping[str, Function],
        *,
        region: str,
        sink: LogSink,
        settings: RuntimeSettings | None = None,
        send: Send | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """`functions` are by physical name or logical id; they are invoked by physical name."""
        self.settings = settings or RuntimeSettings()
        self._loop = asyncio.get_running_loop()
        self._tmp_root = Path(tempfile.mkdtemp(prefix="lambda-"))
        self._guard = Guard(self._tmp_root)
        self.metrics = metrics or Metrics(sink)
        self._around = Surroundings(
            region,
            self.settings.variables,
            self._tmp_root,
            self._guard,
            sink,
            self.metrics,
            Leftovers(),
        )
        around = self._around
        account = Account(self.settings.account_concurrency, functions.values())
        gate = StartGate(self.settings.max_starting)
        self._pools: dict[str, FunctionPool] = {}
        self._queues: dict[str, EventQueue] = {}
        for function in functions.values():
            pool = FunctionPool(function, self.settings, around, account, gate)
            queue = EventQueue(
                pool,
                self._runner(pool),
                limit=self.settings.async_queue,
                retry_delays_s=self.settings.retry_delays_s,
                send=send,
                sink=sink,
            )
            pool.on_free = queue.pump
            account.on_free.append(queue.pump)
            self._pools[function.name] = pool
            self._queues[function.name] = queue
        self._sink = sink
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Watch the code for changes and have the prewarmed environments started."""
        if self.settings.reload:
            self._watching = self._loop.create_task(watch(list(self._pools.values()), self._sink))
        for name, count in self.settings.prewarm.items():
            self._pool(name).prewarm(count)

    @property
    def functions(self) -> tuple[Function, ...]:
        """All functions, in the template's order."""
        return tuple(pool.function for pool in self._pools.values())

    def pool(self, function: str) -> FunctionPool:
        """The environments of one function; raises UnknownFunction."""
        return self._pool(function)

    def submit(
        self,
        function: str,
        payload: bytes,
        *,
        trace_id: str | None = None,
        request_id: str | None = None,
        log_tail: bool = False,
        client_context: str | None = None,
    ) -> asyncio.Future[InvokeResult]:
        """Start an invocation; raises Throttled or UnknownFunction.

        `client_context` is JSON that the function finds in its context.
        Giving up on the future does not stop the function, as on Lambda.
        """
        pool = self._pool(function)
        outcome: asyncio.Future[InvokeResult] = self._loop.create_future()
        pool.submit(
            Invocation(
                pool.function,
                payload,
                request_id or new_request_id(),
                trace_id or new_trace_id(),
                outcome,
                [] if log_tail else None,
                client_context,
            )
        )
        return outcome

    async def invoke(
        self, function: str, payload: bytes, *, trace_id: str | None = None
    ) -> InvokeResult:
        """Run the function and wait for its answer; raise Throttled or UnknownFunction."""
        return await self.submit(function, payload, trace_id=trace_id)

    async def invoke_async(
        self, function: str, payload: bytes, *, trace_id: str | None = None
    ) -> str:
        """Accept an event, run it later with Lambda's retries; its request id."""
        return self.enqueue(function, payload, trace_id=trace_id)

    def enqueue(self, function: str, payload: bytes, *, trace_id: str | None = None) -> str:
        """`invoke_async` without waiting: an event is accepted at once or not at all."""
        self._pool(function)
        request_id = new_request_id()
        self._queues[function].accept(request_id, trace_id or new_trace_id(), payload)
        return request_id

    async def close(self, grace_s: float = 4.0) -> None:
        """Let running invocations finish for `grace_s`, then end every process."""
        if self._watching is not None:
            self._watching.cancel()
        for queue in self._queues.values():
            queue.close()
        await asyncio.gather(*(pool.close(grace_s) for pool in self._pools.values()))
        await self._loop.run_in_executor(None, self._guard.close)
        await self._loop.run_in_executor(None, shutil.rmtree, self._tmp_root, True)

    def _pool(self, function: str) -> FunctionPool:
        pool = self._pools.get(function)
        if pool is None:
            raise UnknownFunction(function)
        return pool

    def _runner(self, pool: FunctionPool) -> Run:
        def run(payload: bytes, request_id: str, trace_id: str) -> asyncio.Future[InvokeResult]:
            name = pool.function.name
            return self.submit(name, payload, trace_id=trace_id, request_id=request_id)

        return run
