"""A machine that asks for payments in any order, and compares what comes of it with the model.

The requests go through the functions with API Gateway's events, to a real database, and time and
again housekeeping does its rounds. After each step all invariants are checked.
"""

from __future__ import annotations

import sys
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from paywright.housekeeping import keep_house
from paywright.ids import parse_typeid
from paywright.ledger.balances import TERMS
from tests.api import Reply
from tests.simulation import invariants
from tests.simulation.payment_model import CARDS, LIFETIME, SILENT, Payment, Refusal, Said
from tests.simulation.payment_world import World

_MANY = 3
_STEPS_BETWEEN_SEQUENCINGS = 3

_CARDS_TO_HOLD = st.sampled_from(
    ["approved", "captured in silence", "voided in silence", "refund fails later"]
)
_CARDS_TO_CHARGE = st.sampled_from(
    ["approved", "declined", "refunded in silence", "refunded later", "refund fails later"]
)
_SILENT_CARDS = st.sampled_from(SILENT)
_HOLDING = st.sampled_from(["manual_multiple", "manual"])
_CURRENCIES = st.sampled_from(["usd", "eur", "jpy"])
_AMOUNTS = st.integers(1, 5_000)
_PERCENT = st.integers(1, 99)
_FINAL = st.sampled_from([None, False, True])
_BEYOND = st.sampled_from([None, -1, 0, 1])
_OPERATIONS = st.sampled_from(["capture", "void", "refund"])


