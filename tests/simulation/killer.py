"""Kills parts of a running system without warning: kill -9, one after another, as a seed has it."""

from __future__ import annotations

import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cli import clock, state
from cli.errors import Failure
from emulator.services.process import Identity
from tests.bench.payment_system import System

FUNCTIONS = ("relay", "webhook", "webhook_due")
SERVERS = ("MiniStack", "Valkey", "PostgreSQL")
BACKEND = "a connection of PostgreSQL"
KINDS = (*FUNCTIONS, *SERVERS, BACKEND)

# In a minute the supervisor starts a part again five times at most: each kind has its turn, so one
# comes at most once in as many pauses as there are kinds.
_PAUSE_S = (2.0, 3.5)
_STEP = timedelta(seconds=8)
"""Of business time after each: a minute, for which schedules wait, takes a quarter of one."""
_LOOK_S = 0.05


@dataclass
class Killer:
    """Kills, and lets business time pass so that schedules and retries have their turn."""

    system: System
    random: random.Random
    done: Counter[str] = field(default_factory=Counter)
    moves: list[tuple[float, timedelta]] = field(default_factory=list)
    """Since which Unix times business time is so far ahead."""

    def run(self, seconds: float) -> None:
        """Kill for so long, and until every kind has had its turn; AssertionError after thrice."""
        began = time.monotonic()
        for kind in self._turns():
            elapsed_s = time.monotonic() - began
            if elapsed_s >= seconds and len(self.done) == len(KINDS):
                return
            assert elapsed_s < 3 * max(seconds, 20), f"killed only {dict(self.done)}"
            self._kill(kind)
            self.advance(_STEP)
            time.sleep(self.random.uniform(*_PAUSE_S))

    def advance(self, step: timedelta) -> None:
        """Move business time, if the system is in a state to do so."""
        with contextlib.suppress(Failure):
            clock.advance(self.system.home, self.system.urls, step)
            self.moves.append((time.time(), clock.ahead(self.system.home)))

    def business_now(self) -> datetime:
        """What time it is for the system."""
        return datetime.now(UTC) + clock.ahead(self.system.home)

    def machine_time(self, business_time: float) -> float:
        """When that was, both in seconds of Unix time."""
        for since, ahead in reversed(self.moves):
            if business_time - ahead.total_seconds() >= since:
                return business_time - ahead.total_seconds()
        return business_time

    def _turns(self) -> Iterator[str]:
        last = ""
        while True:
            kinds = list(KINDS)
            self.random.shuffle(kinds)
            if kinds[0] == last:  # it may still be starting: the supervisor would give up
                kinds.reverse()
            yield from kinds
            last = kinds[-1]

    def _kill(self, kind: str) -> None:
        """Kill one of a kind, as soon as there is one; none within a pause, and it is let off."""
        give_up = time.monotonic() + _PAUSE_S[1]
        while time.monotonic() < give_up:
            found = self._victims(kind)
            if found and self.random.choice(found).send(signal.SIGKILL):
                self.done[kind] += 1
                return
            time.sleep(_LOOK_S)

    def _victims(self, kind: str) -> list[Identity]:
        running = state.running(self.system.home)
        assert running is not None, "the supervisor has given up: see its log"
        if kind in SERVERS:
            return [running.parts[kind]]
        group = "PostgreSQL" if kind == BACKEND else kind
        pids = sorted(pid for pid, name in self.system.groups().items() if name == group)
        if kind == BACKEND:
            pids = [pid for pid in pids if b"paywright_app" in _command_line(pid)]
        return [found for pid in pids if (found := Identity.of(pid)) is not None]


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
