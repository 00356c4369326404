"""What an operation's outcome makes of a payment: the content of T2, computed, not written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from paywright.event import EventType, event_text
from paywright.fees import CostPlan, FeePlan
from paywright.fraud.rules import needs_review
from paywright.fx.rates import Rate
from paywright.ids import IdSource
from paywright.ledger.postings import Journal
from paywright.money import Money
from paywright.payments.effects import Effect, Success, effect_of, refund_refused
from paywright.payments.models import Answer, Payment, Refund, RefundStatus, to_json
from paywright.payments.states import Operation, Status, failed
from paywright.payments.writes import Completion, Event, Origin, Record
from paywright.processors.base import Approved, Declined, Outcome

KEY_LIFETIME = timedelta(hours=24)
CREATES = frozenset({Operation.AUTHORIZE, Operation.REFUND})
"""The operations that make an object: they answer 201."""

_SUCCESS_EVENTS = {
    Operation.CAPTURE: EventType.PAYMENT_CAPTURED,
    Operation.VOID: EventType.PAYMENT_VOIDED,
    Operation.EXPIRE: EventType.PAYMENT_EXPIRED,
    Operation.REFUND: EventType.REFUND_SUCCEEDED,
    Operation.RETURN: EventType.PAYMENT_FAILED,
    Operation.REFUND_RETURN: EventType.REFUND_FAILED,
}
_FAILURE_EVENTS = {
    Operation.AUTHORIZE: EventType.PAYMENT_FAILED,
    Operation.CAPTURE: EventType.PAYMENT_CAPTURE_FAILED,
    Operation.VOID: EventType.PAYMENT_VOID_FAILED,
    Operation.REFUND: EventType.REFUND_FAILED,
}


@dataclass(frozen=True, slots=True)
class Decided:
    """An operation and its outcome. `amount` is what was asked for; `rate` converts a capture."""

    operation_id: UUID
    kind: Operation
    amount: Money
    final: bool
    outcome: Outcome
    failure_code: str
    rate: Rate | None = None
    refund: Refund | None = None
    return_code: str | None = None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What an outcome is judged by: whose it is, what it costs, how long a hold lasts, the time."""

    cost_plans: tuple[CostPlan, ...]
    fee_plans: tuple[FeePlan, ...]
    lifetime: timedelta
    origin: Origin
    now: datetime
    ids: IdSource


def conclude(payment: Payment, decided: Decided, around: Circumstances) -> Completion:
    """Compute everything that T2 writes for an outcome; raise Refused where it is not allowed."""
    approved = isinstance(decided.outcome, Approved)
    effect = _success(payment, decided, around) if approved else _failure(payment, decided)
    event_types = _event_types(effect.payment, decided.kind, approved=approved)
    after = replace(
        effect.payment,
        version=payment.version + 1,
        sequence=payment.sequence + (len(event_types) if decided.refund is None else 0),
        pending_reason=None,
        updated_at=around.now,
    )
    refund = effect.refund
    if refund is not None:
        refund = replace(
            refund,
            version=refund.version + 1,
            pending_reason=None,
            processor_ref=decided.outcome.reference or refund.processor_ref,
            updated_at=around.now,
        )
    # One text for the answer and for the event: it is long, and both are made for every payment.
    now_shown = after.as_json()
    text = to_json(now_shown if refund is None else refund.as_json())
    body = text if refund is None else to_json({**now_shown, "refund": refund.as_json()})
    answer = Answer(201 if decided.kind in CREATES else 200, body)
    return Completion(
        before=payment,
        after=after,
        operation_id=decided.operation_id,
        succeeded=approved,
        failure_code=decided.return_code if approved else decided.failure_code,
        processor_ref=decided.outcome.reference,
        record=record(
            after,
            refund,
            journal=effect.journal,
            journal_id=decided.operation_id,
            kind=str(decided.kind) if approved else f"{decided.kind}_failed",
            event_types=event_types,
            audit_action=f"{decided.kind}_{'succeeded' if approved else 'failed'}",
            changes=changes(payment, now_shown),
            origin=around.origin,
            now=around.now,
            ids=around.ids,
            about_text=text,
        ),
        answer=answer if approved else None,
        key_expires_at=around.now + KEY_LIFETIME,
        refund=refund,
    )


