"""What processors tell later: how a transfer or a refund ended, or that it ended otherwise.

A notice is heard at least once and acknowledged only when its effect is written; one whose effect
is there already changes nothing.
"""

from __future__ import annotations

from uuid import UUID

from paywright.errors import FxRateUnavailable, ServiceUnavailable
from paywright.payments.deciding import Contended, current_refund, decide, is_undecided
from paywright.payments.incidents import happen
from paywright.payments.models import Payment, RefundStatus
from paywright.payments.recovery import payment_of, undecided
from paywright.payments.services import Services
from paywright.payments.states import Operation, Status
from paywright.payments.writes import StoredOperation
from paywright.processors.base import Approved, Declined, Notice, Unavailable, Unknown
from paywright.processors.registry import Guarded

_MAX_ROUNDS = 100

REFUND_FAILED = "refund_failed"


def hear_notices(services: Services, *, limit: int = 100) -> int:
    """Take all that each processor has to tell, and acknowledge it; return how many were heard."""
    return sum(_hear(services, guarded, limit) for guarded in services.processors)


def _hear(services: Services, guarded: Guarded, limit: int) -> int:
    heard, waiting = 0, set[UUID]()
    for _ in range(_MAX_ROUNDS):
        try:
            notices = guarded.processor.notices(limit, besides=frozenset(waiting))
            taken = [each.operation_id for each in notices if _take(services, each)]
            if taken:
                guarded.processor.acknowledge(taken)
        except (Unknown, Unavailable):
            return heard  # told again next time
        heard += len(taken)
        waiting.update(each.operation_id for each in notices)
        waiting.difference_update(taken)
        if len(notices) < limit:
            break
    return heard


def _take(services: Services, notice: Notice) -> bool:
    """Write a notice's effect; False if that has to wait. One that breaks holds up no other."""
    try:
        return _effect(services, notice)
    except ServiceUnavailable:
        raise
    except Exception as error:
        services.trouble("a notice cannot be taken", notice.operation_id, error)
        return False


def _effect(services: Services, notice: Notice) -> bool:
    operation = services.store.find_operation(notice.operation_id)
    if operation is None:
        return True  # not ours: every operation is written down before a processor hears of it
    if operation.state == "pending":
        return _decided(services, operation, notice)
    payment = payment_of(services, operation)
    if operation.state == "succeeded" and isinstance(notice.outcome, Declined):
        return _came_back(services, operation, payment, notice.outcome.decline_code)
    if operation.state == "failed" and isinstance(notice.outcome, Approved):
        services.trouble("a processor approved what was written as failed", notice.operation_id)
    return True


def _decided(services: Services, operation: StoredOperation, notice: Notice) -> bool:
    code = REFUND_FAILED if operation.kind is Operation.REFUND else None
    payment = payment_of(services, operation)
    # In this order: a payment read before its operation was still undecided has not its outcome.
    if not is_undecided(services, operation.operation_id):
        return False  # told again: by then it is seen what was decided
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
        return happen(
            services,
            payment,
            Operation.RETURN,
            payment.captured_amount,
            return_code=return_code,
        )
    except Contended:
        return False
