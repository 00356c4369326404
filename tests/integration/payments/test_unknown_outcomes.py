"""No answer is not a failure: what is said, and what becomes of it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cli.clock import duration
from paywright.db.payments import PostgresPayments
from paywright.ids import parse_typeid
from paywright.payments.recovery import LOOK_AGAIN_AFTER, recover_due
from paywright.payments.services import Services
from paywright.wiring import Platform
from tests.api import Api


class Later:
    """A clock ahead of the platform's by what is added to it."""

    def __init__(self, platform: Platform) -> None:
        self._clock = platform.clock
        self.ahead = timedelta()

    def now(self) -> datetime:
        return self._clock.now() + self.ahead


@pytest.fixture
def clock(platform: Platform) -> Later:
    return Later(platform)


@pytest.fixture
def recovery(platform: Platform, clock: Later) -> Services:
    from dataclasses import replace

    store = PostgresPayments(platform.database, clock)
    return replace(platform.payments, clock=clock, store=store)


def status(api: Api, payment_id: str) -> tuple[str, str | None]:
    payment = api.get(f"/v1/payments/{payment_id}").json
    return payment["status"], payment["pending_reason"]


@pytest.mark.parametrize(
    ("card", "becomes"),
    [("4000000000003006", "captured"), ("4000000000003014", "failed")],
)
def test_a_timeout_is_pending_until_the_processor_is_asked(
    card: str, becomes: str, api: Api, clock: Later, recovery: Services, platform: Platform
) -> None:
    body = {"amount": 900, "currency": "usd", "payment_method_id": api.card(card)}
    reply = api.post("/v1/payments", body, key="k")
    assert reply.status == 201
    assert reply.json["status"] == "pending"
    assert reply.json["pending_reason"] == "processor_unknown"
    assert status(api, reply.json["id"]) == ("pending", "processor_unknown")

    def assert_replayed() -> None:
        for _ in ("by Valkey", "by the database"):
            again = api.post("/v1/payments", body, key="k")
            assert (again.status, again.text) == (201, reply.text), "said is said"
            assert again.headers["idempotent-replayed"] == "true"
            platform.cache.send(("FLUSHDB",))

    assert_replayed()
    recover_due(recovery)
    assert status(api, reply.json["id"]) == ("pending", "processor_unknown"), "not yet due"
    clock.ahead = timedelta(minutes=5)
    recover_due(recovery)
    assert status(api, reply.json["id"]) == (becomes, None)
    assert_replayed()
    assert len(api.get("/v1/payments").json["data"]) == 1


def test_an_answer_that_could_not_be_stored_is_not_replayed(
    api: Api, platform: Platform, monkeypatch: pytest.MonkeyPatch, clock: Later, recovery: Services
) -> None:
    """The database goes away while nobody knows: what it does not have is not told again."""
    from paywright.errors import ServiceUnavailable

    def go_away(*_: Any) -> None:
        raise ServiceUnavailable

    body = {"amount": 900, "currency": "usd", "payment_method_id": api.card("4000000000003006")}
    with monkeypatch.context() as patch:
        patch.setattr(PostgresPayments, "wait", go_away)
        first = api.post("/v1/payments", body, key="k")
    assert (first.status, first.json["status"]) == (201, "pending")
    meanwhile = api.post("/v1/payments", body, key="k")
    assert meanwhile.status == 409
    assert meanwhile.json["error"]["code"] == "idempotency_key_in_progress"
    assert int(meanwhile.headers["retry-after"]) >= 1

    clock.ahead = timedelta(minutes=5)
    recover_due(recovery)
    decided = api.post("/v1/payments", body, key="k")
    assert (decided.status, decided.json["status"]) == (201, "captured")
    assert decided.json["id"] == first.json["id"]
    platform.cache.send(("FLUSHDB",))
    assert api.post("/v1/payments", body, key="k").text == decided.text


