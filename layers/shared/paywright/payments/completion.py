"""What an operation's outcome makes of a payment: the content of T2, computed, not written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from paywright.clock import rfc3339
from paywright.fees import FeePlan, fee_of
from paywright.fx.rates import Rate, convert
from paywright.ids import IdSource, typeid
from paywright.ledger import postings
from paywright.ledger.postings import Conversion, Journal
from paywright.money import Money
from paywright.payments.models import Answer, Completion, Event, Payment, RequestContext, to_json
from paywright.payments.states import CaptureMethod, Operation, Status, failed, succeeded
from paywright.processors.base import Approved, Declined, Outcome, Processor

AUTHORIZATION_LIFETIME = timedelta(days=7)
KEY_LIFETIME = timedelta(hours=24)

_EVENT_TYPES = {
    Status.AUTHORIZED: "payment.authorized",
    Status.CAPTURED: "payment.captured",
    Status.FAILED: "payment.failed",
}


@dataclass(frozen=True, slots=True)
class Origin:
    """On whose behalf an operation runs, for the audit log and the idempotency key."""

    actor: str | None
    idempotency_key: str | None
    trace_id: str | None
    ip_address: str | None = None
    user_agent: str | None = None

    @classmethod
    def of(cls, api_key_id: UUID, context: RequestContext) -> Origin:
        """A request of a merchant."""
        return cls(
            actor=typeid("key", api_key_id),
            idempotency_key=context.idempotency_key,
            trace_id=context.trace_id,
            ip_address=context.ip_address,
            user_agent=context.user_agent,
        )


@dataclass(frozen=True, slots=True)
class Decided:
    """An operation and its outcome. `amount` is what was asked for; `rate` converts a capture."""

    operation_id: UUID
    kind: Operation
    amount: Money
    outcome: Outcome
    failure_code: str = "card_declined"
    rate: Rate | None = None


def conclude(
    payment: Payment,
    decided: Decided,
    *,
    processor: Processor,
    fee_plans: tuple[FeePlan, ...],
    origin: Origin,
    now: datetime,
    ids: IdSource,
) -> Completion:
    """Compute everything that T2 writes for an outcome."""
    approved = isinstance(decided.outcome, Approved)
    if approved:
        after, journal = _success(payment, decided, processor, fee_plans, now)
    else:
        after, journal = _failure(payment, decided), ()
    after = replace(after, version=payment.version + 1, pending_reason=None, updated_at=now)
    answer_status = 201 if decided.kind is Operation.AUTHORIZE else 200
    return Completion(
        before=payment,
        after=after,
        operation_id=decided.operation_id,
        operation_kind=decided.kind,
        succeeded=approved,
        failure_code=None if approved else decided.failure_code,
        processor_ref=decided.outcome.reference,
        journal=journal,
        entry_ids=tuple(ids.new() for _ in journal),
        event=_event(after, decided, now, ids),
        audit_id=ids.new(),
        audit_action=f"{decided.kind}_{'succeeded' if approved else 'failed'}",
        actor=origin.actor,
        trace_id=origin.trace_id,
        ip_address=origin.ip_address,
        user_agent=origin.user_agent,
        idempotency_key=origin.idempotency_key,
        answer=Answer(answer_status, to_json(after.as_json())) if approved else None,
        release_key=not approved,
        key_expires_at=now + KEY_LIFETIME,
    )


def _success(
    payment: Payment,
    decided: Decided,
    processor: Processor,
    fee_plans: tuple[FeePlan, ...],
    now: datetime,
) -> tuple[Payment, Journal]:
    status = succeeded(payment.status, decided.kind, payment.capture_method)
    after = replace(payment, status=status, failure_code=None, failure_message=None)
    if decided.kind is Operation.AUTHORIZE:
        after = replace(after, processor_ref=decided.outcome.reference)
        if payment.capture_method is CaptureMethod.MANUAL:
            expires_at = now + AUTHORIZATION_LIFETIME
            return replace(after, expires_at=expires_at), postings.authorization(decided.amount)
    captured = decided.amount
    conversion = _conversion(payment, captured, decided.rate)
    settled = conversion.settled if conversion else captured
    held = decided.kind is Operation.CAPTURE
    journal = postings.capture(
        captured,
        processor=payment.processor,
        cost=processor.cost(captured),
        fee=fee_of(settled, fee_plans, "card"),
        # The one capture of a manual payment is final: what it leaves of the hold is released.
        held=payment.money(payment.amount - payment.captured_amount) if held else None,
        conversion=conversion,
    )
    after = replace(
        after,
        captured_amount=payment.captured_amount + captured.amount,
        settlement_amount=(payment.settlement_amount or 0) + settled.amount,
        expires_at=None,
    )
    if decided.rate is not None:
        rate = decided.rate
        after = replace(after, fx_rate=rate.value, fx_rate_source=rate.source, fx_rate_at=rate.at)
    return after, journal


def _conversion(payment: Payment, captured: Money, rate: Rate | None) -> Conversion | None:
    if payment.settlement_currency == payment.currency:
        return None
    assert rate is not None, "a capture in another currency needs a rate"
    return convert(captured, payment.settlement_currency, rate)


def _failure(payment: Payment, decided: Decided) -> Payment:
    assert isinstance(decided.outcome, Declined)
    status = failed(payment.status, decided.kind)
    return replace(
        payment,
        status=status,
        failure_code=decided.failure_code,
        failure_message=decided.outcome.decline_code,
        processor_ref=payment.processor_ref or decided.outcome.reference,
    )


def _event(payment: Payment, decided: Decided, now: datetime, ids: IdSource) -> Event:
    event_id = ids.new()
    event_type = _EVENT_TYPES[payment.status]
    if decided.kind is Operation.CAPTURE and payment.status is Status.AUTHORIZED:
        event_type = "payment.capture_failed"
    payload = {
        "id": typeid("evt", event_id),
        "type": event_type,
        "created_at": rfc3339(now),
        "livemode": payment.livemode,
        "sequence": payment.version,
        "data": {"object": payment.as_json()},
    }
    return Event(event_id, event_type, to_json(payload))