def record(
    payment: Payment,
    refund: Refund | None,
    *,
    journal: Journal,
    journal_id: UUID,
    kind: str,
    event_types: tuple[EventType, ...],
    audit_action: str,
    changes: str,
    origin: Origin,
    now: datetime,
    ids: IdSource,
    about_text: str | None = None,
) -> Record:
    """What is written beside a change of a payment, or of a refund of it.

    Its `sequence` is that of the last event. `about_text` is that object as JSON, for whoever has
    it already.
    """
    about: Payment | Refund = payment if refund is None else refund
    count = len(event_types)
    audit_id, *others = ids.several(1 + count + len(journal))
    text = to_json(about.as_json()) if about_text is None else about_text

    def event(number: int, event_type: EventType) -> Event:
        event_id, sequence = others[number], about.sequence - count + 1 + number
        payload = event_text(
            event_id,
            event_type,
            created_at=now,
            livemode=payment.livemode,
            sequence=sequence,
            about=text,
        )
        return Event(event_id, event_type, about.id, sequence, payload)

    return Record(
        journal_id=journal_id,
        journal_kind=kind,
        journal=journal,
        entry_ids=tuple(others[count:]),
        events=tuple(event(*each) for each in enumerate(event_types)),
        audit_id=audit_id,
        audit_action=audit_action,
        changes=changes,
        origin=origin,
    )


def changes(before: Payment, now_shown: dict[str, Any]) -> str:
    """What became different in a payment as the API shows it, for the audit log: JSON text."""
    was = before.as_json()
    return to_json({name: [was[name], now] for name, now in now_shown.items() if was[name] != now})


def shown(payment: Payment, refund: Refund | None) -> dict[str, Any]:
    """What a merchant is answered: the payment, and in it the refund that it asked for."""
    if refund is None:
        return payment.as_json()
    return {**payment.as_json(), "refund": refund.as_json()}


def _success(payment: Payment, decided: Decided, around: Circumstances) -> Effect:
    # What once failed is forgotten; a payment that has failed keeps why, whatever its refunds do.
    has_failed = payment.status is Status.FAILED
    if not has_failed and (payment.failure_code or payment.failure_message):
        payment = replace(payment, failure_code=None, failure_message=None)
    return effect_of(
        payment,
        Success(
            kind=decided.kind,
            amount=decided.amount,
            final=decided.final,
            reference=decided.outcome.reference,
            lifetime=around.lifetime,
            rate=decided.rate,
            refund=decided.refund,
            return_code=decided.return_code,
            cost_plans=around.cost_plans,
            fee_plans=around.fee_plans,
            now=around.now,
        ),
    )


def _failure(payment: Payment, decided: Decided) -> Effect:
    assert isinstance(decided.outcome, Declined)
    reason = decided.outcome.decline_code
    status = failed(payment.status, decided.kind)
    if decided.refund is not None:
        after, journal = refund_refused(payment, decided.refund)
        refund = replace(
            decided.refund,
            status=RefundStatus.FAILED,
            failure_code=decided.failure_code,
            failure_message=reason,
        )
        return Effect(replace(after, status=status), journal, refund)
    after = replace(
        payment,
        status=status,
        failure_code=decided.failure_code,
        failure_message=reason,
        processor_ref=payment.processor_ref or decided.outcome.reference,
    )
    return Effect(after, ())


def _event_types(after: Payment, kind: Operation, *, approved: bool) -> tuple[EventType, ...]:
    if not approved:
        return (_FAILURE_EVENTS[kind],)
    if kind is not Operation.AUTHORIZE:
        return (_SUCCESS_EVENTS[kind],)
    captured = after.status is Status.CAPTURED
    done = EventType.PAYMENT_CAPTURED if captured else EventType.PAYMENT_AUTHORIZED
    return (done, EventType.PAYMENT_REVIEW) if needs_review(after.fraud_flags) else (done,)
