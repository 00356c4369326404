"""What payments follow a rule for is held against the rule: rates, refunds' shares, ends of holds.

Payment and ledger may agree with each other, and both be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest

from paywright.clock import SystemClock
from paywright.fees import FeePlan
from paywright.fx.current import CurrentRates
from paywright.fx.rates import Rate, refund_share
from paywright.fx.tables import RateTable
from paywright.ids import UuidSource, parse_typeid
from paywright.ledger.sequencer import Sequencer
from paywright.ledger.verify import OVERDUE_AFTER, verify
from paywright.merchants.fees import forget_callers, set_fee_plan
from paywright.money import Currency, Money
from paywright.payments import effects
from paywright.payments.expiry import expire_due
from paywright.processors.base import Unavailable, Unknown
from paywright.processors.simulator import Simulator
from paywright.wiring import Platform
from tests.api import Api
from tests.clock_file import ClockFile
from tests.integration.ledger_sequencer.conftest import what
from tests.integration.ledger_sequencer.every_payment import BEFORE, Made, make
from tests.platform import platform, settings
from tests.simulation.own_platform import api, app_database_url, clock, owner, url

__all__ = ["api", "app_database_url", "clock", "make", "owner", "platform", "settings", "url"]


def problems_at(platform: Platform, now: datetime) -> list[tuple[str, UUID | None, str]]:
    return what(verify(platform.database, now=now).problems)


def uuid_of(payment: Any) -> UUID:
    found = parse_typeid("txn", payment["id"])
    assert found is not None
    return found


def test_a_conversion_at_another_rate_or_spread_than_the_recorded_is_found(
    make: Callable[[], Made],
) -> None:
    made = make()
    payment = made.ids["converted"]
    row = made.owner.execute(
        "SELECT o.id, settlement_amount, t.fx_rate FROM transactions AS t"
        " JOIN payment_operations AS o ON o.transaction_id = t.id AND o.kind = 'authorize'"
        " WHERE t.id = %s",
        [payment],
    ).fetchone()
    assert row is not None
    capture, settled, rate = row
    spread = Money(settled, Currency.of("usd")).share(150).amount
    twice = Money(1_000, Currency.of("eur")).convert(rate * 2, Currency.of("usd")).amount
    in_ledger = "at its rate 1000 eur are {} usd, in the ledger 1000 are {}"
    of_none = "that of none of its captures"
    forgotten = f"UPDATE payment_operations SET fx_rate = NULL WHERE id = '{capture}'"
    cases: list[tuple[str, list[tuple[str, UUID, str]]]] = [
        (
            f"UPDATE payment_operations SET fx_rate = fx_rate * 2 WHERE id = '{capture}'",
            [
                ("transactions", payment, f"its fx_rate is {rate}, {of_none}"),
                ("payment_operations", capture, in_ledger.format(twice, settled)),
            ],
        ),
        (
            "UPDATE transactions SET fx_rate = NULL WHERE id = %(id)s",
            [("transactions", payment, f"its fx_rate is none, {of_none}")],
        ),
        (
            f"WITH one AS ({forgotten}) UPDATE transactions SET fx_rate = NULL WHERE id = %(id)s",
            [("payment_operations", capture, "it is converted, and at which rate is not known")],
        ),
        (
            "UPDATE transactions SET fx_spread_bps = 0 WHERE id = %(id)s",
            [("payment_operations", capture, f"its spread is 0, in the ledger it is {spread}")],
        ),
        (
            # Another amount, and all that is made of it: only the rate tells.
            "WITH lines AS (UPDATE ledger_entries SET amount = amount + 1"
            f" WHERE journal_id = '{capture}' AND currency = 'usd'"
            " AND account_type IN ('fx_clearing', 'merchant_balance'))"
            " UPDATE transactions SET settlement_amount = settlement_amount + 1 WHERE id = %(id)s",
            [("payment_operations", capture, in_ledger.format(settled, settled + 1))],
        ),
        (forgotten, []),  # as of one that was begun before rates were kept: the payment has it
    ]
    for change, problems in cases:
        with made.changed(change, payment):
            assert made.problems() == problems, change


@pytest.mark.parametrize("spread", [0, 50, 333])
def test_conversions_round_in_the_proof_as_they_did_when_they_were_made(
    spread: int,
    api: Api,
    platform: Platform,
    owner: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Halves to both sides, into a currency of two decimals from those of 0, 2, 3 and 4."""
    owner.execute("UPDATE merchants SET fx_spread_bps = %s", [spread])
    card = api.card()
    made = {}
    for currency, amount, value, settled in (
        ("eur", 1_001, "0.5", 500),
        ("eur", 1_003, "0.5", 502),
        ("eur", 1_001, "0.4999999999999999999999999", 500),
        ("eur", 1_001, "0.5000000000000000000000001", 501),
        ("jpy", 1_001, "0.006855", 686),
        ("jpy", 5, "0.005", 2),
        ("kwd", 1_005, "3.1", 312),
        ("clf", 125, "42.1", 53),
        ("eur", 99_999_999_999, "1.1234567", 112_345_669_999),
    ):
        rate = Rate(Decimal(value), "test", platform.clock.now())
        monkeypatch.setattr(CurrentRates, "rate", lambda *_, rate=rate: rate)
        reply = api.pay(card, amount, currency=currency)
        assert reply.status == 201, reply.text
        made[reply.json["id"]] = (reply.json["settlement_amount"], settled)
    assert {name: shown for name, (shown, _) in made.items()} == {
        name: settled for name, (_, settled) in made.items()
    }
    assert problems_at(platform, BEFORE) == []