def amount_of(percent: int, beyond: int, bound: int) -> int:
    """A part of what there is, and so much beyond that; at least 1."""
    return max(1, bound * percent // 100 + beyond)


def those(which: Callable[[Payment], bool]) -> st.SearchStrategy[Payment]:
    """One of the payments of which it is true; there has to be one."""
    return st.runner().flatmap(
        lambda machine: st.sampled_from([each for each in machine.payments if which(each)])
    )


def a_key(*, undecided: bool) -> st.SearchStrategy[tuple[Payment, Said]]:
    """One of the requests whose key has not expired; there has to be one."""
    return st.runner().flatmap(lambda machine: st.sampled_from(machine.keys(undecided=undecided)))


def some(which: Callable[[Payment], bool]) -> Any:
    """The precondition that there is such a payment."""
    return precondition(lambda machine: any(map(which, machine.payments)))


def few(which: Callable[[Payment], bool]) -> Any:
    """The precondition that there are not many such payments already."""
    return precondition(lambda machine: sum(map(which, machine.payments)) < _MANY)


class Payments(RuleBasedStateMachine):
    """Every operation in any order; what the model allows succeeds, all else is refused."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.api, self.stranger = self.world.merchant(), self.world.merchant()
        self.cards: dict[str, str] = {}
        self.payments: list[Payment] = []
        self.seen: Counter[str] = Counter()
        self.steps = 0
        self.is_idle = False

    def teardown(self) -> None:
        """Let time tell all there is to tell and end all holds, unless the example broke off."""
        error = sys.exc_info()[1]
        if isinstance(error, Exception):
            self.world.first_failure = self.world.first_failure or error
        if error is None:
            while any(map(Payment.awaits, self.payments)):
                self.time_passes(timedelta(days=1))
            self.time_passes(LIFETIME)
            self.everything_holds()
        for name in +self.seen:
            event(name)
        self.world.over(self.seen)

    # -- what merchants do

    @initialize(
        amount=_AMOUNTS,
        currency=_CURRENCIES,
        card=_CARDS_TO_HOLD,
        method=_HOLDING,
        percent=st.none() | _PERCENT,
    )
    def begin_with_a_hold(
        self, amount: int, currency: str, card: str, method: str, percent: int | None
    ) -> None:
        self.authorize(amount, currency, card, method)
        if percent is not None:
            self.ask("capture", self.payments[0], amount_of(percent, 0, amount))

    @few(Payment.is_hold)
    @rule(amount=_AMOUNTS, currency=_CURRENCIES, card=_CARDS_TO_HOLD, method=_HOLDING)
    def hold(self, amount: int, currency: str, card: str, method: str) -> None:
        self.authorize(amount, currency, card, method)

    @few(Payment.is_refundable)
    @rule(amount=_AMOUNTS, currency=_CURRENCIES, card=_CARDS_TO_CHARGE)
    def charge(self, amount: int, currency: str, card: str) -> None:
        self.authorize(amount, currency, card, "automatic")

    @few(Payment.awaits)
    @rule(amount=_AMOUNTS, currency=_CURRENCIES, card=_SILENT_CARDS, holds=st.booleans())
    def pay_and_hear_nothing(self, amount: int, currency: str, card: str, holds: bool) -> None:
        self.authorize(amount, currency, card, "manual" if holds else "automatic")

    @some(Payment.is_hold)
    @rule(payment=those(Payment.is_hold), percent=_PERCENT, final=_FINAL)
    def capture_a_part(self, payment: Payment, percent: int, final: bool | None) -> None:
        self.ask("capture", payment, amount_of(percent, 0, payment.held), final)

    @some(Payment.is_in_parts)
    @rule(payment=those(Payment.is_in_parts), percent=_PERCENT)
    def capture_another_part(self, payment: Payment, percent: int) -> None:
        self.ask("capture", payment, amount_of(percent, 0, payment.held))

    @some(Payment.is_hold)
    @rule(payment=those(Payment.is_hold), beyond=_BEYOND)
    def capture_about_all(self, payment: Payment, beyond: int | None) -> None:
        amount = None if beyond is None else amount_of(100, beyond, payment.held)
        self.ask("capture", payment, amount)

    @some(Payment.is_hold)
    @rule(payment=those(Payment.is_hold))
    def void(self, payment: Payment) -> None:
        self.ask("void", payment)

    @some(Payment.is_in_parts)
    @rule(payment=those(Payment.is_in_parts))
    def void_what_is_left(self, payment: Payment) -> None:
        self.ask("void", payment)

    @some(Payment.is_refundable)
    @rule(payment=those(Payment.is_refundable), percent=_PERCENT)
    def refund_a_part(self, payment: Payment, percent: int) -> None:
        self.ask("refund", payment, amount_of(percent, 0, payment.rest))

    @some(Payment.is_refundable)
    @rule(payment=those(Payment.is_refundable), beyond=_BEYOND)
    def refund_about_all(self, payment: Payment, beyond: int | None) -> None:
        amount = None if beyond is None else amount_of(100, beyond, payment.rest)
        self.ask("refund", payment, amount)

    @some(Payment.is_undecided)
    @rule(payment=those(Payment.is_undecided), operation=_OPERATIONS)
    def ask_while_undecided(self, payment: Payment, operation: str) -> None:
        self.ask(operation, payment)

    @precondition(lambda machine: not machine.is_idle)
    @rule(payment=those(Payment.is_any), operation=_OPERATIONS, is_stranger=st.booleans())
    def ask_out_of_turn(self, payment: Payment, operation: str, is_stranger: bool) -> None:
        if is_stranger:
            reply = self.stranger.post(f"/v1/payments/{payment.id}/{operation}", {})
            self.refused(reply, (404, "not_found"))
            self.compare(payment)
        else:
            self.ask(operation, payment)
        self.is_idle = True

    @precondition(lambda machine: machine.keys(undecided=False) and not machine.is_idle)
    @rule(key=a_key(undecided=False), remembered=st.booleans())
    def repeat(self, key: tuple[Payment, Said], remembered: bool) -> None:
        self.repeat_it(*key, remembered=remembered)
        self.is_idle = True

    @precondition(lambda machine: machine.keys(undecided=True) and not machine.is_idle)
    @rule(key=a_key(undecided=True), remembered=st.booleans())
    def repeat_while_undecided(self, key: tuple[Payment, Said], remembered: bool) -> None:
        self.repeat_it(*key, remembered=remembered)
        self.is_idle = True

    # -- what time does

    @some(Payment.awaits)
    @rule(minutes=st.sampled_from([10, 60, 24 * 60]))
    def time_tells(self, minutes: int) -> None:
        self.time_passes(timedelta(minutes=minutes))

    @some(Payment.is_hold)
    @rule(payment=those(Payment.is_hold))
    def a_hold_runs_out(self, payment: Payment) -> None:
        self.run_out(payment)

    @some(Payment.is_in_parts)
    @rule(payment=those(Payment.is_in_parts))
    def what_is_left_runs_out(self, payment: Payment) -> None:
        self.run_out(payment)

    # -- what always holds

    @invariant()
    def everything_holds(self) -> None:
        invariants.check(self.world.owner)
        self.the_balance_is_the_sum_of_the_entries()

    @invariant()
    def the_sequencer_runs_now_and_then(self) -> None:
        """So balances are now those of the chain, now those of what waits, now of both."""
        self.steps += 1
        if self.steps % _STEPS_BETWEEN_SEQUENCINGS == 0:
            self.world.sequence()

    def the_balance_is_the_sum_of_the_entries(self) -> None:
        merchant_id = parse_typeid("mer", self.api.merchant.id)
        rows = self.world.owner.execute(
            "SELECT currency, account_type,"
            "       -sum(CASE entry_type WHEN 'debit' THEN amount ELSE -amount END)::bigint"
            "  FROM ledger_entries WHERE merchant_id = %s GROUP BY 1, 2",
            [merchant_id],
        )
        summed = {(currency, account): amount for currency, account, amount in rows}
        shown = {
            (each["currency"], account): each[term]
            for each in self.api.get("/v1/balance").json["balances"]
            for term, account in TERMS.items()
        }
        assert {key: amount for key, amount in shown.items() if amount} == {
            key: amount for key, amount in summed.items() if amount and key[1] in TERMS.values()
        }
        for term, of in (("merchant_hold", "held"), ("customer_refund", "refunding")):
            expected: Counter[str] = Counter()
            for payment in self.payments:
                expected[payment.currency] += getattr(payment, of)
            for currency, amount in expected.items():
                assert shown.get((currency, term), 0) == amount, term

    # -- helpers

    def authorize(self, amount: int, currency: str, card: str, method: str) -> None:
        body = {
            "amount": amount,
            "currency": currency,
            "payment_method_id": self.card(card),
            "capture_method": method,
        }
        self.is_idle = False
        said = self.say("/v1/payments", body)
        reply = said.reply
        assert reply.status == (402 if card == "declined" else 201), reply.text
        id_ = reply.json["error"]["payment_id"] if card == "declined" else reply.json["id"]
        made = Payment(id_, amount, currency, method, card, self.now, self.seen)
        self.payments.append(made)
        if card == "declined":
            made.declined()
        else:
            made.authorize(said, self.now)
        self.compare(made)

    @property
    def now(self) -> timedelta:
        return self.world.clock.ahead

    def keys(self, *, undecided: bool) -> list[tuple[Payment, Said]]:
        """Those that have not expired: all, or those of what is undecided."""
        return [
            (payment, said)
            for payment in self.payments
            for said in payment.said
            if said.until is None or (said.until > self.now and not undecided)
        ]

    def repeat_it(self, payment: Payment, said: Said, *, remembered: bool) -> None:
        """The same request again, and another under its key; Valkey may have forgotten it."""
        if not remembered:
            self.world.valkey.flushdb()
        again = self.api.post(said.path, said.body, key=said.key)
        assert (again.status, again.text) == (said.reply.status, said.reply.text)
        assert again.headers["idempotent-replayed"] == "true"
        path = said.path.replace("/void", "/refund")
        other = said.body | {"amount": said.body.get("amount", 0) + 1}
        refused = self.api.post(path, other, key=said.key)
        self.refused(refused, (400, "idempotency_key_reused"))
        self.seen["key repeated while undecided" if said.until is None else "key repeated"] += 1
        self.compare(payment)

    def card(self, name: str) -> str:
        if name not in self.cards:
            self.cards[name] = self.api.card(CARDS[name])
        return self.cards[name]

    def say(self, path: str, body: dict[str, Any]) -> Said:
        key = uuid.uuid4().hex
        said = Said(path, body, key, self.api.post(path, body, key=key), None)
        said.decided(self.now)
        return said

    def ask(
        self,
        operation: str,
        payment: Payment,
        amount: int | None = None,
        final: bool | None = None,
    ) -> None:
        """Ask for it, and compare what comes of it with what should."""
        body: dict[str, Any] = {}
        if amount is not None and operation != "void":
            body["amount"] = amount
        if final is not None:
            body["final"] = final
        self.is_idle = False
        refusal = payment.refuses(operation, body.get("amount"), final, self.now)
        said = self.say(f"/v1/payments/{payment.id}/{operation}", body)
        if refusal is not None:
            self.refused(said.reply, refusal)
            self.seen[f"refused: {refusal[1]}"] += 1
        elif operation == "refund":
            assert said.reply.status == 201, said.reply.text
            payment.refund(said, self.now, said.reply.json["refund"]["id"], amount)
        else:
            assert said.reply.status == 200, said.reply.text
            if operation == "void":
                payment.void(said, self.now)
            else:
                payment.capture(said, self.now, amount, final)
        self.compare(payment)

    def run_out(self, payment: Payment) -> None:
        """Let the hold's time be over, and try to capture it before housekeeping has seen that."""
        self.world.clock.advance(payment.made_at + LIFETIME - self.now)
        self.ask("capture", payment)
        self.time_passes(timedelta(0))

    def refused(self, reply: Reply, refusal: Refusal) -> None:
        assert (reply.status, reply.json["error"]["code"]) == refusal

    def time_passes(self, step: timedelta) -> None:
        """Let it pass, and housekeeping do its rounds."""
        self.is_idle = False
        self.world.clock.advance(step)
        for _ in range(2):
            keep_house(self.world.house.payments, self.world.house.database, for_s=0)
        for payment in [each for each in self.payments if each.is_hold() or each.awaits()]:
            payment.keep_house(self.now)
            self.compare(payment)

    def compare(self, payment: Payment) -> None:
        """What the API shows of it, its events and its operations: as they should be."""
        shown = self.api.get(f"/v1/payments/{payment.id}").json
        unknown = None if payment.undecided is None else "processor_unknown"
        wanted = (payment.shown, unknown, payment.captured, payment.refunded, payment.refunding)
        assert tuple(shown[name] for name in _COMPARED) == wanted
        events = {parse_typeid("txn", payment.id): payment.events}
        events |= {parse_typeid("re", each.id): each.events for each in payment.refunds}
        told = self.world.owner.execute(
            "SELECT object_id, array_agg(type ORDER BY sequence) FROM outbox"
            " WHERE object_id = ANY (%s) AND type <> 'payment.review' GROUP BY 1",
            [list(events)],
        )
        assert dict(told.fetchall()) == {key: types for key, types in events.items() if types}
        done = self.world.owner.execute(
            "SELECT kind, state, count(*) FROM payment_operations"
            " WHERE transaction_id = %s GROUP BY 1, 2",
            [parse_typeid("txn", payment.id)],
        )
        assert {(kind, state): count for kind, state, count in done} == +payment.operations


_COMPARED = (
    "status",
    "pending_reason",
    "captured_amount",
    "refunded_amount",
    "pending_refund_amount",
)
