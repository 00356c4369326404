"""A payment and what is done with it, as plain data; and the payment as the API shows it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from paywright.clock import rfc3339
from paywright.fees import FeePlan
from paywright.ids import typeid
from paywright.ledger.postings import Refunding
from paywright.money import Currency, Money
from paywright.payments.states import CaptureMethod, Status

PENDING_UNKNOWN = "processor_unknown"
PENDING_TRANSFER = "bank_transfer"
PENDING_PROCESSOR = "processor_pending"
LONGEST_WAIT = timedelta(days=30)
"""How long a processor that decides later may take before a person is asked."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The merchant behind an API key, with what its requests need to know of it."""

    merchant_id: UUID
    api_key_id: UUID
    livemode: bool
    settlement_currency: Currency
    rate_limit_per_min: int | None
    fee_plans: tuple[FeePlan, ...]
    fx_spread_bps: int = 0

    @property
    def actor(self) -> tuple[str, str]:
        """Who acts, for the audit log: the kind and the name."""
        return "api_key", typeid("key", self.api_key_id)


@dataclass(frozen=True, slots=True)
class Operator:
    """Who runs the platform, at work on a merchant's objects without any key of the merchant's."""

    name: str
    merchant_id: UUID
    livemode: bool

    @property
    def actor(self) -> tuple[str, str]:
        """Who acts, for the audit log: the kind and the name."""
        return "admin", self.name


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
    """What a payment needs of a stored card or account; `currency` is the only one it may be in."""

    id: UUID
    customer_id: UUID
    type: str
    token: str
    fingerprint: str
    risk: str
    brand: str | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class Payment:
    """One row of `transactions`. Amounts are in the minor unit of `currency`.

    `version` counts the row's changes, `sequence` the events about it.
    """

    merchant_id: UUID
    id: UUID
    livemode: bool
    version: int
    sequence: int
    customer_id: UUID | None
    payment_method_id: UUID | None
    amount: int
    currency: Currency
    captured_amount: int
    refunded_amount: int
    pending_refund_amount: int
    disputed_amount: int
    method_type: str
    off_session: bool
    capture_method: CaptureMethod
    status: Status
    pending_reason: str | None
    void_reason: str | None
    failure_code: str | None
    failure_message: str | None
    processor: str
    processor_ref: str | None
    fraud_score: int | None
    fraud_flags: tuple[str, ...]
    settlement_currency: Currency
    settlement_amount: int | None
    settlement_refunded_amount: int
    fee_share_amount: int
    fee_returned_amount: int
    fx_rate: Decimal | None
    fx_rate_source: str | None
    fx_rate_at: datetime | None
    fx_quote_id: UUID | None
    fx_spread_bps: int
    description: str | None
    metadata: dict[str, str]
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime

    def money(self, amount: int) -> Money:
        """An amount in this payment's currency."""
        return Money(amount, self.currency)

    @property
    def held_amount(self) -> int:
        """What of the authorization may still be captured."""
        return self.amount - self.captured_amount if self.status is Status.AUTHORIZED else 0

    @property
    def refundable_amount(self) -> int:
        """What was captured and neither refunded nor disputed, nor is about to be refunded."""
        gone = self.refunded_amount + self.pending_refund_amount + self.disputed_amount
        return max(self.captured_amount - gone, 0)

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
            "pending_refund_amount": self.pending_refund_amount,
            "capture_method": str(self.capture_method),
            "customer_id": _optional_id("cus", self.customer_id),
            "payment_method_id": _optional_id("pm", self.payment_method_id),
            "pending_reason": self.pending_reason,
            "void_reason": self.void_reason,
            "failure_code": self.failure_code,
            "failure_message": self.failure_message,
            "fraud_score": self.fraud_score,
            "fraud_flags": list(self.fraud_flags),
            "settlement_currency": self.settlement_currency.code,
            "settlement_amount": self.settlement_amount,
            "fx_rate": None if self.fx_rate is None else f"{self.fx_rate:f}",
            "fx_quote_id": _optional_id("fxq", self.fx_quote_id),
            "description": self.description,
            "metadata": self.metadata,
            "expires_at": None if self.expires_at is None else rfc3339(self.expires_at),
            "created_at": rfc3339(self.created_at),
            "livemode": self.livemode,
        }


class RefundStatus(StrEnum):
    """What a refund is at."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Refund:
    """One row of `refunds`. `settlement_amount` and the fee are in the merchant's currency."""

    merchant_id: UUID
    id: UUID
    livemode: bool
    version: int
    transaction_id: UUID
    operation_id: UUID
    amount: int
    currency: Currency
    status: RefundStatus
    reason: str | None
    pending_reason: str | None
    failure_code: str | None
    failure_message: str | None
    processor_ref: str | None
    settlement_currency: Currency
    settlement_amount: int
    fee_returned_amount: int
    metadata: dict[str, str]
    created_at: datetime
    updated_at: datetime

    @property
    def sequence(self) -> int:
        """How many events there were about it: each change has one."""
        return self.version

    @property
    def refunding(self) -> Refunding:
        """The amounts that its postings take."""
        return Refunding(
            amount=Money(self.amount, self.currency),
            settled=Money(self.settlement_amount, self.settlement_currency),
            fee_returned=Money(self.fee_returned_amount, self.settlement_currency),
        )

    def as_json(self) -> dict[str, Any]:
        """The refund object of the API."""
        return {
            "id": typeid("re", self.id),
            "object": "refund",
            "payment_id": typeid("txn", self.transaction_id),
            "status": str(self.status),
            "amount": self.amount,
            "currency": self.currency.code,
            "reason": self.reason,
            "pending_reason": self.pending_reason,
            "failure_code": self.failure_code,
            "failure_message": self.failure_message,
            "settlement_currency": self.settlement_currency.code,
            "settlement_amount": self.settlement_amount,
            "fee_returned_amount": self.fee_returned_amount,
            "metadata": self.metadata,
            "created_at": rfc3339(self.created_at),
            "livemode": self.livemode,
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """What a merchant is told: `body` is JSON text, replayed byte for byte.

    One that is not `stored` under the request's key is never replayed: the table is the truth.
    """

    status: int
    body: str
    replayed: bool = False
    stored: bool = True


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What an idempotency key stands for so far; without an answer its operation is running."""

    fingerprint: bytes
    answer: Answer | None


def pending_reason(payment: Payment) -> str:
    """Why an operation is pending whose processor will tell later."""
    return PENDING_TRANSFER if payment.method_type == "bank_account" else PENDING_PROCESSOR


def to_json(value: Any) -> str:
    """JSON text as the API writes it: compact, UTF-8."""
    return _encode(value)


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _optional_id(prefix: str, uuid: UUID | None) -> str | None:
    return None if uuid is None else typeid(prefix, uuid)
