"""Parts of the running system are killed under load; all is decided and every event arrives.

Some twenty seconds of faults here, two minutes with `make faults`. The seed decides what is killed
in which order, which events receivers refuse at first, and what merchants do; not when exactly.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cli.api import Merchant
from cli.merchants import pii_key
from paywright.clock import SystemClock
from paywright.ids import UuidSource, parse_typeid
from paywright.merchants.create import create_merchant
from tests.bench.payment_system import System, started
from tests.simulation import invariants
from tests.simulation.killer import Killer
from tests.simulation.moody_receiver import MoodyReceivers, moody_receivers
from tests.simulation.reckoning import (
    Endpoint,
    Reckoning,
    delivered_of,
    events_of,
    wanted_of,
)
from tests.simulation.traffic import Payer, traffic

pytestmark = pytest.mark.xdist_group("faults")

_SECONDS = float(os.environ.get("PAYWRIGHT_FAULTS_S", "18"))
_SEED = int(os.environ.get("PAYWRIGHT_FAULTS_SEED", "1"))

_FILTERS = (["*"], ["payment.*"], ["refund.*"], ["payment.captured", "refund.created"])
_MERCHANTS, _CLIENTS_EACH = 3, 3
_PATIENCE_S = 240.0
# Events whose messages got lost go on the bus again once a minute old. Housekeeping looks for these
# every ten seconds, two minutes back: business time must not pass much faster than it looks.
_FIRST_STEP, _STEP, _STEP_EVERY_S = timedelta(minutes=1), timedelta(seconds=12), 5.0
_GOOD, _BAD, _LOST = "4242424242424242", "4000000000000002", "4000000000003048"
_SHOWN = 20


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """A system of this test's own; its logs are kept as long as pytest keeps such."""
    folder = Path(tempfile.mkdtemp(prefix="paywright-faults-"))
    folder.chmod(0o755)  # PostgreSQL's own user, if root runs this, has to reach its data
    try:
        with started(folder, RateLimitPerMin=100_000, ProcessorTimeoutS=1) as running:
            yield running
            shutil.copytree(running.home.logs, tmp_path / "logs")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def receivers(tmp_path: Path) -> Iterator[MoodyReceivers]:
    with moody_receivers(_SEED, tmp_path / "receipts.jsonl") as running:
        yield running


