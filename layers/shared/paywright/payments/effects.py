"""What the success of each operation makes of a payment, and what it posts to the ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from paywright.fees import CostPlan, FeePlan, cost_of, fee_of, fixed_fee, gives_back
from paywright.fx.rates import Rate, convert, refund_share
from paywright.ledger import postings
from paywright.ledger.postings import Conversion, Journal, Refunding
from paywright.money import Money
from paywright.payments.models import Payment, Refund, RefundStatus
from paywright.payments.states import CaptureMethod, Facts, Operation, Status, succeeded

BANK_RETURN = "bank_return"
"""The fee plan's method type for a transfer that came back."""


@dataclass(frozen=True, slots=True)
class Success:
    """An operation that succeeded, with what its effect depends on."""

    kind: Operation
    amount: Money
    final: bool
    reference: str | None
    lifetime: timedelta
    rate: Rate | None
    refund: Refund | None
    return_code: str | None
    cost_plans: tuple[CostPlan, ...]
    fee_plans: tuple[FeePlan, ...]
    now: datetime


@dataclass(frozen=True, slots=True)
class Effect:
    """The payment after an operation, the refund that it was about, and what is posted."""

    payment: Payment
    journal: Journal
    refund: Refund | None = None


def effect_of(payment: Payment, success: Success) -> Effect:
    """What an operation's success makes of a payment; raise Refused where it is not allowed."""
    return _EFFECTS[success.kind](payment, success)


def requested(
    payment: Payment, amount: Money, fee_plans: tuple[FeePlan, ...]
) -> tuple[Payment, Refunding]:
    """What asking for a refund makes of a payment, before anybody has decided it.

    Both the share in the merchant's currency and the fee that goes back are parts of what the
    captures came to; refunds of all of it take and give back all of it, to the minor unit.
    """

    def share(whole: int, taken: int) -> Money:
        currency = payment.settlement_currency
        return refund_share(
            Money(whole, currency),
            payment.money(payment.captured_amount),
            payment.money(payment.refunded_amount + payment.pending_refund_amount),
            Money(taken, currency),
            amount,
        )

    settled = share(payment.settlement_amount or 0, payment.settlement_refunded_amount)
    refunding = Refunding(
        amount=amount,
        settled=settled,
        fee_returned=share(payment.fee_share_amount, payment.fee_returned_amount)
        if gives_back(settled, fee_plans, payment.method_type)
        else Money(0, settled.currency),
    )
    after = replace(
        payment,
        pending_refund_amount=payment.pending_refund_amount + amount.amount,
        settlement_refunded_amount=payment.settlement_refunded_amount + refunding.settled.amount,
        fee_returned_amount=payment.fee_returned_amount + refunding.fee_returned.amount,
    )
    return after, refunding


def refund_refused(payment: Payment, refund: Refund) -> tuple[Payment, Journal]:
    """What the failure of a refund that was asked for makes of its payment."""
    after = replace(
        _without(payment, refund),
        pending_refund_amount=payment.pending_refund_amount - refund.amount,
    )
    return after, postings.refund_failed(refund.refunding)


def _authorized(payment: Payment, success: Success) -> Effect:
    if payment.capture_method is CaptureMethod.AUTOMATIC:
        return _captured(payment, success)
    after = replace(
        payment,
        status=_next(payment, success, is_held=True),
        processor_ref=success.reference,
        # The issuer counts from when it was asked, however late we heard of it.
        expires_at=payment.created_at + success.lifetime,
    )
    return Effect(after, postings.authorization(success.amount))


