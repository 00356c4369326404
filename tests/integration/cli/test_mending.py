"""Servers that die while they are started again: tried again, later and later, and not for ever."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.errors import Failure
from cli.mending import MOST, Mending
from emulator.services import Valkey
from emulator.services.process import Child

_PATIENCE_S = 60
DONE = "runs again"


class Unlucky(Valkey):
    """A real server whose next starts are killed before it serves."""

    to_be_killed = 0
    launches = 0

    def launch(self) -> Child:
        self.launches += 1
        child = super().launch()
        if self.to_be_killed:
            self.to_be_killed -= 1
            assert child.identity.send(signal.SIGKILL)
            assert child.identity.wait_gone(_PATIENCE_S)
        return child


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Unlucky]:
    made = Unlucky(
        data_dir=tmp_path / "data",
        log=tmp_path / "valkey.log",
        password="0123456789abcdef",
        preferred_port=0,
    )
    made.start()
    made.wait_ready()
    yield made
    made.stop()


def kill(server: Unlucky) -> None:
    assert server.child is not None
    assert server.child.identity.send(signal.SIGKILL)
    assert server.child.identity.wait_gone(_PATIENCE_S)
    assert not server.running()


@dataclass
class Watch:
    """Time that goes on when a test says so."""

    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s


def pause_s(said: str | None) -> float:
    """How long it is before the next start."""
    assert said is not None
    found = re.fullmatch(r"Valkey did not start: .* Trying again in ([0-9.]+) s\.", said)
    assert found is not None, said
    return float(found[1])


def test_one_that_is_killed_while_it_starts_is_started_once_more(server: Unlucky) -> None:
    watch = Watch()
    mending, port = Mending(watch), server.port
    kill(server)
    server.to_be_killed = 1
    assert pause_s(mending.restart(server, DONE)) > 0
    assert not server.running()
    assert mending.restart(server, DONE) is None, "not at once"
    watch.now_s += 10
    assert mending.restart(server, DONE) == DONE
    assert (server.running(), server.port) == (True, port)


def test_starts_in_vain_come_later_and_later_and_have_an_end(server: Unlucky) -> None:
    watch = Watch()
    mending = Mending(watch)
    kill(server)
    server.launches, server.to_be_killed = 0, MOST + 1
    pauses = []
    for _ in range(MOST - 1):
        pauses.append(pause_s(mending.restart(server, DONE)))
        watch.now_s += 10
    assert pauses[0] < pauses[2]
    assert pauses[1] < pauses[3]
    with pytest.raises(Failure, match=r"^Valkey did not start: .* in vain, so all is stopped\.$"):
        mending.restart(server, DONE)
    assert server.launches == MOST
    assert not server.running()


def test_one_that_dies_again_and_again_has_an_end(server: Unlucky) -> None:
    mending = Mending(Watch())
    for _ in range(MOST):
        kill(server)
        assert mending.restart(server, DONE) == DONE
    kill(server)
    with pytest.raises(Failure, match=f"^Valkey died again after {MOST} restarts within 60 s"):
        mending.restart(server, DONE)
