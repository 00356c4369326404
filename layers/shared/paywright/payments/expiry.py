"""Holds that ran out: released once, unless a capture or a void is on its way."""

from __future__ import annotations

from datetime import timedelta

from paywright.errors import ServiceUnavailable
from paywright.payments.incidents import happen
from paywright.payments.services import Services
from paywright.payments.states import Operation
from paywright.payments.writes import DueExpiry

_LATER = timedelta(minutes=5)


def expire_due(services: Services, *, limit: int = 100) -> int:
    """Release holds that ran out, the longest due first; return how many.

    Those with another operation under way are not asked for: it decides. One that breaks is looked
    at again later and holds up no other.
    """
    now = services.clock.now()
    expired = 0
    for due in services.store.due_expiries(now, limit):
        try:
            expired += _expire(services, due)
        except ServiceUnavailable:
            raise
        except Exception as error:
            services.trouble("a hold cannot be released", due.transaction_id, error)
            services.store.postpone_expiry(due, now + _LATER)
    return expired


def _expire(services: Services, due: DueExpiry) -> bool:
    payment = services.store.find_payment(due.merchant_id, due.livemode, due.transaction_id)
    assert payment is not None, "a payment is never deleted"
    if payment.expires_at is None or payment.expires_at > services.clock.now():
        return False
    return happen(services, payment, Operation.EXPIRE, payment.held_amount)
