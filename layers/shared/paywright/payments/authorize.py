"""Authorize a payment, and capture it at once where that is asked for.

T1 writes the intent, the processor is asked, T2 writes the outcome (docs/architecture.md). No
transaction is open while the processor is asked, and nothing is asked that is not written down.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from paywright.errors import InvalidField, PaywrightError
from paywright.fraud.rules import Assessment
from paywright.fx.quote import Quote
from paywright.fx.rates import Rate
from paywright.money import Money
from paywright.payments.lifetimes import authorization_lifetime
from paywright.payments.models import Answer, Caller, Payment, PaymentMethod, RequestContext
from paywright.payments.operation import Begun, answered_before, perform, replay
from paywright.payments.ports import KeyTaken
from paywright.payments.services import Services, available, rate_to_capture, refuse_worthless
from paywright.payments.states import CaptureMethod, Operation, Status
from paywright.payments.writes import OperationIntent
from paywright.processors.base import Declined, Reply
from paywright.processors.registry import Guarded


@dataclass(frozen=True, slots=True)
class Authorize:
    """What a merchant asks for."""

    amount: Money
    payment_method_id: UUID
    customer_id: UUID | None
    capture_method: CaptureMethod
    off_session: bool
    description: str | None
    metadata: dict[str, str]
    fx_quote_id: UUID | None = None


def authorize(
    services: Services, caller: Caller, request: Authorize, context: RequestContext
) -> Answer:
    """Charge or hold an amount; the answer is stored under the idempotency key.

    Raise PaymentMethodDeclined (the failed payment stays in history, the key is free again),
    ProcessorUnavailable or FxRateUnavailable (nothing was charged), FxQuote… and IdempotencyKey…
    errors.
    """
    try:
        prepared = _prepare(services, caller, request)
    except PaywrightError:
        # A quote expires, a processor goes away: the key may stand for what was done before that.
        before = answered_before(services, caller, context)
        if before is None:
            raise
        return before
    method, processor, payment = prepared.method, prepared.processor, prepared.payment
    at_once = request.capture_method is CaptureMethod.AUTOMATIC
    intent = OperationIntent(
        id=services.ids.new(),
        kind=Operation.AUTHORIZE,
        amount=request.amount,
        final=True,
        due_at=payment.created_at + services.recovery_delay,
        rate=prepared.rate,
    )
    try:
        services.store.begin_authorization(caller, payment, intent, context)
    except KeyTaken as taken:
        return replay(taken.stored, context)

    def ask() -> Reply:
        if prepared.assessment.declines:
            return Declined("fraudulent")
        return processor.call(
            lambda each: each.authorize(
                intent.id, token=method.token, amount=request.amount, capture=at_once
            )
        )

    lifetime = authorization_lifetime(method.brand, off_session=request.off_session)
    begun = Begun(caller, payment, intent, context, lifetime=lifetime)
    return perform(services, begun, ask)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """All that can be known before anything is written. `rate` is that of a capture at once."""

    method: PaymentMethod
    processor: Guarded
    payment: Payment
    assessment: Assessment
    rate: Rate | None


def _prepare(services: Services, caller: Caller, request: Authorize) -> _Prepared:
    method = _method(services, caller, request)
    processor = services.processors.for_method(method.type)
    _check_possible(method, processor, request)
    now = services.clock.now()
    quote = _quote(services, caller, request, now)
    assessment = services.fraud.assess(caller, method, request.amount, now)
    available(processor)
    payment = _new_payment(
        services,
        caller,
        request,
        method=method,
        processor=processor,
        assessment=assessment,
        now=now,
    )
    if quote is not None:
        payment = _quoted(payment, quote)
        refuse_worthless(payment, request.amount, quote.rate)
    at_once = request.capture_method is CaptureMethod.AUTOMATIC
    rate = rate_to_capture(services, payment, request.amount) if at_once else None
    return _Prepared(method, processor, payment, assessment, rate)


def _method(services: Services, caller: Caller, request: Authorize) -> PaymentMethod:
    method = services.methods.find_method(
        caller.merchant_id, caller.livemode, request.payment_method_id
    )
    if method is None:
        raise InvalidField("No such payment method.", param="payment_method_id")
    if request.customer_id is not None and request.customer_id != method.customer_id:
        raise InvalidField("The payment method is not this customer's.", param="customer_id")
    return method


def _check_possible(method: PaymentMethod, processor: Guarded, request: Authorize) -> None:
    """Refuse what such a method is never able to do, before anything is written."""
    holds = request.capture_method is not CaptureMethod.AUTOMATIC
    if holds and not processor.processor.can_hold:
        raise InvalidField("Nothing can be held on a bank account.", param="capture")
    if method.currency not in {None, request.amount.currency.code}:
        raise InvalidField(f"This bank account is debited in {method.currency}.", param="currency")


def _new_payment(
    services: Services,
    caller: Caller,
    request: Authorize,
    *,
    method: PaymentMethod,
    processor: Guarded,
    assessment: Assessment,
    now: datetime,
) -> Payment:
    is_settled_alike = request.amount.currency == caller.settlement_currency
    return Payment(
        merchant_id=caller.merchant_id,
        id=services.ids.new(),
        livemode=caller.livemode,
        version=0,
        sequence=0,
        customer_id=method.customer_id,
        payment_method_id=method.id,
        amount=request.amount.amount,
        currency=request.amount.currency,
        captured_amount=0,
        refunded_amount=0,
        pending_refund_amount=0,
        disputed_amount=0,
        method_type=method.type,
        off_session=request.off_session,
        capture_method=request.capture_method,
        status=Status.PENDING,
        pending_reason=None,
        void_reason=None,
        failure_code=None,
        failure_message=None,
        processor=processor.name,
        processor_ref=None,
        fraud_score=assessment.score,
        fraud_flags=assessment.flags,
        settlement_currency=caller.settlement_currency,
        settlement_amount=None,
        settlement_refunded_amount=0,
        fee_share_amount=0,
        fee_returned_amount=0,
        fx_rate=None,
        fx_rate_source=None,
        fx_rate_at=None,
        fx_quote_id=None,
        fx_spread_bps=0 if is_settled_alike else caller.fx_spread_bps,
        description=request.description,
        metadata=request.metadata,
        expires_at=None,
        created_at=now,
        updated_at=now,
    )


def _quote(services: Services, caller: Caller, request: Authorize, now: datetime) -> Quote | None:
    """The quote that was asked for, if any; raise where it cannot be taken."""
    if request.fx_quote_id is None:
        return None
    quote = services.quotes.find_quote(caller.merchant_id, caller.livemode, request.fx_quote_id)
    if quote is None:
        raise InvalidField("No such quote.", param="fx_quote_id")
    quote.check(request.amount.currency, caller.settlement_currency, now)
    return quote


def _quoted(payment: Payment, quote: Quote) -> Payment:
    """The payment with its quote's rate and spread, which hold for all its captures."""
    return replace(
        payment,
        fx_quote_id=quote.id,
        fx_rate=quote.rate.value,
        fx_rate_source=quote.rate.source,
        fx_rate_at=quote.rate.at,
        fx_spread_bps=quote.spread_bps,
    )
