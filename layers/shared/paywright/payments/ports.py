"""What the payment services need of the world outside, as protocols."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

from paywright.fees import FeePlan
from paywright.fraud.rules import Assessment
from paywright.fx.quote import Quote
from paywright.fx.rates import Rate
from paywright.money import Currency, Money
from paywright.payments.models import (
    Caller,
    Payment,
    PaymentMethod,
    Refund,
    RequestContext,
    StoredKey,
)
from paywright.payments.writes import (
    Completion,
    DueExpiry,
    OperationIntent,
    PutOff,
    RefundRequest,
    StoredOperation,
    Wait,
)


class KeyTaken(Exception):
    """The idempotency key came before; `stored` tells what for."""

    def __init__(self, stored: StoredKey) -> None:
        super().__init__("the idempotency key came before")
        self.stored = stored


class MethodSource(Protocol):
    """What can be paid with."""

    def find_method(
        self, merchant_id: UUID, livemode: bool, method_id: UUID
    ) -> PaymentMethod | None:
        """A payment method of that merchant and mode."""
        ...


class PaymentStore(MethodSource, Protocol):
    """Payments in the database; each method is one unit of work."""

    def find_payment(self, merchant_id: UUID, livemode: bool, payment_id: UUID) -> Payment | None:
        """A payment of that merchant and mode."""
        ...

    def begin_authorization(
        self, caller: Caller, payment: Payment, intent: OperationIntent, context: RequestContext
    ) -> None:
        """T1: payment, intent and key at once; raise KeyTaken or MerchantNotActive."""
        ...

    def begin_operation(
        self, caller: Caller, payment: Payment, intent: OperationIntent, context: RequestContext
    ) -> bool:
        """T1 on an existing payment; False when it changed since it was read.

        Raise KeyTaken, MerchantNotActive, or OperationInProgress where another is undecided.
        """
        ...

    def begin_by_itself(self, payment: Payment, intent: OperationIntent) -> bool:
        """T1 of what nobody asked for; False when the payment changed or another is undecided."""
        ...

    def begin_refund(self, caller: Caller, request: RefundRequest, context: RequestContext) -> bool:
        """T1 of a refund, SERIALIZABLE; False when the payment changed since it was read.

        Raise KeyTaken or MerchantNotActive.
        """
        ...

    def complete(self, completion: Completion) -> bool:
        """T2, SERIALIZABLE; False when the operation was decided or the payment changed."""
        ...

    def wait(self, payment: Payment, wait: Wait) -> bool:
        """Store that an outcome is open; False when it was decided meanwhile."""
        ...

    def find_refund(self, merchant_id: UUID, livemode: bool, refund_id: UUID) -> Refund | None:
        """A refund of that merchant and mode."""
        ...

    def find_operation(self, operation_id: UUID) -> StoredOperation | None:
        """An operation by its id alone, which is all that a processor knows of it."""
        ...

    def fee_plans(self, merchant_id: UUID) -> tuple[FeePlan, ...]:
        """What the merchant pays."""
        ...

    def due_expiries(self, now: datetime, limit: int) -> list[DueExpiry]:
        """Holds whose time is over, the longest due first."""
        ...

    def stored_key(self, caller: Caller, key: str) -> StoredKey | None:
        """What an idempotency key stands for."""
        ...

    def due_operations(self, now: datetime, limit: int) -> list[StoredOperation]:
        """Undecided operations that recovery should look at."""
        ...

    def postpone(self, operation: StoredOperation, put_off: PutOff) -> None:
        """Look at an undecided operation again later."""
        ...

    def postpone_expiry(self, due: DueExpiry, until: datetime) -> None:
        """Look at a hold that ran out again later."""
        ...


class Trouble(Protocol):
    """Tells people what went wrong with something that nobody is waiting for an answer to."""

    def __call__(self, what: str, subject: UUID, error: Exception | None = None) -> None:
        """Say it; `subject` is the operation or the payment."""
        ...


class FraudScorer(Protocol):
    """Scores a payment before it is authorized."""

    def assess(
        self, caller: Caller, method: PaymentMethod, amount: Money, now: datetime
    ) -> Assessment:
        """The score and its reasons; 50 with a flag when scoring is not possible in time."""
        ...


class RateSource(Protocol):
    """Exchange rates."""

    def rate(self, base: Currency, quote: Currency) -> Rate:
        """Units of `quote` for one of `base`; raise FxRateUnavailable."""
        ...


class QuoteStore(Protocol):
    """Rates that were locked for merchants."""

    def find_quote(self, merchant_id: UUID, livemode: bool, quote_id: UUID) -> Quote | None:
        """A quote of that merchant and mode."""
        ...
