"""Cold starts leave room for what is warm."""

from __future__ import annotations

import asyncio
import ctypes
import os
import platform
import struct
import subprocess
import sys

import pytest

from emulator.runtime import slices
from emulator.runtime.concurrency import StartGate
from tests.waiting import PATIENCE_S


async def test_a_start_is_followed_by_a_rest_while_requests_are_served() -> None:
    gate = StartGate(1)
    came = asyncio.Event()
    assert gate.enter(lambda: None)
    assert not gate.enter(came.set)
    gate.is_serving = True
    gate.leave()
    assert not came.is_set(), "what is warm has the cores for a moment"
    await asyncio.wait_for(came.wait(), PATIENCE_S)


async def test_without_requests_the_next_start_follows_at_once() -> None:
    gate = StartGate(1)
    came: list[str] = []
    assert gate.enter(lambda: None)
    assert not gate.enter(lambda: came.append("next"))
    gate.leave()
    assert came == ["next"]


async def test_a_start_that_nobody_waits_behind_gives_its_place_back_at_once() -> None:
    gate = StartGate(1)
    assert gate.enter(lambda: None)
    gate.is_serving = True
    gate.leave()
    assert gate.enter(lambda: None)


def slice_ns(pid: int) -> int:
    """The time slice of a process, as sched_getattr(2) tells it."""
    number = {"x86_64": 315, "aarch64": 275}[platform.machine()]
    buffer = ctypes.create_string_buffer(56)
    assert ctypes.CDLL(None).syscall(number, pid, buffer, 56, 0) == 0
    return int(struct.unpack("=IIQiIQ", buffer.raw[:32])[5])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has time slices to set")
def test_a_process_waits_or_goes_first() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        before, nice = slice_ns(child.pid), os.getpriority(os.PRIO_PROCESS, child.pid)
        slices.wait_for_others(child.pid)
        waits = slice_ns(child.pid)
        slices.go_first(child.pid)
        first = slice_ns(child.pid)
        assert os.getpriority(os.PRIO_PROCESS, child.pid) == nice
        child.communicate(b"\n")
    if waits == before:
        pytest.skip("this kernel gives every process the same slice")
    assert waits > before > first


def test_a_process_that_is_gone_is_no_error() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    slices.go_first(child.pid)
