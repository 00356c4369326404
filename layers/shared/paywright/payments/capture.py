"""Capture what was authorized: all of it or a part, once, or in parts where that was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from paywright.errors import (
    AuthorizationExpired,
    CaptureExceedsAuthorization,
    InvalidField,
    NotFound,
    PaymentNotCapturable,
)
from paywright.ids import typeid
from paywright.payments.models import Answer, Caller, Payment, RequestContext
from paywright.payments.operation import (
    Begun,
    begin,
    perform,
    refuse_unless_allowed,
)
from paywright.payments.services import Services, available, rate_to_capture
from paywright.payments.states import CaptureMethod, Operation
from paywright.payments.writes import OperationIntent


@dataclass(frozen=True, slots=True)
class Capture:
    """What a merchant asks for; without an amount, everything that is still held.

    `final` releases what a capture leaves of the hold; None is what the payment's capture method
    implies: yes, unless it is captured in parts. A hold that is captured once refuses False.
    """

    payment_id: UUID
    amount: int | None
    final: bool | None = None


def capture(
    services: Services, caller: Caller, request: Capture, context: RequestContext
) -> Answer:
    """Take what is held; raise NotFound, PaymentNotCapturable, CaptureExceedsAuthorization, …"""
    begun = begin(
        services,
        caller,
        context,
        lambda: _begin(services, caller, request, context),
        request.payment_id,
    )
    if isinstance(begun, Answer):
        return begun
    reference, intent = begun.payment.processor_ref, begun.intent
    assert reference is not None, "an authorized payment has the processor's reference"
    return perform(
        services,
        begun,
        lambda: services.processors.named(begun.payment.processor).call(
            lambda processor: processor.capture(
                intent.id, reference=reference, amount=intent.amount, final=intent.final
            )
        ),
    )


def _begin(
    services: Services, caller: Caller, request: Capture, context: RequestContext
) -> Begun | None:
    payment = services.store.find_payment(caller.merchant_id, caller.livemode, request.payment_id)
    if payment is None:
        raise NotFound
    refuse_unless_allowed(payment, Operation.CAPTURE, PaymentNotCapturable)
    now = services.clock.now()
    if payment.expires_at is not None and payment.expires_at <= now:
        raise AuthorizationExpired(payment_id=typeid("txn", payment.id))
    in_parts = payment.capture_method is CaptureMethod.MANUAL_MULTIPLE
    if request.final is False and not in_parts:
        raise InvalidField(
            "final: this hold is captured once, and what that leaves is released. Leave `final`"
            " out, or make a hold with `capture_method` manual_multiple to capture it in parts.",
            param="final",
            payment_id=typeid("txn", payment.id),
        )
    amount = _capturable(payment, request.amount)
    available(services.processors.named(payment.processor))
    intent = OperationIntent(
        id=services.ids.new(),
        kind=Operation.CAPTURE,
        amount=payment.money(amount),
        final=bool(request.final) or not in_parts,
        due_at=now + services.recovery_delay,
        rate=rate_to_capture(services, payment, payment.money(amount)),
    )
    if services.store.begin_operation(caller, payment, intent, context):
        return Begun(caller, payment, intent, context)
    return None


def _capturable(payment: Payment, amount: int | None) -> int:
    held = payment.held_amount
    if amount is not None and amount > held:
        raise CaptureExceedsAuthorization(
            f"At most {payment.money(held)} can be captured.",
            param="amount",
            payment_id=typeid("txn", payment.id),
        )
    return held if amount is None else amount
