"""The steps that every payment operation shares once its intent is written (T1).

The processor is asked with no transaction open, and T2 writes what it answered. When no answer
comes, the merchant is told so, and recovery finds out.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from paywright.errors import (
    IdempotencyKeyInProgress,
    IdempotencyKeyReused,
    OperationInProgress,
    PaywrightError,
    ProcessorUnavailable,
    ServiceUnavailable,
)
from paywright.ids import typeid
from paywright.payments.completion import CREATES, shown
from paywright.payments.contention import attempts
from paywright.payments.deciding import (
    Contended,
    Undecidable,
    Undecided,
    current_payment,
    current_refund,
    decide,
    declined,
)
from paywright.payments.models import (
    LONGEST_WAIT,
    PENDING_UNKNOWN,
    Answer,
    Caller,
    Payment,
    Refund,
    RequestContext,
    StoredKey,
    pending_reason,
    to_json,
)
from paywright.payments.ports import KeyTaken
from paywright.payments.services import Services
from paywright.payments.states import Operation, Refused, check_allowed
from paywright.payments.writes import OperationIntent, Origin, Wait
from paywright.processors.base import Approved, Declined, Pending, Reply, Unavailable, Unknown


@dataclass(frozen=True, slots=True)
class Begun:
    """An operation whose intent is written."""

    caller: Caller
    payment: Payment
    intent: OperationIntent
    context: RequestContext
    refund: Refund | None = None
    lifetime: timedelta = timedelta()

    @property
    def status(self) -> int:
        """The HTTP status of its success."""
        return 201 if self.intent.kind in CREATES else 200

    @property
    def undecided(self) -> Undecided:
        """The operation, as what decides it takes it."""
        return Undecided(
            id=self.intent.id,
            kind=self.intent.kind,
            amount=self.intent.amount,
            final=self.intent.final,
            refund_id=self.intent.refund_id,
            fee_plans=self.caller.fee_plans,
            origin=Origin.of(self.caller.api_key_id, self.context),
            rate=self.intent.rate,
            lifetime=self.lifetime,
        )


def perform(services: Services, begun: Begun, ask: Callable[[], Reply]) -> Answer:
    """Ask the processor (through the breaker) and write its answer.

    Raise PaymentMethodDeclined, or ProcessorUnavailable when the request never left: both are
    recorded and free the idempotency key. An unknown outcome is an answer, not an error.
    """
    decline = declined(begun.payment)
    failure: type[PaywrightError] = decline
    reply: Reply
    try:
        reply = ask()
    except Unavailable:
        reply, failure = Declined("processor_unavailable"), ProcessorUnavailable
    except (Unknown, ServiceUnavailable):
        return _answer_pending(services, begun, PENDING_UNKNOWN)
    if isinstance(reply, Pending):
        return _answer_pending(services, begun, pending_reason(begun.payment))
    try:
        done = decide(services, begun.payment, begun.undecided, reply, failure_code=failure.code)
    except (ServiceUnavailable, Contended, Undecidable):
        return _answer_pending(services, begun, PENDING_UNKNOWN)
    if done is None:
        return _answer_decided(services, begun)
    if isinstance(reply, Approved):
        assert done.answer is not None
        return done.answer
    raise failure(
        decline_code=reply.decline_code if failure is decline else None,
        payment_id=typeid("txn", begun.payment.id),
    )


def begin(
    services: Services,
    caller: Caller,
    context: RequestContext,
    attempt: Callable[[], Begun | None],
    payment_id: UUID,
) -> Begun | Answer:
    """Write an intent that `attempt` computes from the payment as it is, again while it changes.

    `attempt` returns None when the payment changed between its reading and its writing. Where the
    request's key came before, return the answer that it stands for: also where the attempt is
    refused, since it may be that request that left the payment as it is.
    """
    before = answered_before(services, caller, context)
    if before is not None:
        return before
    try:
        for _ in attempts():
            begun = attempt()
            if begun is not None:
                return begun
        raise OperationInProgress(payment_id=typeid("txn", payment_id), retry_after_s=1)
    except KeyTaken as taken:
        return replay(taken.stored, context)
    except ServiceUnavailable:
        raise
    except PaywrightError:
        before = answered_before(services, caller, context)
        if before is None:
            raise
        return before


def answered_before(services: Services, caller: Caller, context: RequestContext) -> Answer | None:
    """The answer that the request's key stands for; raise where it is running or was reused."""
    if context.idempotency_key is None:
        return None
    stored = services.store.stored_key(caller, context.idempotency_key)
    return None if stored is None else replay(stored, context)


def refuse_unless_allowed(
    payment: Payment, operation: Operation, refusal: type[PaywrightError]
) -> None:
    """Raise OperationInProgress while another is undecided, `refusal` where the state forbids."""
    payment_id = typeid("txn", payment.id)
    if payment.pending_reason == PENDING_UNKNOWN:
        raise OperationInProgress(payment_id=payment_id, retry_after_s=1)
    try:
        check_allowed(payment.status, operation)
    except Refused as refused:
        message = f"{refusal.__doc__} This one is {refused.status}."
        raise refusal(message, payment_id=payment_id) from refused


def replay(stored: StoredKey, context: RequestContext) -> Answer:
    """The answer that a key stands for; raise where there is none yet or it was for another."""
    if not hmac.compare_digest(stored.fingerprint, context.fingerprint):
        raise IdempotencyKeyReused
    if stored.answer is None:
        raise IdempotencyKeyInProgress(retry_after_s=1)
    return replace(stored.answer, replayed=True)


def _answer_pending(services: Services, begun: Begun, reason: str) -> Answer:
    payment, intent, refund = begun.payment, begun.intent, begun.refund
    if refund is None:
        payment = replace(payment, pending_reason=reason)
    else:
        refund = replace(refund, pending_reason=reason)
    answer = Answer(begun.status, to_json(shown(payment, refund)))
    told_later = services.clock.now() + LONGEST_WAIT
    wait = Wait(
        operation_id=intent.id,
        refund_id=intent.refund_id,
        reason=reason,
        due_at=intent.due_at if reason == PENDING_UNKNOWN else told_later,
        key=begun.context.idempotency_key,
        answer=answer,
    )
    try:
        if services.store.wait(begun.payment, wait):
            return answer
        return _answer_decided(services, begun)
    except ServiceUnavailable:
        # Still true: nobody knows yet, and recovery will find out. Until then the key is running.
        return replace(answer, stored=False)


def _answer_decided(services: Services, begun: Begun) -> Answer:
    """What somebody else's decision is to this request: the answer stored with it, or a refusal."""
    stored = services.store.find_operation(begun.intent.id)
    payment = current_payment(services, begun.payment)
    refund = current_refund(services, payment, begun.intent.refund_id)
    if stored is not None and stored.state == "failed":
        about = payment if refund is None else refund
        raise declined(payment)(
            decline_code=about.failure_message, payment_id=typeid("txn", payment.id)
        )
    if begun.context.idempotency_key is not None:
        key = services.store.stored_key(begun.caller, begun.context.idempotency_key)
        if key is not None and key.answer is not None:
            return key.answer
    return Answer(begun.status, to_json(shown(payment, refund)), stored=False)
