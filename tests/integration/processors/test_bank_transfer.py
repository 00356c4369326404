"""A transfer is taken at once and decided days later; a confirmed one may still come back."""

from __future__ import annotations

import uuid
from uuid import UUID

import pytest

from paywright.money import Money
from paywright.processors.bank_transfer import BankTransfers
from paywright.processors.base import BankAccount, Pending, ScriptedSilence, Unknown
from tests.integration.processors.conftest import EUR, Moved, american, code, european, told, usd


def debit(banks: BankTransfers, account: BankAccount, amount: int = 1000) -> tuple[UUID, str]:
    operation = uuid.uuid4()
    token = banks.tokenize(account).token
    reply = banks.authorize(
        operation, token=token, amount=Money(amount, account.currency), capture=True
    )
    assert isinstance(reply, Pending)
    return operation, reply.reference


@pytest.mark.parametrize(
    ("account", "days", "says"),
    # From a Wednesday on: four business days are six, two are two.
    [
        (american("000123456789"), 6, None),
        (american("9876543210"), 6, None),
        (american("000222222227"), 6, "R01"),
        (american("000111111113"), 6, "R02"),
        (american("000111111116"), 6, "R03"),
        (american("000333333335"), 6, "R29"),
        (european("DE89370400440532013000"), 2, None),
        (european("DE65370400440002222227"), 2, "AM04"),
        (european("AT861904300235473202"), 2, "AC04"),
    ],
)
def test_a_transfer_is_decided_some_business_days_later(
    account: BankAccount, days: int, says: str | None, banks: BankTransfers, clock: Moved
) -> None:
    operation, reference = debit(banks, account)
    clock.advance(days=days, seconds=-1)
    assert told(banks, operation) == []
    refund = banks.refund(uuid.uuid4(), reference=reference, amount=Money(1, account.currency))
    assert code(refund) == "charge_not_found", "nothing has been taken yet"
    clock.advance(seconds=1)
    assert told(banks, operation) == [says]
    assert told(banks, operation) == []


@pytest.mark.parametrize(
    ("account", "says"),
    [(american("000555555559"), "R10"), (european("AT591904300235473203"), "MD06")],
)
def test_a_confirmed_transfer_comes_back(
    account: BankAccount, says: str, banks: BankTransfers, clock: Moved
) -> None:
    operation, reference = debit(banks, account)
    clock.advance(days=30)
    assert told(banks, operation) == [None, says], "in their order, one at a time"
    refund = banks.refund(uuid.uuid4(), reference=reference, amount=Money(1, account.currency))
    assert code(refund) == "charge_not_found", "there is nothing left to send back"


def test_the_second_notice_waits_until_the_first_was_heard(
    banks: BankTransfers, clock: Moved
) -> None:
    operation, _ = debit(banks, american("000555555559"))
    clock.advance(days=6)

    def mine() -> list[str | None]:
        return [code(n.outcome) for n in banks.notices(1000) if n.operation_id == operation]

    assert mine() == [None]
    clock.advance(days=30)
    assert mine() == [None]
    banks.acknowledge([operation])
    banks.acknowledge([operation])  # again, because its answer was lost: the second stays unheard
    assert mine() == ["R10"]


def test_a_refund_arrives_days_later(banks: BankTransfers, clock: Moved) -> None:
    operation, reference = debit(banks, american("000123456789"))
    clock.advance(days=6)
    assert told(banks, operation) == [None]
    refund = uuid.uuid4()
    assert isinstance(banks.refund(refund, reference=reference, amount=usd(600)), Pending)
    more = banks.refund(uuid.uuid4(), reference=reference, amount=usd(401))
    assert code(more) == "amount_exceeds_captured"
    clock.advance(days=6)
    assert told(banks, refund) == [None]


def test_what_it_cannot_do_it_refuses(banks: BankTransfers, clock: Moved) -> None:
    token = banks.tokenize(american("000123456789")).token
    euros = banks.authorize(uuid.uuid4(), token=token, amount=Money(5, EUR), capture=True)
    assert code(euros) == "currency_mismatch"
    held = banks.authorize(uuid.uuid4(), token=token, amount=usd(5), capture=False)
    assert code(held) == "hold_not_supported"
    unknown = banks.authorize(uuid.uuid4(), token="bank_no", amount=usd(5), capture=True)
    assert code(unknown) == "account_not_found"
    _, reference = debit(banks, american("000123456789"))
    clock.advance(days=6)
    captured = banks.capture(uuid.uuid4(), reference=reference, amount=usd(5), final=True)
    assert code(captured) == "already_captured"
    assert code(banks.void(uuid.uuid4(), reference=reference)) == "hold_not_supported"


def test_without_an_answer_it_can_only_be_reversed(banks: BankTransfers, clock: Moved) -> None:
    operation, token = uuid.uuid4(), banks.tokenize(american("000999999991")).token
    with pytest.raises(ScriptedSilence):
        banks.authorize(operation, token=token, amount=usd(5), capture=True)
    assert not banks.can_look_up
    with pytest.raises(Unknown):
        banks.lookup(operation)
    banks.reverse(operation)
    late = banks.authorize(operation, token=token, amount=usd(5), capture=True)
    assert code(late) == "reversed"
    clock.advance(days=30)
    assert told(banks, operation) == []


def test_the_same_transfer_is_told_the_same(banks: BankTransfers, clock: Moved) -> None:
    operation, token = uuid.uuid4(), banks.tokenize(american("000123456789")).token
    first = banks.authorize(operation, token=token, amount=usd(5), capture=True)
    clock.advance(days=6)
    assert told(banks, operation) == [None]
    assert banks.authorize(operation, token=token, amount=usd(5), capture=True) == first
    clock.advance(days=30)
    assert told(banks, operation) == [], "it was not asked for twice"


def test_a_token_shows_little(banks: BankTransfers) -> None:
    one = banks.tokenize(american("000123456789"))
    two = banks.tokenize(american("000123456789"))
    assert (one.last_four, one.bank_name, one.brand) == ("6789", "TEST BANK", None)
    assert one.token != two.token
    assert one.fingerprint == two.fingerprint
    assert one.fingerprint != banks.tokenize(european("DE89370400440532013000")).fingerprint
