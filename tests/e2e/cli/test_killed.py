"""Parts of a running system that are killed, some while they are started again."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from emulator.services import ports
from emulator.services.process import Identity
from tests.e2e.cli.running import descendants, pay, state_of, webhook_of
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.xdist_group("e2e")


def children(pid: int) -> set[Identity]:
    """What a process has started and is still there."""
    pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {child for each in pids if (child := Identity.of(int(each))) is not None}


@pytest.mark.parametrize(
    "title", ["PostgreSQL", "Valkey", "MiniStack", "webhook receiver", "emulator"]
)
def test_a_part_that_is_killed_runs_again_and_no_payment_is_lost(paywright, title):
    before = pay(paywright)
    victim = state_of(paywright).parts[title]
    assert victim.send(signal.SIGKILL)

    def mended() -> bool:
        now = state_of(paywright).parts[title]
        return now != victim and now.alive()

    until(mended, f"another {title}")

    def paid() -> Any:
        try:
            return paywright.api.get(f"/v1/payments/{before['id']}").status == 200 and pay(
                paywright
            )
        except Exception:  # not all of it is up again
            return None

    after = until(paid, "a payment after the repair")
    # At once as a rule; what reached a new bus before its rule did, comes again after a minute.
    assert webhook_of(paywright, after["id"])["verified"]
    log = (paywright.home.logs / "supervisor.log").read_text()
    assert f"{title} had died and runs again" in log


def test_a_payment_taken_while_the_aws_endpoint_is_dead_has_its_webhook_all_the_same(paywright):
    victim = state_of(paywright).parts["MiniStack"]
    assert victim.send(signal.SIGKILL)
    paid = [pay(paywright) for _ in range(3)]  # the API has no need of it
    for payment in paid:
        assert webhook_of(paywright, payment["id"])["verified"]


def test_a_port_that_is_lost_with_its_part_is_made_good(paywright):
    state, before = state_of(paywright), paywright.urls
    victim = state.parts["webhook receiver"]
    state.supervisor.send(signal.SIGSTOP)
    try:
        victim.send(signal.SIGKILL)
        assert victim.wait_gone(PATIENCE_S)
        holder = socket.socket()
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((ports.HOST, urlsplit(before.receiver_url).port or 0))
        holder.listen()
    finally:
        state.supervisor.send(signal.SIGCONT)
    with holder:
        until(lambda: paywright.urls.receiver_url != before.receiver_url, "another address")
        assert paywright.urls.gateway_url == before.gateway_url
        assert webhook_of(paywright, pay(paywright)["id"])["verified"]


def test_after_the_supervisor_is_killed_a_new_up_finds_every_payment(paywright):
    payment = pay(paywright)
    state = state_of(paywright)
    family = descendants(state.supervisor.pid)
    assert state.supervisor.send(signal.SIGKILL)
    assert state.supervisor.wait_gone(PATIENCE_S)
    assert paywright.run("status").returncode == 1
    paywright.up()
    assert not [process for process in family if process.alive()]
    assert paywright.api.get(f"/v1/payments/{payment['id']}").body["status"] == "captured"


@pytest.mark.parametrize("title", ["PostgreSQL", "Valkey", "MiniStack"])
def test_a_part_that_is_killed_while_it_starts_again_runs_again(paywright, title: str) -> None:
    before = pay(paywright)
    state = state_of(paywright)
    victim, supervisor = state.parts[title], state.supervisor
    known = children(supervisor.pid)
    assert victim.send(signal.SIGKILL)
    give_up = time.monotonic() + PATIENCE_S
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
