"""Lambda as the rest of the emulator sees it: functions that can be invoked."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from emulator.invocations import InvokeResult, UnknownFunction
from emulator.logs import Kind, LogSink
from emulator.metrics import Labels, Metrics, Type
from emulator.runtime.clients import Client, choose
from emulator.runtime.concurrency import Account, StartGate
from emulator.runtime.destinations import Message, Send
from emulator.runtime.events import EventQueue, Run
from emulator.runtime.guard import Guard
from emulator.runtime.invocation import Invocation
from emulator.runtime.leftovers import Leftovers
from emulator.runtime.pool import FunctionPool
from emulator.runtime.reload import watch
from emulator.runtime.settings import RuntimeSettings
from emulator.runtime.surroundings import Surroundings
from emulator.targets import function_reference
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
            choose(self.settings.client),
        )
        self._account = Account(self.settings.account_concurrency)
        self._gate = StartGate(self.settings.max_starting)
        self._send = send
        self._sink = sink
        self._pools: dict[str, FunctionPool] = {}
        self._queues: dict[str, EventQueue] = {}
        self._watching: asyncio.Task[None] | None = None
        self._account.reserve_for(functions.values())
        for function in functions.values():
            self._add(function)
        self._measure()

    def _add(self, function: Function) -> None:
        pool = FunctionPool(function, self.settings, self._around, self._account, self._gate)
        queue = EventQueue(
            pool,
            self._runner(pool),
            limit=self.settings.async_queue,
            retry_delays_s=self.settings.retry_delays_s,
            send=self._deliver,
            sink=self._sink,
        )
        pool.on_free = queue.pump
        self._account.on_free.append(queue.pump)
        self._pools[function.name] = pool
        self._queues[function.name] = queue

    async def start(self) -> None:
        """Watch the code for changes and have the prewarmed environments started."""
        if self.settings.client is Client.AUTO and self._around.client is Client.PYTHON:
            self._sink(
                Kind.PLATFORM,
                "awslambdaric is not installed here: functions run under the emulator's own client",
            )
        self._watch()
        for name, count in self.settings.prewarm.items():
            self._pool(name).prewarm(count)

    def _watch(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        if self.settings.reload:
            self._watching = self._loop.create_task(watch(list(self._pools.values()), self._sink))

    def update(self, functions: Mapping[str, Function]) -> None:
        """Add functions or change them: what runs finishes as it began, what comes next is new."""
        for function in functions.values():
            if function.name in self._pools:
                self._pools[function.name].update(function)
            else:
                self._add(function)
        self._account.reserve_for(self.functions)
        self._watch()

    @property
    def functions(self) -> tuple[Function, ...]:
        """All functions, in the template's order."""
        return tuple(pool.function for pool in self._pools.values())

    @property
    def tmp_root(self) -> Path:
        """The folder that holds every environment's TMPDIR."""
        return self._tmp_root

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
        is_event: bool = False,
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
                is_event,
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
        name = self._pool(function).function.name
        request_id = new_request_id()
        self._queues[name].accept(request_id, trace_id or new_trace_id(), payload)
        return request_id

    async def close(self, grace_s: float = 4.0) -> None:
        """Let running invocations finish for `grace_s`, then end every process."""
        if self._watching is not None:
            self._watching.cancel()
        for queue in self._queues.values():
            queue.close()
        await asyncio.gather(*(pool.close(grace_s) for pool in self._pools.values()))
        await asyncio.gather(*self._around.cleaning)
        self._gate.cores.close()
        await self._loop.run_in_executor(None, self._guard.close)
        await self._loop.run_in_executor(None, shutil.rmtree, self._tmp_root, True)

    def _pool(self, function: str) -> FunctionPool:
        pool = self._pools.get(function)
        if pool is None:
            name, _, qualifier = function.partition(":")
            pool = self._pools.get(name)
            if pool is None or not pool.function.knows(qualifier):
                raise UnknownFunction(function)
        return pool

    def _runner(self, pool: FunctionPool) -> Run:
        def run(payload: bytes, request_id: str, trace_id: str) -> asyncio.Future[InvokeResult]:
            name = pool.function.name
            return self.submit(
                name, payload, trace_id=trace_id, request_id=request_id, is_event=True
            )

        return run

    async def _deliver(self, message: Message) -> None:
        """Bring what became of an event to a function here, or to whoever sends elsewhere."""
        if ":lambda:" in message.arn:
            self.enqueue(function_reference(message.arn), message.body.encode())
        elif self._send is None:
            raise ValueError("there is no AWS endpoint")
        else:
            await self._send(message)

    def _measure(self) -> None:
        """Add what is read from the pools when metrics are asked for."""

        def of_all(value: Callable[[str], float]) -> Callable[[], list[tuple[Labels, float]]]:
            return lambda: [((("function", name),), value(name)) for name in self._pools]

        read, pools, queues = self.metrics.read, self._pools, self._queues
        text = "Environments that exist, by function"
        read("lambda_environments", Type.GAUGE, text, of_all(lambda n: len(pools[n].environments)))
        text = "Invocations that run or wait for an environment"
        read("lambda_concurrency", Type.GAUGE, text, of_all(lambda n: pools[n].in_flight))
        text = "Asynchronous events that are not settled"
        read("lambda_events_waiting", Type.GAUGE, text, of_all(lambda n: queues[n].kept))