def test_every_committed_event_arrives_whatever_is_killed(
    system: System, receivers: MoodyReceivers
) -> None:
    print(f"\nseed {_SEED}, {_SECONDS:.0f} s of faults")
    payers, endpoints = merchants(system, receivers)
    lost = never_received(payers[0].api)
    killer = Killer(system, random.Random(_SEED))
    with traffic(payers, each=_CLIENTS_EACH, seed=_SEED) as work:
        killer.run(_SECONDS)
    healed_s = heal(killer, endpoints)
    with connected(system) as connection:
        before = events_of(connection)
        receipts = receivers.receipts()
        found = Reckoning(
            endpoints, before, receipts, events_of(connection), delivered_of(connection)
        )
    figures = found.figures(killer.machine_time)
    print(f"killed {dict(killer.done)}; answers {dict(work.answers)}; {asdict(figures)}")
    problems = found.problems(work.promised)
    assert not problems, told(problems)
    still = "something is on its way, or undecided,"
    assert healed_s is not None, f"seed {_SEED}: {still} after {_PATIENCE_S:.0f} s"
    print(f"healed within {healed_s:.0f} s")
    assert payers[0].api.get(f"/v1/payments/{lost}").body["failure_message"] == "not_received"
    assert figures.wanted > 100, "there was no load to speak of"
    with connected(system) as connection:
        invariants.check(connection)
    report = subprocess.run(
        [sys.executable, "-m", "cli.main", "ledger", "verify", "--json"],
        env={**os.environ, "PAYWRIGHT_HOME": str(system.home.folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert report.returncode == 0, report.stdout + report.stderr
    assert json.loads(report.stdout)["problems"] == []


def told(problems: Sequence[str]) -> str:
    """The first of them, and how to run this again."""
    lines = [
        f"{len(problems)} problems with PAYWRIGHT_FAULTS_SEED={_SEED}:",
        *sorted(problems)[:_SHOWN],
    ]
    return "\n".join(lines)


def connected(system: System) -> psycopg.Connection[Any]:
    return psycopg.connect(system.urls.database_url, autocommit=True)


def heal(killer: Killer, endpoints: Sequence[Endpoint]) -> float | None:
    """Let time pass until nothing is on its way; after how many seconds that was, if it was."""
    began = time.monotonic()
    killer.advance(_FIRST_STEP)
    moved = began
    while (now := time.monotonic()) < began + _PATIENCE_S:
        if now > moved + _STEP_EVERY_S:
            killer.advance(_STEP)
            moved = now
        # Suppressed: it is being started.
        with contextlib.suppress(psycopg.OperationalError), connected(killer.system) as connection:
            looks_at = next_look(connection)  # first: what is decided makes an event
            if is_quiet(connection, endpoints):
                if looks_at is None:
                    return time.monotonic() - began
                # Nothing else waits for time. What the processor never got is decided after a day.
                if (left := looks_at - killer.business_now()) > timedelta(0):
                    killer.advance(left)
        time.sleep(0.5)
    return None


def next_look(connection: psycopg.Connection[Any]) -> datetime | None:
    """When recovery looks at an undecided operation next; None where all are decided."""
    row = connection.execute("SELECT min(due_at) FROM pending_operations").fetchone()
    assert row is not None
    found: datetime | None = row[0]
    return found


def is_quiet(connection: psycopg.Connection[Any], endpoints: Sequence[Endpoint]) -> bool:
    row = connection.execute(
        "SELECT NOT EXISTS (SELECT FROM outbox) AND NOT EXISTS (SELECT FROM webhook_waiting)"
        " AND NOT EXISTS (SELECT FROM webhook_deliveries WHERE status = 'pending')"
    ).fetchone()
    assert row is not None
    return bool(row[0]) and wanted_of(events_of(connection), endpoints) <= delivered_of(connection)


def merchants(system: System, receivers: MoodyReceivers) -> tuple[list[Payer], list[Endpoint]]:
    """Merchants with cards to charge, and an endpoint for each of the filters."""
    payers, endpoints = [], []
    clock = SystemClock()
    for number in range(_MERCHANTS):
        with connected(system) as connection:
            made = create_merchant(
                connection,
                pii_key(system.home),
                name=f"Merchant {number}",
                email=f"{uuid.uuid4().hex}@example.com",
                settlement_currency="usd",
                clock=clock,
                ids=UuidSource(clock),
            )
        api = Merchant(system.urls.gateway_url, made.api_key)
        for filters in _FILTERS:
            path = f"/{number}/{','.join(filters)}"
            wanted = {"url": receivers.url(path), "event_types": filters}
            endpoint = api.created("/v1/webhook_endpoints", wanted)
            receivers.learn(path, endpoint["secret"])
            ids = parse_typeid("whe", endpoint["id"]), parse_typeid("mer", made.id)
            assert ids[0] is not None
            assert ids[1] is not None
            endpoints.append(Endpoint(ids[0], ids[1], path, filters))
        payers.append(Payer(api, card(api, _GOOD), card(api, _BAD)))
    return payers, endpoints


def never_received(api: Merchant) -> str:
    """A payment that its processor never hears of: recovery decides it."""
    order = {"amount": 1000, "currency": "usd", "payment_method_id": card(api, _LOST)}
    return str(api.created("/v1/payments", order)["id"])


def card(api: Merchant, number: str) -> str:
    """A payment method."""
    customer = api.created("/v1/customers", {})
    content = {"number": number, "exp_month": 12, "exp_year": 2034, "cvc": "123"}
    path = f"/v1/customers/{customer['id']}/payment_methods"
    return str(api.created(path, {"type": "card", "card": content})["id"])
