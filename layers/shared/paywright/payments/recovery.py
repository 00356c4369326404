"""Find out what became of operations whose outcome nobody heard (docs/payments.md).

The processor is asked what it did. What it never saw is reversed under the operation's id, so that
a request still on its way does nothing either, and is looked up again later: only then is it said
to have failed. What stays unclear is left to a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate

from paywright.errors import FxRateUnavailable, ServiceUnavailable
from paywright.payments.deciding import (
    Contended,
    Undecidable,
    Undecided,
    current_refund,
    decide,
    is_undecided,
)
from paywright.payments.incidents import it_happened
from paywright.payments.lifetimes import authorization_lifetime
from paywright.payments.models import LONGEST_WAIT, PENDING_UNKNOWN, Payment, pending_reason
from paywright.payments.services import Services, rate_for
from paywright.payments.states import CaptureMethod, Operation
from paywright.payments.writes import Origin, PutOff, StoredOperation, Wait
from paywright.processors.base import Approved, Declined, Outcome, Pending, Unavailable, Unknown

LOOK_AGAIN_AFTER = (timedelta(minutes=15), timedelta(hours=1), timedelta(hours=24))
"""When a reversed operation is looked up again: after its first reversal, then after each look."""

_RETRY_DELAY = timedelta(minutes=1)
_MOST_DELAYS = 15
"""Of these after one attempt; before, each time twice as long."""
_MAX_ATTEMPTS = 50
"""With the delays between them these last for half a day: a processor may be away for a night."""

_ASKS_NOBODY = frozenset({Operation.EXPIRE, Operation.RETURN, Operation.REFUND_RETURN})


@dataclass(frozen=True, slots=True)
class Recovered:
    """What one round did, for the log."""

    decided: int
    postponed: int
    left_to_a_person: int


def recover_due(services: Services, *, limit: int = 100) -> Recovered:
    """Look at every undecided operation that is due, once; one that breaks holds up no other."""
    counts = {"decided": 0, "postponed": 0, "left_to_a_person": 0}
    for operation in services.store.due_operations(services.clock.now(), limit):
        try:
            done = _recover(services, operation)
        except ServiceUnavailable:
            raise
        except Exception as error:
            services.trouble("recovery broke off", operation.operation_id, error)
            done = _postpone(services, operation)
        counts[done] += 1
    return Recovered(**counts)


def undecided(
    services: Services, operation: StoredOperation, payment: Payment, outcome: Outcome
) -> Undecided:
    """What decides a stored operation.

    A capture goes by the rate that it was begun with. Those begun before rates were kept have none
    and take that of now: raise FxRateUnavailable.
    """
    captures = isinstance(outcome, Approved) and (
        operation.kind is Operation.CAPTURE
        or (
            operation.kind is Operation.AUTHORIZE
            and payment.capture_method is CaptureMethod.AUTOMATIC
        )
    )
    return Undecided(
        id=operation.operation_id,
        kind=operation.kind,
        amount=payment.money(operation.amount),
        final=operation.final,
        refund_id=operation.refund_id,
        fee_plans=operation.fee_plans,
        origin=Origin(None, operation.idempotency_key, operation.trace_id),
        rate=(operation.rate or rate_for(services, payment)) if captures else None,
        lifetime=_lifetime(services, operation, payment),
        return_code=operation.return_code,
    )


def payment_of(services: Services, operation: StoredOperation) -> Payment:
    """The payment of a stored operation."""
    payment = services.store.find_payment(
        operation.merchant_id, operation.livemode, operation.transaction_id
    )
    assert payment is not None, "an operation's payment is in the same transaction"
    return payment


def _recover(services: Services, operation: StoredOperation) -> str:
    payment = payment_of(services, operation)
    # In this order: a payment read before its operation was still undecided has not its outcome.
    if not is_undecided(services, operation.operation_id):
        return "decided"
    if operation.kind in _ASKS_NOBODY:
        return _decide(services, operation, payment, it_happened(payment))
    if _waits_for_notice(services, operation, payment):
        return _ask_a_person(services, operation, "no notice came in time")
    return _ask_the_processor(services, operation, payment)


def _ask_the_processor(services: Services, operation: StoredOperation, payment: Payment) -> str:
    try:
        processor = services.processors.named(payment.processor).processor
        reply = processor.lookup(operation.operation_id) if processor.can_look_up else None
        if isinstance(reply, Pending):
            return _wait_for_notice(services, operation, payment)
        if reply is None:
            return _reverse(services, operation, payment)
        return _decide(services, operation, payment, reply)
    except (Unknown, Unavailable, LookupError):
        return _postpone(services, operation)


def _waits_for_notice(services: Services, operation: StoredOperation, payment: Payment) -> bool:
    refund = current_refund(services, payment, operation.refund_id)
    reason = payment.pending_reason if refund is None else refund.pending_reason
    return reason is not None and reason != PENDING_UNKNOWN


def _wait_for_notice(services: Services, operation: StoredOperation, payment: Payment) -> str:
    wait = Wait(
        operation_id=operation.operation_id,
        refund_id=operation.refund_id,
        reason=pending_reason(payment),
        due_at=services.clock.now() + LONGEST_WAIT,
    )
    return "postponed" if services.store.wait(payment, wait) else "decided"


def _reverse(services: Services, operation: StoredOperation, payment: Payment) -> str:
    now = services.clock.now()
    # Only what was acknowledged counts: looks that got no answer neither hasten nor delay the end.
    first = operation.reversed_at or now
    looks = (first + after for after in accumulate(LOOK_AGAIN_AFTER))
    next_look = next((look for look in looks if look > now), None)
    if next_look is None:
        return _decide(services, operation, payment, Declined("not_received"))
    services.processors.named(payment.processor).processor.reverse(operation.operation_id)
    services.store.postpone(operation, PutOff(next_look, reversed_at=first))
    return "postponed"


def _decide(
    services: Services, operation: StoredOperation, payment: Payment, outcome: Outcome
) -> str:
    try:
        decide(services, payment, undecided(services, operation, payment, outcome), outcome)
    except (FxRateUnavailable, Contended):
        return _postpone(services, operation)
    except Undecidable as error:
        return _ask_a_person(services, operation, str(error))
    return "decided"


def _postpone(services: Services, operation: StoredOperation) -> str:
    if operation.attempts >= _MAX_ATTEMPTS:
        return _ask_a_person(services, operation, "it is not decided after many attempts")
    delay = _RETRY_DELAY * min(2**operation.attempts, _MOST_DELAYS)
    services.store.postpone(operation, PutOff(services.clock.now() + delay, operation.reversed_at))
    return "postponed"


def _ask_a_person(services: Services, operation: StoredOperation, why: str) -> str:
    services.trouble(f"an operation is left to a person: {why}", operation.operation_id)
    due_at = services.clock.now() + _RETRY_DELAY
    services.store.postpone(operation, PutOff(due_at, operation.reversed_at, needs_person=True))
    return "left_to_a_person"


def _lifetime(services: Services, operation: StoredOperation, payment: Payment) -> timedelta:
    if operation.kind is not Operation.AUTHORIZE or payment.payment_method_id is None:
        return timedelta()
    method = services.store.find_method(
        payment.merchant_id, payment.livemode, payment.payment_method_id
    )
    brand = None if method is None else method.brand
    return authorization_lifetime(brand, off_session=payment.off_session)
