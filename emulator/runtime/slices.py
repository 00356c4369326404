"""How long a process may run before another has its turn: cold starts wait, warm requests do not.

Linux 6.12 and newer give every process a time slice of its own (sched_setattr(2), `sched_runtime`
of a task without real-time policy): whoever has a shorter one is let in sooner and for less time;
its share of the processor stays the same, and no privilege is needed. Older kernels ignore the
figure, and elsewhere than on Linux nothing is asked for.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import platform
import struct
import sys
from collections.abc import Callable

_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
# struct sched_attr: size, policy, flags, nice, priority, runtime, deadline, period.
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")
_SHORT_NS, _LONG_NS = 200_000, 100_000_000


def wait_for_others(pid: int) -> None:
    """Let a process that is starting run after all that have something short to do."""
    _set_slice(pid, _LONG_NS)


def go_first(pid: int) -> None:
    """Let a process that answers requests in soon; 0 is the caller itself."""
    _set_slice(pid, _SHORT_NS)


def _set_slice(pid: int, slice_ns: int) -> None:
    call = _system_call()
    if call is not None:
        with contextlib.suppress(ProcessLookupError):
            nice = os.getpriority(os.PRIO_PROCESS, pid)
            # An answer of -1 (an old kernel, a process that is gone) leaves all as it was.
            call(pid, _ATTRIBUTES.pack(_ATTRIBUTES.size, 0, 0, nice, 0, slice_ns, 0, 0))


@functools.cache
def _system_call() -> Callable[[int, bytes], int] | None:
    number = _SCHED_SETATTR.get(platform.machine())
    if sys.platform != "linux" or number is None:
        return None
    syscall = ctypes.CDLL(None).syscall
    return lambda pid, attributes: int(syscall(number, pid, attributes, 0))
