"""Void an authorization: all of it, or what captures left."""

from __future__ import annotations

from uuid import UUID

from paywright.errors import NotFound, PaymentNotVoidable
from paywright.payments.models import Answer, Caller, RequestContext
from paywright.payments.operation import (
    Begun,
    begin,
    perform,
    refuse_unless_allowed,
)
from paywright.payments.services import Services, available
from paywright.payments.states import Operation
from paywright.payments.writes import OperationIntent


def void(services: Services, caller: Caller, payment_id: UUID, context: RequestContext) -> Answer:
    """Release what is held; raise NotFound, PaymentNotVoidable, OperationInProgress, …"""
    begun = begin(
        services,
        caller,
        context,
        lambda: _begin(services, caller, payment_id, context),
        payment_id,
    )
    if isinstance(begun, Answer):
        return begun
    reference = begun.payment.processor_ref
    assert reference is not None, "an authorized payment has the processor's reference"
    return perform(
        services,
        begun,
        lambda: services.processors.named(begun.payment.processor).call(
            lambda processor: processor.void(begun.intent.id, reference=reference)
        ),
    )


def _begin(
    services: Services, caller: Caller, payment_id: UUID, context: RequestContext
) -> Begun | None:
    payment = services.store.find_payment(caller.merchant_id, caller.livemode, payment_id)
    if payment is None:
        raise NotFound
    refuse_unless_allowed(payment, Operation.VOID, PaymentNotVoidable)
    available(services.processors.named(payment.processor))
    intent = OperationIntent(
        id=services.ids.new(),
        kind=Operation.VOID,
        amount=payment.money(payment.held_amount),
        final=True,
        due_at=services.clock.now() + services.recovery_delay,
    )
    if services.store.begin_operation(caller, payment, intent, context):
        return Begun(caller, payment, intent, context)
    return None