def test_captures_from_before_they_kept_their_rates_need_not_have_the_last_ones(
    api: Api,
    platform: Platform,
    owner: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner.execute("UPDATE merchants SET fx_spread_bps = 100")
    method = {"currency": "eur", "capture_method": "manual_multiple"}
    payment = api.pay(api.card(), 1_000, **method).json
    for value, final in (("1.1", False), ("1.2", False), ("1.3", True)):
        rate = Rate(Decimal(value), "test", platform.clock.now())
        monkeypatch.setattr(CurrentRates, "rate", lambda *_, rate=rate: rate)
        body = {"amount": 200, "final": final}
        reply = api.post(f"/v1/payments/{payment['id']}/capture", body)
        assert reply.status in {200, 201}, reply.text
    owner.execute("UPDATE payment_operations SET fx_rate = NULL")
    assert problems_at(platform, BEFORE) == []
    captures = owner.execute(
        "SELECT id FROM payment_operations WHERE kind = 'capture' ORDER BY id"
    ).fetchall()
    (first,), (second,), (last,) = captures
    owner.execute("UPDATE transactions SET fx_rate = 1.4, fx_spread_bps = 50")
    spread = "its spread is 1, in the ledger it is 2"
    assert problems_at(platform, BEFORE) == [
        ("payment_operations", first, spread),
        ("payment_operations", second, spread),
        ("payment_operations", last, "at its rate 200 eur are 280 usd, in the ledger 200 are 260"),
    ]


def test_a_balance_beyond_a_bigint_is_sequenced_shown_and_proven(
    api: Api,
    platform: Platform,
    owner: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The largest payments, at the highest rate there can be: each of them fits, their sum not."""
    now = platform.clock.now()
    table = RateTable(Currency.of("kwd"), {"irr": Decimal("920000000")}, "test", now)
    monkeypatch.setattr(CurrentRates, "rate", lambda _, base, quote: table.cross(base, quote, now))
    owner.execute("UPDATE merchants SET settlement_currency = 'irr'")
    card, most = api.card(), 99_999_999_999
    refunded, *kept = (api.pay(card, most, currency="kwd").json for _ in range(3))
    for amount in (most // 3, most - most // 3):
        reply = api.post(f"/v1/payments/{refunded['id']}/refund", {"amount": amount})
        assert reply.status == 201, reply.text
    settled = kept[0]["settlement_amount"]
    available = 2 * settled - 3 * Money(settled, Currency.of("irr")).share(290).amount
    assert settled < 2**63 < available
    for _ in range(2):
        balances = {each["currency"]: each for each in api.get("/v1/balance").json["balances"]}
        assert balances["irr"]["available"] == available
        while Sequencer(platform.database, platform.clock).run_once():
            pass
    assert problems_at(platform, BEFORE) == []


@contextmanager
def one_more(whole_of: str, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Refunds take back, or give back, one more than their share: a mistake in every row alike."""

    def wrong(whole: Money, captured: Money, before: Money, taken: Money, amount: Money) -> Money:
        share = refund_share(whole, captured, before, taken, amount)
        is_fee = whole.amount < captured.amount // 2
        return Money(share.amount + 1, share.currency) if is_fee == (whole_of == "fee") else share

    with patch.context() as context:
        context.setattr(effects, "refund_share", wrong)
        yield


@dataclass(frozen=True)
class Merchant:
    """A merchant with a card to be paid by, and a fee of 2.9 % that refunds may give back."""

    api: Api
    platform: Platform
    owner: psycopg.Connection[Any]

    def agree(self, *, returns: bool) -> None:
        """Whether refunds give it back, from now on."""
        merchant_id = parse_typeid("mer", self.api.merchant.id)
        assert merchant_id is not None
        plan = FeePlan("card", "*", 290, 0, returned_on_refund=returns)
        clock, ids = self.platform.clock, self.platform.ids
        set_fee_plan(self.owner, merchant_id, plan, clock=clock, ids=ids, actor="test")
        forget_callers(self.owner, merchant_id, self.platform.cache)

    def paid(self, card: str, currency: str = "eur") -> Any:
        return self.api.pay(card, 1_000, currency=currency).json

    def refund(self, payment: Any, *amounts: int) -> None:
        for amount in amounts:
            reply = self.api.post(f"/v1/payments/{payment['id']}/refund", {"amount": amount})
            assert reply.status == 201, reply.text


@pytest.fixture
def merchant(api: Api, platform: Platform, owner: psycopg.Connection[Any]) -> Merchant:
    made = Merchant(api, platform, owner)
    made.agree(returns=True)
    return made


def test_a_refund_of_more_than_its_share_is_found(
    merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = merchant.api.card()
    by_fee, by_settlement = merchant.paid(card), merchant.paid(card)
    with one_more("fee", monkeypatch):
        merchant.refund(by_fee, 400)
    with one_more("settlement", monkeypatch):
        merchant.refund(by_settlement, 400)
    settled = by_fee["settlement_amount"]
    fee = round(Decimal(settled) * 290 / 10_000)
    said = "its {} is {}, which is not what refunds of 400 out of 1000 come to of {}"
    returned, taken = (round(Decimal(whole) * 400 / 1_000) + 1 for whole in (fee, settled))
    assert problems_at(merchant.platform, BEFORE) == [
        ("transactions", uuid_of(by_fee), said.format("fee_returned_amount", returned, fee)),
        (
            "transactions",
            uuid_of(by_settlement),
            said.format("settlement_refunded_amount", taken, settled),
        ),
    ]


def test_what_refunds_may_well_come_to_is_no_problem(
    merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many small ones; one that fails among others; a plan that changes between them."""
    card = merchant.api.card()
    small = merchant.paid(card, "usd")
    failing, first, last, never = (merchant.paid(card) for _ in range(4))
    merchant.refund(small, 1, 333, 17, 5, 5, 5, 34)
    merchant.refund(failing, 333)

    def away(*_: Any, **__: Any) -> None:
        raise Unavailable

    with monkeypatch.context() as patch:
        patch.setattr(Simulator, "refund", away)
        path = f"/v1/payments/{failing['id']}/refund"
        assert merchant.api.post(path, {"amount": 17}).status == 503
    merchant.refund(failing, 17)
    merchant.refund(first, 333)
    merchant.agree(returns=False)
    merchant.refund(first, 300)
    merchant.refund(last, 333)
    merchant.refund(never, 333, 17)
    merchant.agree(returns=True)
    merchant.refund(last, 300)
    assert problems_at(merchant.platform, BEFORE) == []
    returned = merchant.owner.execute(
        "SELECT count(*) FILTER (WHERE fee_returned_amount > 0) FROM refunds"
        " WHERE transaction_id IN (%s, %s)",
        [uuid_of(first), uuid_of(last)],
    ).fetchone()
    assert returned == (2,), "the plan did change"


_HELD = "it is held, and nobody is to release it"


def test_a_hold_that_nobody_is_to_release_is_found(make: Callable[[], Made]) -> None:
    made = make()
    payment = made.ids["held"]
    for change in (
        "DELETE FROM authorization_expiries WHERE transaction_id = %(id)s",
        "UPDATE transactions SET expires_at = NULL WHERE id = %(id)s",
    ):
        with made.changed(change, payment):
            assert made.problems() == [("transactions", payment, _HELD)]


def test_a_hold_that_ran_out_and_was_not_released_is_found(
    api: Api, platform: Platform, clock: ClockFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = api.card()
    held = api.pay(card, 1_000, capture=False).json
    undecided = api.pay(card, 1_000, capture=False).json

    def lost(*_: Any, **__: Any) -> None:
        raise Unknown

    with monkeypatch.context() as patch:
        patch.setattr(Simulator, "capture", lost)
        assert api.post(f"/v1/payments/{undecided['id']}/capture", {}).status == 200
    runs_out = datetime.fromisoformat(held["expires_at"])
    for pause, is_late in ((OVERDUE_AFTER, False), (OVERDUE_AFTER + timedelta(seconds=1), True)):
        said = f"it is still held, and was to be released at {runs_out:%Y-%m-%dT%H:%M:%SZ}"
        late = [("transactions", uuid_of(held), said)]
        found = problems_at(platform, runs_out + pause)
        assert [each for each in found if each[0] == "transactions"] == (late if is_late else [])
    clock.advance(timedelta(days=7, minutes=1))
    assert expire_due(platform.payments) == 1
    found = problems_at(platform, platform.clock.now() + timedelta(hours=1))
    assert [each for each in found if each[0] == "transactions"] == []


def test_what_is_disputed_is_held_against_the_disputes_journal(
    api: Api, platform: Platform, owner: psycopg.Connection[Any]
) -> None:
    """As the card network takes it later, it stays disputed."""
    payment = api.pay(api.card(), 1_000).json
    payment_id, dispute = uuid_of(payment), platform.ids.new()
    owner.execute("UPDATE transactions SET disputed_amount = 400 WHERE id = %s", [payment_id])
    said = "its disputed_amount is 400, in the ledger it is 0"
    assert problems_at(platform, BEFORE) == [("transactions", payment_id, said)]
    opened = [
        ("debit", "merchant_balance", "", 1_900),
        ("credit", "dispute_reserve", "", 400),
        ("credit", "platform_fee", "", 1_500),
    ]
    post(owner, payment_id, dispute, "dispute_opened", opened)
    without = "no operation, refund or dispute of its payment caused it"
    assert problems_at(platform, BEFORE) == [("journals", dispute, without)]
    owner.execute(
        "INSERT INTO disputes (merchant_id, id, livemode, transaction_id, amount, currency, reason,"
        " status, created_at, updated_at) SELECT merchant_id, %s, livemode, id, 400, currency,"
        " 'fraudulent', 'open', now(), now() FROM transactions WHERE id = %s",
        [dispute, payment_id],
    )
    assert problems_at(platform, BEFORE) == []
    withdrawn = platform.ids.new()
    taken = [
        ("debit", "dispute_reserve", "", 400),
        ("debit", "processor_cost", "simulator", 15),
        ("credit", "processor_receivable", "simulator", 415),
    ]
    post(owner, payment_id, withdrawn, "dispute_withdrawn", taken)
    assert problems_at(platform, BEFORE) == [("journals", withdrawn, without)]


def post(
    owner: psycopg.Connection[Any],
    payment_id: UUID,
    journal_id: UUID,
    kind: str,
    lines: list[tuple[str, str, str, int]],
) -> None:
    """Write a journal of a payment; it waits for the sequencer."""
    ids = UuidSource(SystemClock())
    with owner.transaction():
        owner.execute(
            "INSERT INTO journals SELECT merchant_id, %s, livemode, id, %s, now()"
            " FROM transactions WHERE id = %s",
            [journal_id, kind, payment_id],
        )
        sides, accounts, processors, amounts = zip(*lines, strict=True)
        owner.execute(
            "INSERT INTO ledger_entries (merchant_id, id, journal_id, transaction_id, livemode,"
            " entry_type, account_type, processor, amount, currency, created_at)"
            " SELECT merchant_id, line.id, %s, t.id, livemode, side, account, line.processor,"
            " line.amount, currency, now() FROM transactions AS t,"
            " unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::bigint[])"
            " AS line (id, side, account, processor, amount) WHERE t.id = %s",
            [
                journal_id,
                [ids.new() for _ in lines],
                list(sides),
                list(accounts),
                list(processors),
                list(amounts),
                payment_id,
            ],
        )
        owner.execute(
            "INSERT INTO ledger_unsequenced SELECT merchant_id, id FROM journals WHERE id = %s",
            [journal_id],
        )
