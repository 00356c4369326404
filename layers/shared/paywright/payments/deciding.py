"""T2: write what became of an operation, whoever found out, once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from paywright.errors import CardDeclined, PaymentMethodDeclined
from paywright.fees import FeePlan
from paywright.fx.rates import Rate
from paywright.money import Money
from paywright.payments.completion import Circumstances, Decided, conclude
from paywright.payments.contention import attempts
from paywright.payments.models import Payment, Refund, RefundStatus
from paywright.payments.services import Services
from paywright.payments.states import Operation, Refused
from paywright.payments.writes import Completion, Origin
from paywright.processors.base import Outcome

_STANDS_AT = {
    Operation.REFUND: RefundStatus.PENDING,
    Operation.REFUND_RETURN: RefundStatus.SUCCEEDED,
}


@dataclass(frozen=True, slots=True)
class Undecided:
    """An operation whose intent is written. `lifetime` is how long its hold would last."""

    id: UUID
    kind: Operation
    amount: Money
    final: bool
    refund_id: UUID | None
    fee_plans: tuple[FeePlan, ...]
    origin: Origin
    rate: Rate | None = None
    lifetime: timedelta = timedelta()
    return_code: str | None = None


class Contended(Exception):
    """Others changed the payment all the time: nothing was written, try again later."""


class Undecidable(Exception):
    """The payment is in a state in which its operation cannot end: a mistake of ours."""


def decide(
    services: Services,
    payment: Payment,
    operation: Undecided,
    outcome: Outcome,
    *,
    failure_code: str | None = None,
) -> Completion | None:
    """Write an outcome; None when the operation was decided already.

    `failure_code` is what a refusal of it is called, that of a decline unless said.

    The payment may change between being read and being written, by refunds side by side: then it
    is read again, with jitter, for some seconds. It was read before the operation was last seen
    undecided: an outcome is never added to a payment that has it already. Raise Contended or
    Undecidable.
    """
    for _ in attempts():
        refund = current_refund(services, payment, operation.refund_id)
        if refund is not None and refund.status is not _STANDS_AT.get(operation.kind):
            return None
        decided = Decided(
            operation_id=operation.id,
            kind=operation.kind,
            amount=operation.amount,
            final=operation.final,
            outcome=outcome,
            failure_code=failure_code or declined(payment).code,
            rate=operation.rate,
            refund=refund,
            return_code=operation.return_code,
        )
        try:
            completion = conclude(payment, decided, _circumstances(services, operation))
        except Refused as refused:
            if not is_undecided(services, operation.id):
                return None
            raise Undecidable(str(refused)) from refused
        if services.store.complete(completion):
            return completion
        payment = current_payment(services, payment)
        if not is_undecided(services, operation.id):
            return None
    raise Contended


def declined(payment: Payment) -> type[PaymentMethodDeclined]:
    """The error that a decline is, by what is paid with."""
    return CardDeclined if payment.method_type == "card" else PaymentMethodDeclined


def is_undecided(services: Services, operation_id: UUID) -> bool:
    """Whether nobody has decided the operation yet."""
    stored = services.store.find_operation(operation_id)
    return stored is not None and stored.state == "pending"


def current_payment(services: Services, payment: Payment) -> Payment:
    """The payment as it is now."""
    current = services.store.find_payment(payment.merchant_id, payment.livemode, payment.id)
    assert current is not None, "a payment is never deleted"
    return current


def current_refund(services: Services, payment: Payment, refund_id: UUID | None) -> Refund | None:
    """The refund as it is now, if an operation is about one."""
    if refund_id is None:
        return None
    refund = services.store.find_refund(payment.merchant_id, payment.livemode, refund_id)
    assert refund is not None, "a refund is never deleted"
    return refund


def _circumstances(services: Services, operation: Undecided) -> Circumstances:
    return Circumstances(
        cost_plans=services.cost_plans,
        fee_plans=operation.fee_plans,
        lifetime=operation.lifetime,
        origin=operation.origin,
        now=services.clock.now(),
        ids=services.ids,
    )
