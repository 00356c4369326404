"""What the payment services have written: intents, outcomes, and what is not decided yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from paywright.fees import FeePlan
from paywright.fx.rates import Rate
from paywright.ids import typeid
from paywright.ledger.postings import Journal
from paywright.money import Money
from paywright.payments.models import Answer, Payment, Refund, RequestContext
from paywright.payments.states import Operation


@dataclass(frozen=True, slots=True)
class OperationIntent:
    """A row of `payment_operations`, written before the processor is asked.

    `due_at` is when recovery looks at it, should there be no outcome by then. `rate` is that of a
    capture that is converted, whenever its outcome is known.
    """

    id: UUID
    kind: Operation
    amount: Money
    final: bool
    due_at: datetime
    refund_id: UUID | None = None
    return_code: str | None = None  # why money came back
    rate: Rate | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """An event for merchants; `payload` is the JSON text that they receive.

    `sequence` counts the changes of the object that it is about, without gaps.
    """

    id: UUID
    type: str
    object_id: UUID
    sequence: int
    payload: str


@dataclass(frozen=True, slots=True)
class StoredOperation:
    """An operation as recovery and notices find it; `state` is `pending` until it is decided."""

    merchant_id: UUID
    operation_id: UUID
    transaction_id: UUID
    livemode: bool
    kind: Operation
    amount: int
    final: bool
    refund_id: UUID | None
    return_code: str | None
    state: str
    attempts: int
    reversed_at: datetime | None
    idempotency_key: str | None
    trace_id: str | None
    fee_plans: tuple[FeePlan, ...]
    rate: Rate | None


@dataclass(frozen=True, slots=True)
class PutOff:
    """When an undecided operation is looked at again."""

    due_at: datetime
    reversed_at: datetime | None = None
    needs_person: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """What is written while an outcome is open: why, until when, and what the key is answered.

    `due_at` is when recovery looks at it.
    """

    operation_id: UUID
    refund_id: UUID | None
    reason: str
    due_at: datetime
    key: str | None = None
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class DueExpiry:
    """A hold whose time is over."""

    merchant_id: UUID
    transaction_id: UUID
    livemode: bool


@dataclass(frozen=True, slots=True)
class Origin:
    """On whose behalf something is done, for the audit log and the idempotency key."""

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
class Record:
    """What is written beside a change of a payment: postings, an audit row, one or two events.

    `changes` is JSON text: what was shown of the payment, and is now, wherever that differs.
    """

    journal_id: UUID
    journal_kind: str
    journal: Journal
    entry_ids: tuple[UUID, ...]
    events: tuple[Event, ...]
    audit_id: UUID
    audit_action: str
    changes: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """All that the first transaction of a refund writes, at once or not at all."""

    before: Payment
    after: Payment
    refund: Refund
    intent: OperationIntent
    record: Record


@dataclass(frozen=True, slots=True)
class Completion:
    """All that the second transaction of an operation writes, at once or not at all.

    `before` is the payment it was computed from: where that has changed meanwhile, nothing is
    written. With `release_key` the idempotency key is forgotten and the next try is a new one.
    """

    before: Payment
    after: Payment
    operation_id: UUID
    succeeded: bool
    failure_code: str | None
    processor_ref: str | None
    record: Record
    answer: Answer | None
    key_expires_at: datetime
    refund: Refund | None = None

    @property
    def release_key(self) -> bool:
        """Whether the next request with the same key is a new one: a refusal is not stored."""
        return not self.succeeded
