"""Give back what was captured: all of it or parts, as often as something is left.

Refunds do not exclude each other: the first transaction takes the amount from what can be refunded
and posts it, so that a second one finds only the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from paywright.errors import NotFound, PaymentNotRefundable, RefundExceedsCapture
from paywright.event import EventType
from paywright.ids import typeid
from paywright.ledger import postings
from paywright.payments.completion import changes, record
from paywright.payments.effects import requested
from paywright.payments.models import Answer, Caller, Payment, Refund, RefundStatus, RequestContext
from paywright.payments.operation import (
    Begun,
    begin,
    perform,
    refuse_unless_allowed,
)
from paywright.payments.services import Services, available
from paywright.payments.states import Operation
from paywright.payments.writes import OperationIntent, Origin, RefundRequest


@dataclass(frozen=True, slots=True)
class RefundWanted:
    """What a merchant asks for; without an amount, everything that can still be refunded."""

    payment_id: UUID
    amount: int | None
    reason: str | None
    metadata: dict[str, str]


def refund(
    services: Services, caller: Caller, wanted: RefundWanted, context: RequestContext
) -> Answer:
    """Give back; raise NotFound, PaymentNotRefundable, RefundExceedsCapture, …"""
    begun = begin(
        services,
        caller,
        context,
        lambda: _begin(services, caller, wanted, context),
        wanted.payment_id,
    )
    if isinstance(begun, Answer):
        return begun
    reference, intent = begun.payment.processor_ref, begun.intent
    assert reference is not None, "a captured payment has the processor's reference"
    return perform(
        services,
        begun,
        lambda: services.processors.named(begun.payment.processor).call(
            lambda processor: processor.refund(intent.id, reference=reference, amount=intent.amount)
        ),
    )


def _begin(
    services: Services, caller: Caller, wanted: RefundWanted, context: RequestContext
) -> Begun | None:
    payment = services.store.find_payment(caller.merchant_id, caller.livemode, wanted.payment_id)
    if payment is None:
        raise NotFound
    refuse_unless_allowed(payment, Operation.REFUND, PaymentNotRefundable)
    amount = _refundable(payment, wanted.amount)
    available(services.processors.named(payment.processor))
    request = _request(services, caller, payment, replace(wanted, amount=amount), context)
    if services.store.begin_refund(caller, request, context):
        return Begun(caller, request.after, request.intent, context, refund=request.refund)
    return None


def _refundable(payment: Payment, amount: int | None) -> int:
    rest, payment_id = payment.refundable_amount, typeid("txn", payment.id)
    if rest == 0:
        raise PaymentNotRefundable(
            "All that was captured is refunded, disputed, or about to be.", payment_id=payment_id
        )
    if amount is not None and amount > rest:
        raise RefundExceedsCapture(
            f"At most {payment.money(rest)} can be refunded.", param="amount", payment_id=payment_id
        )
    return rest if amount is None else amount


def _request(
    services: Services,
    caller: Caller,
    payment: Payment,
    wanted: RefundWanted,
    context: RequestContext,
) -> RefundRequest:
    assert wanted.amount is not None
    now, ids, amount = services.clock.now(), services.ids, payment.money(wanted.amount)
    after, refunding = requested(payment, amount, caller.fee_plans)
    after = replace(after, version=payment.version + 1, updated_at=now)
    made = Refund(
        merchant_id=payment.merchant_id,
        id=ids.new(),
        livemode=payment.livemode,
        version=1,
        transaction_id=payment.id,
        operation_id=ids.new(),
        amount=amount.amount,
        currency=amount.currency,
        status=RefundStatus.PENDING,
        reason=wanted.reason,
        pending_reason=None,
        failure_code=None,
        failure_message=None,
        processor_ref=None,
        settlement_currency=payment.settlement_currency,
        settlement_amount=refunding.settled.amount,
        fee_returned_amount=refunding.fee_returned.amount,
        metadata=wanted.metadata,
        created_at=now,
        updated_at=now,
    )
    intent = OperationIntent(
        id=made.operation_id,
        kind=Operation.REFUND,
        amount=amount,
        final=True,
        due_at=now + services.recovery_delay,
        refund_id=made.id,
    )
    written = record(
        after,
        made,
        journal=postings.refund_requested(refunding),
        # The operation's own id is for the journal of its outcome.
        journal_id=made.id,
        kind="refund_requested",
        event_types=(EventType.REFUND_CREATED,),
        audit_action="refund_requested",
        changes=changes(payment, after.as_json()),
        origin=Origin.of(caller.api_key_id, context),
        now=now,
        ids=ids,
    )
    return RefundRequest(payment, after, made, intent, written)
