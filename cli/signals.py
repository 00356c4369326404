"""Commands that run until somebody ends them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue


class Stop:
    """What a signal handler may set and the thread that it interrupts waits for.

    A `threading.Event` takes a lock for both, and would wait for itself for ever where the handler
    interrupts its own `wait`. A SimpleQueue may be put into at any moment (queue, "SimpleQueue
    Objects").
    """

    def __init__(self) -> None:
        self._is_set = False
        self._wake: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """Have whoever waits go on."""
        self._is_set = True
        self._wake.put(None)

    def is_set(self) -> bool:
        """Whether it was set."""
        return self._is_set

    def wait(self, timeout_s: float) -> bool:
        """Wait until it is set, for so long at most; whether it is."""
        if not self._is_set:
            with suppress(Empty):
                self._wake.get(timeout=timeout_s)
        return self._is_set


@contextmanager
def until_signal() -> Iterator[Stop]:
    """What Ctrl-C and SIGTERM set; a second one ends the process at once."""
    stop = Stop()

    def on_signal(signum: int, _frame: object) -> None:
        stop.set()
        signal.signal(signum, signal.SIG_DFL)

    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    for signum in before:
        signal.signal(signum, on_signal)
    try:
        yield stop
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
