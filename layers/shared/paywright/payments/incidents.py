"""What happens to a payment without anybody asking: a hold runs out, money comes back.

It takes the two steps of every operation, so that it excludes requests as they exclude each other.
Should the second step be lost, recovery makes up for it.
"""

from __future__ import annotations

from uuid import UUID

from paywright.payments.deciding import Undecided, decide
from paywright.payments.models import Payment
from paywright.payments.services import Services
from paywright.payments.states import Operation, check_allowed
from paywright.payments.writes import OperationIntent, Origin
from paywright.processors.base import Approved


def happen(
    services: Services,
    payment: Payment,
    kind: Operation,
    amount: int,
    *,
    refund_id: UUID | None = None,
    return_code: str | None = None,
) -> bool:
    """Write it, and return True; False if it has to wait, since another operation is under way.

    Raise Refused where it cannot happen in this state, Contended or Undecidable.
    """
    check_allowed(payment.status, kind)
    intent = OperationIntent(
        id=services.ids.new(),
        kind=kind,
        amount=payment.money(amount),
        final=True,
        due_at=services.clock.now() + services.recovery_delay,
        refund_id=refund_id,
        return_code=return_code,
    )
    if not services.store.begin_by_itself(payment, intent):
        return False
    undecided = Undecided(
        id=intent.id,
        kind=kind,
        amount=intent.amount,
        final=True,
        refund_id=refund_id,
        fee_plans=services.store.fee_plans(payment.merchant_id),
        origin=Origin(None, None, None),
        return_code=return_code,
    )
    return decide(services, payment, undecided, it_happened(payment)) is not None


def it_happened(payment: Payment) -> Approved:
    """The outcome of what no processor was asked: it is a fact."""
    return Approved(payment.processor_ref or "")
