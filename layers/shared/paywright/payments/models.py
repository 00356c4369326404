"""A payment and what is done with it, as plain data; and the payment as the API shows it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from paywright.clock import rfc3339
from paywright.fees import FeePlan
from paywright.ids import typeid
from paywright.ledger.postings import Journal
from paywright.money import Currency, Money
from paywright.payments.states import CaptureMethod, Operation, Status

PENDING_UNKNOWN = "processor_unknown"


@dataclass(frozen=True, slots=True)
class Caller:
    """The merchant behind an API key, with what its requests need to know of it."""

    merchant_id: UUID
    api_key_id: UUID
    livemode: bool
    settlement_currency: Currency
    rate_limit_per_min: int | None
    fee_plans: tuple[FeePlan, ...]


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Where a request came from; `fingerprint` is of its method, path and body."""

    idempotency_key: str | None
    fingerprint: bytes
    trace_id: str
    ip_address: str | None
    user_agent: str | None


@dataclass(frozen=True, slots=True)
class PaymentMethod:
    """What a payment needs of a stored card."""

    id: UUID
    customer_id: UUID
    type: str
    token: str
    fingerprint: str
    risk: str


@dataclass(frozen=True, slots=True)
class Payment:
    """One row of `transactions`. Amounts are in the minor unit of `currency`."""

    merchant_id: UUID
    id: UUID
    livemode: bool
    version: int
    customer_id: UUID | None
    payment_method_id: UUID | None
    amount: int
    currency: Currency
    captured_amount: int
    refunded_amount: int
    disputed_amount: int
    capture_method: CaptureMethod
    status: Status
    pending_reason: str | None
    failure_code: str | None
    failure_message: str | None
    processor: str
    processor_ref: str | None
    fraud_score: int | None
    fraud_flags: tuple[str, ...]
    settlement_currency: Currency
    settlement_amount: int | None
    fx_rate: Decimal | None
    fx_rate_source: str | None
    fx_rate_at: datetime | None
    description: str | None
    metadata: dict[str, str]
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime

    def money(self, amount: int) -> Money:
        """An amount in this payment's currency."""
        return Money(amount, self.currency)

    @property
    def shown_status(self) -> Status:
        """`pending` while the processor's answer to any operation is not known."""
        return Status.PENDING if self.pending_reason == PENDING_UNKNOWN else self.status

    def as_json(self) -> dict[str, Any]:
        """The payment object of the API."""
        return {
            "id": typeid("txn", self.id),
            "object": "payment",
            "status": str(self.shown_status),
            "amount": self.amount,
            "currency": self.currency.code,
            "captured_amount": self.captured_amount,
            "refunded_amount": self.refunded_amount,
            "capture_method": str(self.capture_method),
            "customer_id": _optional_id("cus", self.customer_id),
            "payment_method_id": _optional_id("pm", self.payment_method_id),
            "pending_reason": self.pending_reason,
            "failure_code": self.failure_code,
            "failure_message": self.failure_message,
            "fraud_score": self.fraud_score,
            "fraud_flags": list(self.fraud_flags),
            "settlement_currency": self.settlement_currency.code,
            "settlement_amount": self.settlement_amount,
            "fx_rate": None if self.fx_rate is None else f"{self.fx_rate:f}",
            "description": self.description,
            "metadata": self.metadata,
            "expires_at": None if self.expires_at is None else rfc3339(self.expires_at),
            "created_at": rfc3339(self.created_at),
            "livemode": self.livemode,
        }


@dataclass(frozen=True, slots=True)
class OperationIntent:
    """A row of `payment_operations`, written before the processor is asked.

    `due_at` is when recovery looks at it, should there be no outcome by then.
    """

    id: UUID
    kind: Operation
    amount: Money
    final: bool
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What a merchant is told: `body` is JSON text, replayed byte for byte."""

    status: int
    body: str
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What an idempotency key stands for so far; without an answer its operation is running."""

    fingerprint: bytes
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class Event:
    """An event for merchants; `payload` is the JSON text that they receive."""

    id: UUID
    type: str
    payload: str


@dataclass(frozen=True, slots=True)
class PendingOperation:
    """An operation without an outcome, as recovery finds it."""

    merchant_id: UUID
    operation_id: UUID
    transaction_id: UUID
    livemode: bool
    kind: Operation
    amount: int
    final: bool
    attempts: int
    reversed_at: datetime | None
    idempotency_key: str | None
    trace_id: str | None
    fee_plans: tuple[FeePlan, ...]


@dataclass(frozen=True, slots=True)
class Completion:
    """All that the second transaction of an operation writes, at once or not at all.

    `before` is the payment it was computed from: where that has changed meanwhile, nothing is
    written. With `release_key` the idempotency key is forgotten and the next try is a new one.
    """

    before: Payment
    after: Payment
    operation_id: UUID
    operation_kind: Operation
    succeeded: bool
    failure_code: str | None
    processor_ref: str | None
    journal: Journal
    entry_ids: tuple[UUID, ...]
    event: Event
    audit_id: UUID
    audit_action: str
    actor: str | None
    trace_id: str | None
    ip_address: str | None
    user_agent: str | None
    idempotency_key: str | None
    answer: Answer | None
    release_key: bool
    key_expires_at: datetime | None = field(default=None)


def to_json(value: Any) -> str:
    """JSON text as the API writes it: compact, UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _optional_id(prefix: str, uuid: UUID | None) -> str | None:
    return None if uuid is None else typeid(prefix, uuid)
