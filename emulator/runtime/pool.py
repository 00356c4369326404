"""All environments of one function: who runs what, who waits, what is started and what is ended."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
from collections import deque
from collections.abc import Callable

from emulator.invocations import ACCOUNT_LIMIT, Throttled
from emulator.logs import Kind
from emulator.runtime.concurrency import Account, StartGate
from emulator.runtime.environment import Environment, State
from emulator.runtime.invocation import Invocation, error_payload
from emulator.runtime.memory import MemoryWatch
from emulator.runtime.reports import Phase
from emulator.runtime.settings import RuntimeSettings
from emulator.runtime.surroundings import Surroundings
from emulator.template.model import Function

_HELD_BACK_NOTE_S = 10.0
# When the emulator stops, what nobody waits for gets this long to finish.
_UNAWAITED_GRACE_S = 0.5
# Starting an environment takes about 0.2 s, and more on a busy machine.
_PATIENCE_S = 0.005
_PATIENCE_WHEN_BUSY_S = 0.25
# However busy the cores are, one more is let in when none was for so long: those who run may be
# waiting for it.
_LONGEST_HOLD_S = 0.05
# Busy cores rest for moments, too; a start costs more than such a moment.
_ROOMY_LOOKS = 3
_COMING = frozenset({State.STARTING, State.RETURNING})
# Each look takes some 50 µs, in which no request is served.
_LOOKS_AT_ONCE = 8
_USING_MEMORY = frozenset({State.STARTING, State.BUSY})


class FunctionPool:
    """Runs the invocations of one function, first come, first served.

    An invocation takes an idle environment, or waits for whichever comes first: one being started
    for it, or one that another invocation frees. Environments are started for those who wait and
    for nobody else; while there are any, only for those who lost their patience.

    Where one environment more than there are cores is running and every core is busy, the next
    invocation waits until either changes: another process would only take time and caches from
    those that run, and short requests are over sooner with few of them. Functions that wait for
    something else leave the cores idle, and any number of them run at once.
    """

    def __init__(
        self,
        function: Function,
        settings: RuntimeSettings,
        around: Surroundings,
        account: Account,
        gate: StartGate,
    ) -> None:
        self.function = function
        self.in_flight = 0
        self.on_free: Callable[[], None] = lambda: None
        self._settings = settings
        self._around = around
        self._account = account
        self._gate = gate
        self._loop = asyncio.get_running_loop()
        self._cap = _cap(function, settings)
        self._numbers = itertools.count(1)
        self._environments: set[Environment] = set()
        self._starting: set[Environment] = set()
        self._idle: deque[Environment] = deque()
        self._waiting: deque[tuple[float, Invocation]] = deque()  # since when
        self._patience: asyncio.TimerHandle | None = None
        self._started_at = -math.inf
        self._running = 0
        self._dispatched_at = -math.inf
        self._roomy_looks = 0  # how many of the last ones in a row found an idle core
        self._prewarm = 0
        self._kept_warm = 0
        # Once an INIT failed, the next ones run inside the invocations that need them.
        self._phase = Phase.INIT
        self._memory = MemoryWatch(self._look_at_memory)
        self._closing = False
        self._reaper: asyncio.TimerHandle | None = None
        self._noted_at = -math.inf
        self._tasks: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def free(self) -> int:
        """How many more invocations would be taken and find an environment of their own."""
        free = self._cap - self.in_flight
        if self.function.reserved_concurrency is None:
            return min(free, self._account.free)
        return free

    @property
    def environments(self) -> frozenset[Environment]:
        """All that exist, for tests and status reports."""
        return frozenset(self._environments)

    @property
    def idle(self) -> int:
        """How many are waiting for a request."""
        return len(self._idle)

    def submit(self, invocation: Invocation) -> None:
        """Run it now or as soon as an environment is free; raise Throttled as Lambda would."""
        if self._closing:
            raise Throttled("the emulator is shutting down")
        self._admit()
        self._waiting.append((self._loop.time(), invocation))
        self._go_on()

    def prewarm(self, count: int) -> None:
        """Have this many environments ready from now on, as far as the limit goes."""
        self._kept_warm = min(count, self._cap)
        fresh = sum(not environment.retired for environment in self._environments)
        self._prewarm = max(0, self._kept_warm - fresh)
        self._grow()

    def update(self, function: Function) -> None:
        """Go on with another configuration: what runs finishes with the former one."""
        was_reserved = self.function.reserved_concurrency is not None
        is_reserved = function.reserved_concurrency is not None
        self._account.in_use += self.in_flight * (was_reserved - is_reserved)
        self.function = function
        self._cap = _cap(function, self._settings)
        self.retire()
        self.on_free()

    def retire(self) -> None:
        """Replace every environment, the busy ones after their request: the code changed."""
        self._idle.clear()
        self._phase = Phase.INIT
        for environment in self._environments:
            environment.retired = True
            if environment.state is State.IDLE:
                environment.end()
        self.prewarm(self._kept_warm)

    async def close(self, grace_s: float) -> None:
        """Take nothing new, let what runs finish for `grace_s`, kill the rest; none is left."""
        self._closing = True
        for timer in (self._reaper, self._patience):
            if timer is not None:
                timer.cancel()
        if not any(invocation.is_awaited for _, invocation in self._waiting):
            self._end_those(lambda environment: environment in self._starting)
        self._end_those(lambda environment: environment.state is State.IDLE)
        await self._is_empty(min(grace_s, _UNAWAITED_GRACE_S))
        self._end_those(_is_unawaited)
        await self._is_empty(grace_s - _UNAWAITED_GRACE_S)
        self._end_those(lambda _: True)
        await self._empty.wait()
        self._memory.stop()
        while self._waiting:
            self._fail_first(error_payload("ServiceException", "The emulator was shut down."))

    async def _is_empty(self, timeout_s: float) -> None:
        if not self._empty.is_set() and timeout_s > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), timeout_s)

    def _end_those(self, chosen: Callable[[Environment], bool]) -> None:
        for environment in [each for each in self._environments if chosen(each)]:
            environment.end()

    # -- called by environments

    def ready(self, environment: Environment) -> None:
        """It started, or came back for more."""
        if environment in self._starting:
            self._starting.discard(environment)
            self._phase = Phase.INIT
            self._started_at = self._loop.time()
            self._gate.leave()
        if environment.retired or (self._closing and not self._waiting):
            environment.end()
        elif self._waiting and environment.phase is Phase.INVOKE:
            self._dispatch(environment)  # its INIT ran inside the first who waits
        else:
            environment.idle_since = self._loop.time()
            environment.phase = Phase.INIT  # whoever comes later owes nothing for its INIT
            self._idle.append(environment)
            if self._reaper is None:
                self._reaper = self._loop.call_later(self._settings.idle_s, self._reap)
            self._go_on()

    def completed(self, environment: Environment) -> None:
        """Its invocation is over."""
        self._running -= 1
        if environment.retired:
            environment.end()
        self._release()

    def ended(self, environment: Environment, init_failed: bool) -> None:
        """It is gone; if its INIT failed, it is run once more inside the invocation."""
        self._environments.discard(environment)
        if environment in self._idle:
            self._idle.remove(environment)
        if environment in self._starting:
            self._starting.discard(environment)
            self._gate.leave()
        if init_failed and not environment.retired:
            self._phase = Phase.INVOKE
            if environment.phase is Phase.INVOKE and self._waiting:
                environment.fail(self._waiting.popleft()[1])
                self._release()
        self._grow()
        if not self._environments:
            self._empty.set()

    # -- inside

    def _go_on(self) -> None:
        """Give those who wait the idle environments, as far as the cores have room for more."""
        while self._waiting and self._idle and self._has_room():
            self._dispatch(self._idle.pop())
        if self._waiting:
            self._grow()

    def _dispatch(self, environment: Environment) -> None:
        """Give it the first of those who wait."""
        if not environment.dispatch(self._waiting[0][1]):
            environment.end()
            return
        self._waiting.popleft()
        self._running += 1
        self._dispatched_at = self._loop.time()
        self._memory.arm(environment.memory_due)
        self._gate.is_serving = True

    def _has_room(self) -> bool:
        """Whether one more running at once would get anything done sooner."""
        return self._must_go_on() or self._gate.cores.have_room()

    def _must_go_on(self) -> bool:
        """Whether one more runs however busy the cores are."""
        few = self._running <= self._gate.cores.count
        return few or self._loop.time() - self._dispatched_at > _LONGEST_HOLD_S

    def _admit(self) -> None:
        """Count one more invocation, or raise Throttled."""
        name, reserved = self.function.name, self.function.reserved_concurrency
        if reserved is not None:
            if self.in_flight >= reserved:
                self._around.metrics.throttled(name)
                raise Throttled(f"{name}: its reserved concurrency is {reserved}")
        elif self._account.free <= 0:
            self._around.metrics.throttled(name)
            limit = self._account.limit
            raise Throttled(f"the account's concurrency of {limit} is used up", ACCOUNT_LIMIT)
        else:
            self._account.in_use += 1
        self.in_flight += 1

    def _grow(self) -> None:
        """Start environments for those who lost patience and for whom none is on its way."""
        while not self._closing:
            impatient = self._impatient()
            wanted = impatient - self._coming() if impatient else 0
            if wanted <= 0 and self._prewarm <= 0:
                self._come_back()
                return
            if len(self._environments) >= self._cap:
                self._note_held_back(wanted)
                return
            if not self._gate.enter(self._grow):
                return
            self._prewarm = max(0, self._prewarm - 1)
            self._start()

    def _coming(self) -> int:
        return sum(
            environment.state in _COMING and not environment.retired
            for environment in self._environments
        )

    def _impatient(self) -> int:
        """How many have waited too long, and too long since an environment came to help."""
        if not self._environments:
            return len(self._waiting)
        if not self._waiting or self._idle:
            return 0
        busy = not self._must_go_on() and self._roomy_looks < _ROOMY_LOOKS
        patience_s = _PATIENCE_WHEN_BUSY_S if busy else _PATIENCE_S
        now = self._loop.time()
        if now - max(self._started_at, self._waiting[0][0]) < patience_s:
            return 0
        latest = now - patience_s
        return sum(1 for _ in itertools.takewhile(lambda each: each[0] <= latest, self._waiting))

    def _come_back(self) -> None:
        """Look again when the next of those who wait will have lost patience."""
        if self._patience is None and self._waiting:
            self._patience = self._loop.call_later(_PATIENCE_S, self._patience_lost)

    def _patience_lost(self) -> None:
        self._patience = None
        self._roomy_looks = self._roomy_looks + 1 if self._gate.cores.have_room() else 0
        self._go_on()

    def _start(self) -> None:
        environment = Environment(
            self.function,
            next(self._numbers),
            self,
            self._around,
            phase=self._phase,
            init_s=self._settings.init_s,
        )
        self._environments.add(environment)
        self._starting.add(environment)
        self._memory.arm(environment.memory_due)
        self._empty.clear()
        task = self._loop.create_task(environment.start())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _look_at_memory(self) -> float | None:
        """Check a few of those whose time it is; in how many seconds the next ones' time is."""
        using = [each for each in self._environments if each.state in _USING_MEMORY]
        if not using:
            return None
        now = self._loop.time()
        due = [each for each in using if each.memory_due <= now]
        for each in due[:_LOOKS_AT_ONCE]:
            each.check_memory(now)
        return min(each.memory_due for each in using) - now

    def _release(self) -> None:
        self.in_flight -= 1
        if self.function.reserved_concurrency is None:
            self._account.release()
        self.on_free()

    def _fail_first(self, error: bytes) -> None:
        _, invocation = self._waiting.popleft()
        self._release()
        invocation.finish(error, "Unhandled")

    def _reap(self) -> None:
        """End what has been idle too long; the longest idle is leftmost."""
        self._reaper = None
        now = self._loop.time()
        while len(self._idle) > self._kept_warm:
            due = self._idle[0].idle_since + self._settings.idle_s
            if due > now:
                self._reaper = self._loop.call_at(due, self._reap)
                return
            self._idle.popleft().end()

    def _note_held_back(self, waiting: int) -> None:
        now = self._loop.time()
        if waiting <= 0 or now - self._noted_at < _HELD_BACK_NOTE_S:
            return
        self._noted_at = now
        self._around.sink(
            Kind.PLATFORM,
            f"{waiting} request(s) held back: all {self._cap} environments are in use",
            function=self.function.name,
            level="WARNING",
        )


def _cap(function: Function, settings: RuntimeSettings) -> int:
    """How many environments a function may have here."""
    reserved, limit = function.reserved_concurrency, settings.max_environments
    return limit if reserved is None else min(limit, reserved)


def _is_unawaited(environment: Environment) -> bool:
    invocation = environment.invocation
    return invocation is not None and not invocation.is_awaited
