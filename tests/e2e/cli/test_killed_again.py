"""Parts of a running system that are killed while they are started again."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from emulator.services.process import Identity
from tests.e2e.cli.test_command import pay, state_of, until

pytestmark = pytest.mark.xdist_group("e2e")

_PATIENCE_S = 60


def children(pid: int) -> set[Identity]:
    """What a process has started and is still there."""
    pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {child for each in pids if (child := Identity.of(int(each))) is not None}


@pytest.mark.parametrize("title", ["PostgreSQL", "Valkey", "MiniStack"])
def test_a_part_that_is_killed_while_it_starts_again_runs_again(paywright, title: str) -> None:
    before = pay(paywright)
    state = state_of(paywright)
    victim, supervisor = state.parts[title], state.supervisor
    known = children(supervisor.pid)
    assert victim.send(signal.SIGKILL)
    give_up = time.monotonic() + _PATIENCE_S
    while not (starting := children(supervisor.pid) - known):
        assert time.monotonic() < give_up
        time.sleep(0.001)
    (second,) = starting
    assert second.send(signal.SIGKILL)

    def mended() -> bool:
        now = state_of(paywright).parts.get(title)
        return now is not None and now not in (victim, second) and now.alive()

    until(mended, f"a third {title}")
    assert supervisor.alive()

    def paid() -> bool:
        try:
            same = paywright.api.get(f"/v1/payments/{before['id']}").status == 200
            return same and bool(pay(paywright))
        except Exception:  # not all of it is up again
            return False

    until(paid, "a payment after the repair")