def test_a_crash_before_the_processor_ends_as_failed_only_after_a_reversal(
    api: Api,
    clock: Later,
    recovery: Services,
    platform: Platform,
    owner: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def crash(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    method = api.card()
    with monkeypatch.context() as patch:
        patch.setattr(type(platform.processor), "authorize", crash)
        with pytest.raises(KeyboardInterrupt):
            api.pay(method, 333)
    row = owner.execute(
        "SELECT p.operation_id, p.transaction_id FROM pending_operations p JOIN transactions t"
        " ON t.id = p.transaction_id WHERE t.payment_method_id = %s",
        [parse_typeid("pm", method)],
    ).fetchone()
    assert row is not None
    clock.ahead = timedelta(minutes=5)
    for pause in LOOK_AGAIN_AFTER:
        recover_due(recovery)
        found = owner.execute("SELECT status FROM transactions WHERE id = %s", [row[1]]).fetchone()
        assert found == ("pending",)
        clock.ahead += pause + timedelta(minutes=1)
    recover_due(recovery)
    found = owner.execute(
        "SELECT status, failure_message FROM transactions WHERE id = %s", [row[1]]
    ).fetchone()
    assert found == ("failed", "not_received")
    late = owner.execute(
        "SELECT reversed FROM simulator.requests WHERE operation_id = %s", [row[0]]
    ).fetchone()
    assert late == (True,), "a request that still arrives finds itself reversed"


def test_a_reversed_request_is_looked_up_again_after_15_minutes_an_hour_and_a_day(
    api: Api, clock: Later, recovery: Services, owner: psycopg.Connection[Any]
) -> None:
    payment_id = api.pay(api.card("4000000000003048"), 500).json["id"]
    clock.ahead = timedelta(minutes=5)
    recover_due(recovery)

    def due() -> datetime | None:
        row = owner.execute(
            "SELECT due_at FROM pending_operations WHERE transaction_id = %s",
            [parse_typeid("txn", payment_id)],
        ).fetchone()
        return row[0] if row else None

    ((reversed_at,),) = owner.execute(
        "SELECT reversed_at FROM pending_operations WHERE transaction_id = %s",
        [parse_typeid("txn", payment_id)],
    ).fetchall()
    looked = [reversed_at]
    while (look := due()) is not None:
        looked.append(look)
        clock.ahead += look - clock.now()
        recover_due(recovery)
    pauses = [after - before for before, after in pairwise(looked)]
    assert pauses == [timedelta(minutes=15), timedelta(hours=1), timedelta(hours=24)]
    assert status(api, payment_id) == ("failed", None)


def test_a_day_passes_as_the_page_shows(api: Api, clock: Later, recovery: Services) -> None:
    page = (Path(__file__).parents[3] / "docs/testing.md").read_text()
    steps = [duration(step) for step in re.findall(r"`paywright clock advance (\w+)`", page)]
    assert len(steps) == 2
    payment_id = api.pay(api.card("4000000000003048"), 500).json["id"]
    for step in steps:
        assert status(api, payment_id) == ("pending", "processor_unknown")
        clock.ahead += step
        recover_due(recovery)
    assert status(api, payment_id) == ("failed", None)


def test_a_pending_capture_keeps_others_out(
    api: Api, platform: Platform, monkeypatch: pytest.MonkeyPatch, clock: Later, recovery: Services
) -> None:
    from paywright.processors.base import Unknown

    held = api.pay(api.card(), 800, capture=False).json
    path = f"/v1/payments/{held['id']}/capture"
    real = type(platform.processor).capture

    def lose_the_answer(self: Any, *arguments: Any, **named: Any) -> None:
        real(self, *arguments, **named)
        raise Unknown

    with monkeypatch.context() as patch:
        patch.setattr(type(platform.processor), "capture", lose_the_answer)
        reply = api.post(path)
    assert (reply.status, reply.json["status"]) == (200, "pending")
    second = api.post(path)
    assert (second.status, second.json["error"]["code"]) == (409, "operation_in_progress")
    clock.ahead = timedelta(minutes=5)
    recover_due(recovery)
    assert status(api, held["id"]) == ("captured", None)
