"""Capture what was authorized: all of it or a part, once; the rest of the hold is released."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from paywright.errors import (
    CaptureExceedsAuthorization,
    NotFound,
    OperationInProgress,
    PaymentNotCapturable,
)
from paywright.ids import typeid
from paywright.payments.models import (
    PENDING_UNKNOWN,
    Answer,
    Caller,
    OperationIntent,
    Payment,
    RequestContext,
)
from paywright.payments.operation import (
    Begun,
    Services,
    check_processor,
    perform,
    rate_for,
    replay,
)
from paywright.payments.ports import KeyTaken
from paywright.payments.states import Operation, Refused, succeeded

_OK = 200


@dataclass(frozen=True, slots=True)
class Capture:
    """What a merchant asks for; without an amount, everything that was authorized."""

    payment_id: UUID
    amount: int | None


def capture(
    services: Services, caller: Caller, request: Capture, context: RequestContext
) -> Answer:
    """Take what is held; raise NotFound, PaymentNotCapturable, CaptureExceedsAuthorization, …"""
    if context.idempotency_key is not None:
        stored = services.store.stored_key(caller, context.idempotency_key)
        if stored is not None:
            return replay(stored, context)
    try:
        begun = _begin(services, caller, request, context)
    except KeyTaken as taken:
        return replay(taken.stored, context)
    reference = begun.payment.processor_ref
    assert reference is not None, "an authorized payment has the processor's reference"
    return perform(
        services,
        begun,
        lambda: services.breaker.call(
            lambda: services.processor.capture(
                begun.intent.id,
                reference=reference,
                amount=begun.intent.amount,
                final=begun.intent.final,
            )
        ),
    )


def _begin(services: Services, caller: Caller, request: Capture, context: RequestContext) -> Begun:
    for _ in range(5):
        payment = services.store.find_payment(
            caller.merchant_id, caller.livemode, request.payment_id
        )
        if payment is None:
            raise NotFound
        amount = _capturable(payment, request.amount)
        check_processor(services)
        rate = rate_for(services, payment)
        now = services.clock.now()
        intent = OperationIntent(
            id=services.ids.new(),
            kind=Operation.CAPTURE,
            amount=payment.money(amount),
            final=True,
            due_at=now + services.recovery_delay,
        )
        if services.store.begin_capture(caller, payment, intent, context):
            return Begun(caller, payment, intent, context, rate, _OK)
    raise OperationInProgress(payment_id=typeid("txn", request.payment_id), retry_after_s=1)


def _capturable(payment: Payment, amount: int | None) -> int:
    payment_id = typeid("txn", payment.id)
    if payment.pending_reason == PENDING_UNKNOWN:
        raise OperationInProgress(payment_id=payment_id, retry_after_s=1)
    try:
        succeeded(payment.status, Operation.CAPTURE, payment.capture_method)
    except Refused as refused:
        raise PaymentNotCapturable(
            f"Only an authorized payment can be captured; this one is {refused.status}.",
            payment_id=payment_id,
        ) from refused
    rest = payment.amount - payment.captured_amount
    if amount is not None and amount > rest:
        raise CaptureExceedsAuthorization(
            f"At most {payment.money(rest)} can be captured.", param="amount", payment_id=payment_id
        )
    return rest if amount is None else amount
