"""Find out what became of operations whose outcome nobody heard (docs/architecture.md).

The processor is asked what it did. What it never saw is reversed under the operation's id, so that
a request still on its way does nothing either, and is looked up again later: only then is it said
to have failed. What stays unclear is left to a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from paywright.errors import FxRateUnavailable
from paywright.payments.completion import Decided, Origin, conclude
from paywright.payments.models import Payment, PendingOperation
from paywright.payments.operation import Services, rate_for
from paywright.payments.states import CaptureMethod, Operation
from paywright.processors.base import (
    Approved,
    Declined,
    Outcome,
    Pending,
    Unavailable,
    Unknown,
)

LOOK_AGAIN_AFTER = (timedelta(minutes=15), timedelta(hours=1), timedelta(hours=24))
"""When a reversed operation is looked up again, counted from the look before."""

_RETRY_DELAY = timedelta(minutes=1)
_MAX_ATTEMPTS = 50


@dataclass(frozen=True, slots=True)
class Recovered:
    """What one round did, for the log."""

    decided: int
    postponed: int
    left_to_a_person: int


def recover_due(services: Services, *, limit: int = 100) -> Recovered:
    """Look at every undecided operation that is due, once."""
    counts = {"decided": 0, "postponed": 0, "left_to_a_person": 0}
    for operation in services.store.due_operations(services.clock.now(), limit):
        counts[_recover(services, operation)] += 1
    return Recovered(**counts)


def _recover(services: Services, operation: PendingOperation) -> str:
    payment = services.store.find_payment(
        operation.merchant_id, operation.livemode, operation.transaction_id
    )
    assert payment is not None, "an operation's payment is in the same transaction"
    try:
        outcome = services.processor.lookup(operation.operation_id)
        if outcome is None:
            return _reverse(services, operation, payment)
        if isinstance(outcome, Pending):
            return _postpone(services, operation, _RETRY_DELAY)
        return _decide(services, operation, payment, outcome)
    except (Unknown, Unavailable, FxRateUnavailable):
        return _postpone(services, operation, _RETRY_DELAY)


def _reverse(services: Services, operation: PendingOperation, payment: Payment) -> str:
    if operation.reversed_at is not None and operation.attempts >= len(LOOK_AGAIN_AFTER):
        return _decide(services, operation, payment, Declined("not_received"))
    services.processor.reverse(operation.operation_id)
    delay = LOOK_AGAIN_AFTER[min(operation.attempts, len(LOOK_AGAIN_AFTER) - 1)]
    now = services.clock.now()
    services.store.postpone(operation, due_at=now + delay, reversed_at=now, needs_person=False)
    return "postponed"


def _decide(
    services: Services, operation: PendingOperation, payment: Payment, outcome: Outcome
) -> str:
    captures = (
        operation.kind is Operation.CAPTURE or payment.capture_method is CaptureMethod.AUTOMATIC
    )
    rate = rate_for(services, payment) if captures and isinstance(outcome, Approved) else None
    completion = conclude(
        payment,
        Decided(
            operation.operation_id,
            operation.kind,
            payment.money(operation.amount),
            outcome,
            rate=rate,
        ),
        processor=services.processor,
        fee_plans=operation.fee_plans,
        origin=Origin(None, operation.idempotency_key, operation.trace_id),
        now=services.clock.now(),
        ids=services.ids,
    )
    if services.store.complete(completion):
        return "decided"
    return _postpone(services, operation, _RETRY_DELAY)  # changed meanwhile: from the start


def _postpone(services: Services, operation: PendingOperation, delay: timedelta) -> str:
    exhausted = operation.attempts >= _MAX_ATTEMPTS
    services.store.postpone(
        operation,
        due_at=services.clock.now() + delay,
        reversed_at=operation.reversed_at,
        needs_person=exhausted,
    )
    return "left_to_a_person" if exhausted else "postponed"
