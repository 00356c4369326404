"""What the payment services need of the world outside, as protocols."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

from paywright.fraud.rules import Assessment
from paywright.fx.rates import Rate
from paywright.money import Currency
from paywright.payments.models import (
    Answer,
    Caller,
    Completion,
    OperationIntent,
    Payment,
    PaymentMethod,
    PendingOperation,
    RequestContext,
    StoredKey,
)


class KeyTaken(Exception):
    """The idempotency key came before; `stored` tells what for."""

    def __init__(self, stored: StoredKey) -> None:
        super().__init__("the idempotency key came before")
        self.stored = stored


class PaymentStore(Protocol):
    """Payments in the database; each method is one unit of work."""

    def find_payment(self, merchant_id: UUID, livemode: bool, payment_id: UUID) -> Payment | None:
        """A payment of that merchant and mode."""
        ...

    def find_method(
        self, merchant_id: UUID, livemode: bool, method_id: UUID
    ) -> PaymentMethod | None:
        """A payment method of that merchant and mode."""
        ...

    def begin_authorization(
        self, caller: Caller, payment: Payment, intent: OperationIntent, context: RequestContext
    ) -> None:
        """T1: payment, intent and key at once; raise KeyTaken or MerchantNotActive."""
        ...

    def begin_capture(
        self, caller: Caller, payment: Payment, intent: OperationIntent, context: RequestContext
    ) -> bool:
        """T1 on an existing payment; False when it changed since it was read.

        Raise KeyTaken, MerchantNotActive, or OperationInProgress where another is undecided.
        """
        ...

    def complete(self, completion: Completion) -> bool:
        """T2, SERIALIZABLE; False when the operation was decided or the payment changed."""
        ...

    def answer_pending(
        self, payment: Payment, operation_id: UUID, context: RequestContext, answer: Answer
    ) -> bool:
        """Store that the outcome is unknown; False when it was decided meanwhile."""
        ...

    def stored_key(self, caller: Caller, key: str) -> StoredKey | None:
        """What an idempotency key stands for."""
        ...

    def due_operations(self, now: datetime, limit: int) -> list[PendingOperation]:
        """Undecided operations that recovery should look at."""
        ...

    def postpone(
        self,
        operation: PendingOperation,
        *,
        due_at: datetime,
        reversed_at: datetime | None,
        needs_person: bool,
    ) -> None:
        """Look at an undecided operation again later."""
        ...


class FraudScorer(Protocol):
    """Scores a payment before it is authorized."""

    def assess(self, caller: Caller, method: PaymentMethod, payment: Payment) -> Assessment:
        """The score and its reasons; 50 with a flag when scoring is not possible in time."""
        ...


class RateSource(Protocol):
    """Exchange rates."""

    def rate(self, base: Currency, quote: Currency) -> Rate:
        """Units of `quote` for one of `base`; raise FxRateUnavailable."""
        ...
