"""Payments against a model of them: any sequence of requests, with the invariants after each.

The requests go through the functions with API Gateway's events, to a real database; the model is
a few lines that know nothing of how it is done.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from paywright.clock import SystemClock
from paywright.ids import UuidSource, parse_typeid
from paywright.ledger.sequencer import Sequencer
from paywright.ledger.verify import verify
from paywright.merchants.create import create_merchant
from paywright.payments.expiry import expire_due
from paywright.payments.notices import hear_notices
from paywright.wiring import Platform
from tests.api import Api, Reply
from tests.clock_file import ClockFile
from tests.platform import PII_KEY
from tests.services import Servers
from tests.simulation import invariants

_LIFETIME, _KEY_LIFETIME = timedelta(days=7), timedelta(hours=24)
_MONTHS = 24
_FURTHEST = timedelta(days=28 * _MONTHS)

_CARDS = {
    "approved": "4242424242424242",
    "declined": "4000000000009995",
    "refunds_later": "4000000000007726",
    "refunds_fail_later": "4000000000005126",
}


@dataclass(frozen=True)
class Said:
    """A request that succeeded: to be repeated."""

    path: str
    body: Any
    key: str
    reply: Reply
    at: timedelta


@dataclass
class Model:
    """What a payment should be, as far as a merchant can see it."""

    id: str
    amount: int
    method: str
    status: str
    card: str = "approved"
    captured: int = 0
    refunded: int = 0
    pending: int = 0
    will_fail: int = 0
    expires: timedelta | None = None
    replies: list[Said] = field(default_factory=list)

    @property
    def held(self) -> int:
        return self.amount - self.captured if self.status == "authorized" else 0


@dataclass
class World:
    """The platform under test."""

    platform: Platform
    owner: psycopg.Connection[Any]
    clock: ClockFile
    api: Api
    stranger: Api
    cards: dict[str, str]
    sequencer: Sequencer


class Payments(RuleBasedStateMachine):
    """Every operation in any order; what the model allows succeeds, all else is refused."""

    world: World
    payments = Bundle("payments")

    def __init__(self) -> None:
        super().__init__()
        self.made: list[Model] = []

    @rule(
        target=payments,
        amount=st.integers(1, 5_000),
        currency=st.sampled_from(["usd", "eur", "jpy"]),
        method=st.sampled_from(["automatic", "manual", "manual_multiple"]),
        card=st.sampled_from(["approved", "approved", "refunds_later", "refunds_fail_later"]),
    )
    def authorize(self, amount: int, currency: str, method: str, card: str) -> Model:
        body = {
            "amount": amount,
            "currency": currency,
            "payment_method_id": self.world.cards[card],
            "capture_method": method,
        }
        key = uuid.uuid4().hex
        reply = self.world.api.post("/v1/payments", body, key=key)
        assert reply.status == 201, reply.text
        automatic = method == "automatic"
        made = Model(
            reply.json["id"],
            amount,
            method,
            "captured" if automatic else "authorized",
            card,
            captured=amount if automatic else 0,
            expires=None if automatic else self.world.clock.ahead + _LIFETIME,
        )
        self.made.append(made)
        made.replies.append(Said("/v1/payments", body, key, reply, self.world.clock.ahead))
        self.compare(made)
        return made

    @rule(amount=st.integers(1, 5_000))
    def decline(self, amount: int) -> None:
        reply = self.world.api.pay(self.world.cards["declined"], amount)
        assert reply.status == 402
        shown = self.world.api.get(f"/v1/payments/{reply.json['error']['payment_id']}").json
        assert shown["status"] == "failed"

    @rule(
        payment=payments,
        amount=st.none() | st.integers(1, 6_000),
        final=st.sampled_from([None, True, False]),
    )
    def capture(self, payment: Model, amount: int | None, final: bool | None) -> None:
        asked = {"final": final, "amount": amount}
        body = {name: value for name, value in asked.items() if value is not None}
        reply = self.post(payment, "capture", body)
        if payment.status != "authorized":
            self.refused(reply, 409, "payment_not_capturable")
        elif self.has_run_out(payment):
            self.refused(reply, 409, "authorization_expired")
        elif payment.method == "manual" and final is False:
            self.refused(reply, 400, "invalid_field")
        elif amount is not None and amount > payment.held:
            self.refused(reply, 400, "capture_exceeds_authorization")
        else:
            assert reply.status == 200, reply.text
            payment.captured += payment.held if amount is None else amount
            if payment.method == "manual" or final or payment.held == 0:
                payment.status, payment.expires = "captured", None
        self.compare(payment)

    @rule(payment=payments)
    def void(self, payment: Model) -> None:
        reply = self.post(payment, "void", {})
        if payment.status == "authorized":
            assert reply.status == 200, reply.text
            payment.status = "captured" if payment.captured else "voided"
            payment.expires = None
        else:
            self.refused(reply, 409, "payment_not_voidable")
        self.compare(payment)

    @rule(payment=payments, amount=st.none() | st.integers(1, 6_000))
    def refund(self, payment: Model, amount: int | None) -> None:
        reply = self.post(payment, "refund", {} if amount is None else {"amount": amount})
        rest = payment.captured - payment.refunded - payment.pending
        if payment.status != "captured" or rest == 0:
            self.refused(reply, 409, "payment_not_refundable")
        elif amount is not None and amount > rest:
            self.refused(reply, 400, "refund_exceeds_capture")
        else:
            assert reply.status == 201, reply.text
            given_back = rest if amount is None else amount
            if payment.card == "refunds_later":
                payment.pending += given_back
            else:
                payment.refunded += given_back
                payment.will_fail += given_back if payment.card == "refunds_fail_later" else 0
            if payment.refunded == payment.captured:
                payment.status = "refunded"
        self.compare(payment)

    @rule(payment=payments, operation=st.sampled_from(["capture", "void", "refund"]))
    def a_stranger_tries(self, payment: Model, operation: str) -> None:
        reply = self.world.stranger.post(f"/v1/payments/{payment.id}/{operation}", {})
        self.refused(reply, 404, "not_found")
        self.compare(payment)

    @rule(payment=payments, data=st.data())
    def repeat(self, payment: Model, data: st.DataObject) -> None:
        said = data.draw(st.sampled_from(payment.replies))
        if self.world.clock.ahead - said.at >= _KEY_LIFETIME:
            return
        again = self.world.api.post(said.path, said.body, key=said.key)
        assert (again.status, again.text) == (said.reply.status, said.reply.text)
        assert again.headers["idempotent-replayed"] == "true"
        other = {**said.body, "metadata": {"other": "1"}}
        refused = self.world.api.post(said.path, other, key=said.key)
        assert refused.status == 400, refused.text
        self.compare(payment)

    @rule(hours=st.sampled_from([1, 12]))
    def time_passes(self, hours: int) -> None:
        step = timedelta(hours=hours)
        if self.world.clock.ahead + step < _FURTHEST:
            self.world.clock.advance(step)

    @rule()
    def a_week_passes(self) -> None:
        if self.world.clock.ahead + _LIFETIME > _FURTHEST:
            return
        self.world.clock.advance(_LIFETIME + timedelta(seconds=1))
        while expire_due(self.world.platform.payments):
            pass
        hear_notices(self.world.platform.payments)
        for payment in self.made:
            if payment.status == "authorized":
                payment.status, payment.expires = "captured" if payment.captured else "voided", None
            payment.refunded += payment.pending - payment.will_fail
            payment.pending = payment.will_fail = 0
            if payment.status in ("captured", "refunded") and payment.captured:
                whole = payment.refunded == payment.captured
                payment.status = "refunded" if whole else "captured"
            self.compare(payment)

    @rule()
    def the_sequencer_runs(self) -> None:
        while self.world.sequencer.run_once():
            pass
        now = self.world.platform.clock.now()
        assert verify(self.world.platform.database, now=now).problems == []

    @invariant()
    def everything_holds(self) -> None:
        invariants.check(self.world.owner)

    @invariant()
    def the_balance_is_the_sum_of_the_entries(self) -> None:
        merchant_id = parse_typeid("mer", self.world.api.merchant.id)
        summed = dict(
            self.world.owner.execute(
                "SELECT currency,"
                "       -sum(CASE entry_type WHEN 'debit' THEN amount ELSE -amount END)::bigint"
                "  FROM ledger_entries"
                " WHERE merchant_id = %s AND account_type = 'merchant_balance' GROUP BY 1",
                [merchant_id],
            ).fetchall()
        )
        shown = self.world.api.get("/v1/balance").json["balances"]
        assert {each["currency"]: each["available"] for each in shown if each["available"]} == {
            currency: amount for currency, amount in summed.items() if amount
        }

    # -- helpers

    def post(self, payment: Model, operation: str, body: dict[str, Any]) -> Reply:
        path, key = f"/v1/payments/{payment.id}/{operation}", uuid.uuid4().hex
        reply = self.world.api.post(path, body, key=key)
        if reply.status < 300:
            payment.replies.append(Said(path, body, key, reply, self.world.clock.ahead))
        return reply

    def has_run_out(self, payment: Model) -> bool:
        return payment.expires is not None and payment.expires <= self.world.clock.ahead

    def refused(self, reply: Reply, status: int, code: str) -> None:
        assert (reply.status, reply.json["error"]["code"]) == (status, code)

    def compare(self, payment: Model) -> None:
        shown = self.world.api.get(f"/v1/payments/{payment.id}").json
        amounts = ("captured_amount", "refunded_amount", "pending_refund_amount")
        assert (shown["status"], *(shown[name] for name in amounts)) == (
            payment.status,
            payment.captured,
            payment.refunded,
            payment.pending,
        )


@pytest.fixture(autouse=True)
def clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_database_url: Callable[[], str]
) -> tuple[ClockFile, str]:
    """A database and a clock of its own: nothing that others left is in the way."""
    url = new_database_url()
    monkeypatch.setenv("CLOCK_FILE", str(tmp_path / "clock"))
    return ClockFile(tmp_path / "clock"), url


@pytest.fixture
def app_database_url(clock: tuple[ClockFile, str], servers: Servers) -> str:
    return servers.app_url(clock[1])


@pytest.fixture
def world(platform: Platform, clock: tuple[ClockFile, str]) -> Iterator[World]:
    with _world(platform, *clock) as made:
        yield made


@contextmanager
def _world(platform: Platform, clock: ClockFile, url: str) -> Iterator[World]:
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("SELECT create_month_partitions(now(), %s)", [_MONTHS])
        wall = SystemClock()

        def merchant(name: str) -> Api:
            return Api(
                create_merchant(
                    owner,
                    PII_KEY,
                    name=name,
                    email=f"{name}@example.com",
                    settlement_currency="usd",
                    clock=wall,
                    ids=UuidSource(wall),
                )
            )

        api = merchant("ada")
        cards = {name: api.card(number) for name, number in _CARDS.items()}
        sequencer = Sequencer(platform.database, platform.clock)
        owner.execute(
            "INSERT INTO fee_plans VALUES (%s, 'card', '*', 290, 7, true)",
            [parse_typeid("mer", api.merchant.id)],
        )
        platform.cache.send(("FLUSHDB",))
        yield World(platform, owner, clock, api, merchant("eve"), cards, sequencer)


def test_any_sequence_of_operations(world: World) -> None:
    class Machine(Payments):
        pass

    Machine.world = world
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=12,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