def _captured(payment: Payment, success: Success) -> Effect:
    captured = success.amount
    conversion = _conversion(payment, captured, success.rate)
    settled = conversion.settled if conversion else captured
    was_held = success.kind is Operation.CAPTURE
    rest = payment.amount - payment.captured_amount - captured.amount
    is_held = was_held and rest > 0 and not success.final
    held = captured.amount if is_held else captured.amount + rest
    fee = fee_of(
        settled,
        success.fee_plans,
        payment.method_type,
        at_most=_after_spread(settled, conversion),
    )
    journal = postings.capture(
        captured,
        processor=payment.processor,
        cost=cost_of(captured, success.cost_plans, payment.processor, payment.method_type),
        fee=fee.total,
        held=payment.money(held) if was_held else None,
        conversion=conversion,
    )
    captured_amount = payment.captured_amount + captured.amount
    facts = Facts(captured_amount, payment.refunded_amount, is_held)
    after = replace(
        payment,
        status=succeeded(payment.status, success.kind, facts),
        # What is captured at once has no name yet; a hold keeps that of its authorization.
        processor_ref=payment.processor_ref if was_held else success.reference,
        captured_amount=captured_amount,
        settlement_amount=(payment.settlement_amount or 0) + settled.amount,
        fee_share_amount=payment.fee_share_amount + fee.share.amount,
        expires_at=payment.expires_at if is_held else None,
    )
    if success.rate is not None:
        rate = success.rate
        after = replace(after, fx_rate=rate.value, fx_rate_source=rate.source, fx_rate_at=rate.at)
    return Effect(after, journal)


def _released(payment: Payment, success: Success) -> Effect:
    reason = "expired" if success.kind is Operation.EXPIRE else "requested"
    after = replace(
        payment,
        status=_next(payment, success, is_held=False),
        void_reason=reason,
        expires_at=None,
    )
    return Effect(after, postings.release(payment.money(payment.held_amount)))


def _refunded(payment: Payment, success: Success) -> Effect:
    refund = _of(success)
    after = replace(
        payment,
        refunded_amount=payment.refunded_amount + refund.amount,
        pending_refund_amount=payment.pending_refund_amount - refund.amount,
    )
    after = replace(after, status=_next(after, success, is_held=False))
    journal = postings.refund_confirmed(refund.refunding, processor=payment.processor)
    return Effect(after, journal, replace(refund, status=RefundStatus.SUCCEEDED))


def _refund_returned(payment: Payment, success: Success) -> Effect:
    refund = _of(success)
    after = replace(
        _without(payment, refund), refunded_amount=payment.refunded_amount - refund.amount
    )
    after = replace(after, status=_next(after, success, is_held=False))
    failed = replace(
        refund,
        status=RefundStatus.FAILED,
        failure_code="refund_returned",
        failure_message=success.return_code,
    )
    journal = postings.refund_returned(refund.refunding, processor=payment.processor)
    return Effect(after, journal, failed)


def _returned(payment: Payment, success: Success) -> Effect:
    settled = Money(payment.settlement_amount or 0, payment.settlement_currency)
    after = replace(
        payment,
        status=_next(payment, success, is_held=False),
        failure_code="bank_transfer_returned",
        failure_message=success.return_code,
    )
    journal = postings.payment_returned(
        payment.money(payment.captured_amount),
        settled,
        fixed_fee(settled.currency, success.fee_plans, BANK_RETURN),
        processor=payment.processor,
    )
    return Effect(after, journal)


_EFFECTS: dict[Operation, Callable[[Payment, Success], Effect]] = {
    Operation.AUTHORIZE: _authorized,
    Operation.CAPTURE: _captured,
    Operation.VOID: _released,
    Operation.EXPIRE: _released,
    Operation.REFUND: _refunded,
    Operation.RETURN: _returned,
    Operation.REFUND_RETURN: _refund_returned,
}


def _next(after: Payment, success: Success, *, is_held: bool) -> Status:
    facts = Facts(after.captured_amount, after.refunded_amount, is_held)
    return succeeded(after.status, success.kind, facts)


def _conversion(payment: Payment, captured: Money, rate: Rate | None) -> Conversion | None:
    if payment.settlement_currency == payment.currency:
        return None
    assert rate is not None, "a capture in another currency needs a rate"
    return convert(captured, payment.settlement_currency, rate, payment.fx_spread_bps)


def _after_spread(settled: Money, conversion: Conversion | None) -> Money:
    return settled if conversion is None else settled - conversion.spread


def _without(payment: Payment, refund: Refund) -> Payment:
    return replace(
        payment,
        settlement_refunded_amount=payment.settlement_refunded_amount - refund.settlement_amount,
        fee_returned_amount=payment.fee_returned_amount - refund.fee_returned_amount,
    )


def _of(success: Success) -> Refund:
    assert success.refund is not None, "the outcome of a refund is about a refund"
    return success.refund
