"""The steps that every payment operation shares once its intent is written (T1).

The processor is asked with no transaction open, and T2 writes what it answered. When no answer
comes, the merchant is told so, and recovery finds out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from paywright.clock import Clock
from paywright.errors import (
    CardDeclined,
    IdempotencyKeyInProgress,
    IdempotencyKeyReused,
    PaywrightError,
    ProcessorUnavailable,
    ServiceUnavailable,
)
from paywright.fx.rates import Rate
from paywright.ids import IdSource, typeid
from paywright.payments.completion import Decided, Origin, conclude
from paywright.payments.models import (
    PENDING_UNKNOWN,
    Answer,
    Caller,
    OperationIntent,
    Payment,
    RequestContext,
    StoredKey,
    to_json,
)
from paywright.payments.ports import FraudScorer, PaymentStore, RateSource
from paywright.processors.base import (
    Approved,
    Declined,
    Outcome,
    Pending,
    Processor,
    Reply,
    Unavailable,
    Unknown,
)
from paywright.processors.breaker import CircuitBreaker

_ATTEMPTS = 5  # against payments that change between being read and being written


@dataclass(frozen=True, slots=True)
class Services:
    """What every payment operation is given."""

    store: PaymentStore
    processor: Processor
    breaker: CircuitBreaker
    fraud: FraudScorer
    rates: RateSource
    clock: Clock
    ids: IdSource
    recovery_delay: timedelta  # until an undecided operation is looked up


@dataclass(frozen=True, slots=True)
class Begun:
    """An operation whose intent is written. `status` is the HTTP status of its success."""

    caller: Caller
    payment: Payment
    intent: OperationIntent
    context: RequestContext
    rate: Rate | None
    status: int


class _DecidedElsewhere(Exception):
    """Recovery was first."""


def perform(services: Services, begun: Begun, ask: Callable[[], Reply]) -> Answer:
    """Ask the processor (through the breaker) and write its answer.

    Raise CardDeclined, or ProcessorUnavailable when the request never left: both are recorded and
    free the idempotency key. An unknown outcome is an answer, not an error.
    """
    failure: type[PaywrightError] = CardDeclined
    outcome: Reply
    try:
        outcome = ask()
    except Unavailable:
        outcome, failure = Declined("processor_unavailable"), ProcessorUnavailable
    except (Unknown, ServiceUnavailable):
        return _answer_unknown(services, begun)
    if isinstance(outcome, Pending):
        return _answer_unknown(services, begun)
    try:
        decided = _decide(services, begun, outcome, failure)
    except _DecidedElsewhere:
        return _answer_decided(services, begun)
    except ServiceUnavailable:
        return _answer_unknown(services, begun)
    if isinstance(outcome, Approved):
        return Answer(begun.status, to_json(decided.as_json()))
    raise failure(
        decline_code=outcome.decline_code if failure is CardDeclined else None,
        payment_id=typeid("txn", begun.payment.id),
    )


def rate_for(services: Services, payment: Payment) -> Rate | None:
    """The rate into the merchant's currency; None where no conversion is needed."""
    if payment.currency == payment.settlement_currency:
        return None
    return services.rates.rate(payment.currency, payment.settlement_currency)


def check_processor(services: Services) -> None:
    """Refuse early, before anything is written, while the breaker is open."""
    try:
        services.breaker.check()
    except Unavailable as error:
        raise ProcessorUnavailable from error


def replay(stored: StoredKey, context: RequestContext) -> Answer:
    """The answer that a key stands for; raise where there is none yet or it was for another."""
    if stored.fingerprint != context.fingerprint:
        raise IdempotencyKeyReused
    if stored.answer is None:
        raise IdempotencyKeyInProgress(retry_after_s=1)
    return replace(stored.answer, replayed=True)


def _decide(
    services: Services, begun: Begun, outcome: Outcome, failure: type[PaywrightError]
) -> Payment:
    payment = begun.payment
    for _ in range(_ATTEMPTS):
        completion = conclude(
            payment,
            Decided(
                begun.intent.id,
                begun.intent.kind,
                begun.intent.amount,
                outcome,
                failure.code,
                begun.rate,
            ),
            processor=services.processor,
            fee_plans=begun.caller.fee_plans,
            origin=Origin.of(begun.caller.api_key_id, begun.context),
            now=services.clock.now(),
            ids=services.ids,
        )
        if services.store.complete(completion):
            return completion.after
        current = _current(services, begun)
        if current.version == payment.version:
            break
        payment = current
    raise _DecidedElsewhere


def _answer_unknown(services: Services, begun: Begun) -> Answer:
    pending = replace(begun.payment, pending_reason=PENDING_UNKNOWN)
    answer = Answer(begun.status, to_json(pending.as_json()))
    try:
        if services.store.answer_pending(begun.payment, begun.intent.id, begun.context, answer):
            return answer
        return _answer_decided(services, begun)
    except ServiceUnavailable:
        return answer  # still true: nobody knows yet, and recovery will find out


def _answer_decided(services: Services, begun: Begun) -> Answer:
    return Answer(begun.status, to_json(_current(services, begun).as_json()))


def _current(services: Services, begun: Begun) -> Payment:
    payment = begun.payment
    current = services.store.find_payment(payment.merchant_id, payment.livemode, payment.id)
    assert current is not None, "a payment is never deleted"
    return current
