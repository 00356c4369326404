"""Payments against a model of them: any sequence of requests, with the invariants after each.

Each seed is a run of its own. What a run has to have in it is asserted at its end, so that none
does nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import hypothesis
import psycopg
import pytest
import redis
from hypothesis.stateful import run_state_machine_as_test
from pydantic import SecretStr

from paywright import wiring
from paywright.ledger.sequencer import Sequencer
from paywright.processors.breaker import CircuitBreaker, Limits
from paywright.settings import Settings
from paywright.wiring import Platform, assemble
from tests.clock_file import ClockFile
from tests.services import Servers
from tests.simulation.crew import seeds
from tests.simulation.own_platform import app_database_url, clock, owner, url
from tests.simulation.payment_machine import Payments
from tests.simulation.payment_world import World

__all__ = ["app_database_url", "clock", "owner", "url"]

_PROCESSOR_TIMEOUT_S = "0.01"
_VALKEY_TIMEOUT_MS = "5000"

# At the least; most runs have several times as many.
_IN_EVERY_RUN = {
    "authorize succeeded": 50,
    "authorize failed": 5,
    "capture succeeded": 10,
    "capture of a part": 8,
    "void succeeded": 2,
    "expire succeeded": 5,
    "refund succeeded": 20,
    "refund of a part": 8,
    "refund of the rest": 8,
    "refund_return succeeded": 1,
    "outcome found out": 15,
    "authorize found out": 8,
    "key repeated": 15,
    "key repeated while undecided": 5,
    "refused: operation_in_progress": 3,
    "refused: authorization_expired": 1,
    "refused: refund_exceeds_capture": 1,
}


@pytest.fixture
def world(
    platform: Platform,
    settings: Settings,
    servers: Servers,
    url: str,
    valkey_url: str,
    owner: psycopg.Connection[Any],
    clock: ClockFile,
) -> Iterator[World]:
    login = SecretStr(servers.housekeeping_url(url))
    house = assemble(settings.model_copy(update={"database_url": login}))
    sequencer = Sequencer(platform.database, platform.clock)
    with closing(house.database), closing(house.cache), redis.Redis.from_url(valkey_url) as valkey:
        valkey.flushdb()
        yield World(platform, house, owner, clock, sequencer, valkey)


@pytest.fixture
def settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The processor is silent for moments and opens no breaker by it; Valkey may take its time."""
    patient = CircuitBreaker(limits=Limits(failures=sys.maxsize))
    monkeypatch.setattr(wiring, "CircuitBreaker", lambda _: patient)
    monkeypatch.setenv("PROCESSOR_TIMEOUT_S", _PROCESSOR_TIMEOUT_S)
    monkeypatch.setenv("VALKEY_TIMEOUT_MS", _VALKEY_TIMEOUT_MS)
    return Settings()


@pytest.mark.parametrize("number", seeds(1))
def test_any_sequence_of_operations(world: World, number: int) -> None:
    @hypothesis.seed(number)
    class Machine(Payments):
        pass

    Machine.world = world
    chosen = hypothesis.settings(
        max_examples=20,
        stateful_step_count=30,
        deadline=None,
        database=None,
        # What an example breaks stays broken: with fewer steps it would fail as well.
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    try:
        run_state_machine_as_test(Machine, settings=chosen)
    except hypothesis.errors.Flaky as error:
        assert world.first_failure is not None
        raise world.first_failure from error
    world.prove()
    found = {name: world.seen[name] for name in _IN_EVERY_RUN}
    assert [name for name, least in _IN_EVERY_RUN.items() if found[name] < least] == [], found
