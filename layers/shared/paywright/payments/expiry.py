"""Holds that ran out: released once, unless a capture or a void is on its way."""

from __future__ import annotations

from paywright.payments.incidents import happen
from paywright.payments.models import DueExpiry
from paywright.payments.services import Services
from paywright.payments.states import Operation


def expire_due(services: Services, *, limit: int = 100) -> int:
    """Release holds that ran out, the longest due first; return how many."""
    due = services.store.due_expiries(services.clock.now(), limit)
    return sum(_expire(services, each) for each in due)


def _expire(services: Services, due: DueExpiry) -> bool:
    payment = services.store.find_payment(due.merchant_id, due.livemode, due.transaction_id)
    assert payment is not None, "a payment is never deleted"
    now = services.clock.now()
    if payment.expires_at is None or payment.expires_at > now:
        return False
    return happen(services, payment, Operation.EXPIRE, payment.held_amount)
