"""What processors tell later: how a transfer or a refund ended, or that it ended otherwise.

A notice is heard at least once and acknowledged only when its effect is written; one whose effect
is there already changes nothing.
"""

from __future__ import annotations

from paywright.errors import FxRateUnavailable
from paywright.payments.deciding import Contended, current_refund, decide
from paywright.payments.incidents import happen
from paywright.payments.models import Payment, RefundStatus, StoredOperation
from paywright.payments.recovery import payment_of, undecided
from paywright.payments.services import Services
from paywright.payments.states import Operation, Status
from paywright.processors.base import Declined, Notice, Unavailable, Unknown

FAILURE_CODES = {Operation.AUTHORIZE: "payment_declined", Operation.REFUND: "refund_failed"}


def hear_notices(services: Services, *, limit: int = 100) -> int:
    """Take what each processor has to tell, and acknowledge it; return how many were heard."""
    heard = 0
    for guarded in services.processors:
        try:
            notices = guarded.processor.notices(limit)
            taken = [each.operation_id for each in notices if _take(services, each)]
            if taken:
                guarded.processor.acknowledge(taken)
            heard += len(taken)
        except (Unknown, Unavailable):
            continue  # told again next time
    return heard


def _take(services: Services, notice: Notice) -> bool:
    """Write a notice's effect; False if that has to wait."""
    operation = services.store.find_operation(notice.operation_id)
    if operation is None:
        return True  # not ours: every operation is written down before a processor hears of it
    payment = payment_of(services, operation)
    if operation.state == "pending":
        return _decided(services, operation, payment, notice)
    if operation.state == "succeeded" and isinstance(notice.outcome, Declined):
        return _came_back(services, operation, payment, notice.outcome.decline_code)
    return True


def _decided(
    services: Services, operation: StoredOperation, payment: Payment, notice: Notice
) -> bool:
    code = FAILURE_CODES.get(operation.kind, "card_declined")
    try:
        todo = undecided(services, operation, payment, notice.outcome)
        return decide(services, payment, todo, notice.outcome, failure_code=code) is not None
    except (FxRateUnavailable, Contended):
        return False


def _came_back(
    services: Services, operation: StoredOperation, payment: Payment, return_code: str
) -> bool:
    refund = current_refund(services, payment, operation.refund_id)
    try:
        if refund is not None:
            return refund.status is not RefundStatus.SUCCEEDED or happen(
                services,
                payment,
                Operation.REFUND_RETURN,
                refund.amount,
                refund_id=refund.id,
                return_code=return_code,
            )
        if payment.status is Status.FAILED:
            return True
        if payment.pending_refund_amount > 0:
            return False  # a refund is being decided: what comes back is known after it
        return happen(
            services,
            payment,
            Operation.RETURN,
            payment.captured_amount,
            return_code=return_code,
        )
    except Contended:
        return False
