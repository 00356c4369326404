"""Payments in PostgreSQL: each unit of work is one statement and one round trip."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

import psycopg

from paywright.clock import Clock
from paywright.db import payment_rows as rows
from paywright.db.connection import Database, Row, Statement, with_retries
from paywright.db.sql import load
from paywright.errors import MerchantNotActive, OperationInProgress, ServiceUnavailable
from paywright.fees import FeePlan
from paywright.ids import typeid
from paywright.payments.models import (
    Caller,
    Payment,
    PaymentMethod,
    Refund,
    RequestContext,
    StoredKey,
)
from paywright.payments.ports import KeyTaken
from paywright.payments.writes import (
    Completion,
    DueExpiry,
    OperationIntent,
    PutOff,
    RefundRequest,
    StoredOperation,
    Wait,
)

_SQL = load(__file__)
_REFUNDS_FIT = "transactions_refunds"
"""The last guard: no more is refunded and disputed than was captured."""


class PostgresPayments:
    """The payment store on PostgreSQL; raises ServiceUnavailable when it is away."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def find_payment(self, merchant_id: UUID, livemode: bool, payment_id: UUID) -> Payment | None:
        """A payment of that merchant and mode."""
        row = self._database.one(
            _SQL["find_payment"],
            {"merchant_id": merchant_id, "livemode": livemode, "id": payment_id},
        )
        return None if row is None else rows.payment(row)

    def find_method(
        self, merchant_id: UUID, livemode: bool, method_id: UUID
    ) -> PaymentMethod | None:
        """A payment method of that merchant and mode."""
        row = self._database.one(
            _SQL["find_method"],
            {"merchant_id": merchant_id, "livemode": livemode, "id": method_id},
        )
        return None if row is None else PaymentMethod(**row)

    def stored_key(self, caller: Caller, key: str) -> StoredKey | None:
        """What an idempotency key stands for; expired keys stand for nothing."""
        row = self._database.one(
            _SQL["stored_key"],
            {
                "merchant_id": caller.merchant_id,
                "livemode": caller.livemode,
                "key": key,
                "now": self._clock.now(),
            },
        )
        return None if row is None else rows.stored_key(row)

    def find_refund(self, merchant_id: UUID, livemode: bool, refund_id: UUID) -> Refund | None:
        """A refund of that merchant and mode."""
        row = self._database.one(
            _SQL["find_refund"],
            {"merchant_id": merchant_id, "livemode": livemode, "id": refund_id},
        )
        return None if row is None else rows.refund(row)

    def begin_authorization(
        self, caller: Caller, payment: Payment, intent: OperationIntent, context: RequestContext
    ) -> None:
        """T1: payment, intent and key at once; raise KeyTaken or MerchantNotActive."""
        parameters = rows.begun(caller, payment, intent, context) | rows.new_payment(payment)
        with _partitions():
            row = with_retries(lambda: self._database.one(_SQL["begin_authorization"], parameters))
        self._require_admitted(row, caller, context)

    def begin_operation(
        self, caller: Caller, payment: Payment, intent: OperationIntent, context: RequestContext
    ) -> bool:
        """T1 on an existing payment; False when it changed since it was read."""
        parameters = rows.begun(caller, payment, intent, context) | {"now": self._clock.now()}
        try:
            row = with_retries(lambda: self._database.one(_SQL["begin_operation"], parameters))
        except psycopg.errors.UniqueViolation as error:
            raise OperationInProgress(
                payment_id=typeid("txn", payment.id), retry_after_s=1
            ) from error
        return self._is_admitted(row, caller, context)

    def begin_by_itself(self, payment: Payment, intent: OperationIntent) -> bool:
        """T1 of what nobody asked for; False when the payment changed or another is undecided."""
        parameters = rows.intended(payment, intent) | {"now": self._clock.now()}
        try:
            row = with_retries(lambda: self._database.one(_SQL["begin_by_itself"], parameters))
            return row is not None
        except psycopg.errors.UniqueViolation:
            return False

    def begin_refund(self, caller: Caller, request: RefundRequest, context: RequestContext) -> bool:
        """T1 of a refund, SERIALIZABLE; False when the payment changed since it was read."""
        parameters = (
            rows.begun(caller, request.before, request.intent, context)
            | rows.new_refund(request)
            | rows.recorded(request.after, request.record)
        )
        statement = Statement(_SQL["begin_refund"], parameters)
        try:
            with _partitions():
                found = self._database.serializable(statement)
        except psycopg.errors.SerializationFailure:
            return False  # another refund was first: what was computed is out of date
        except psycopg.errors.CheckViolation as error:
            if error.diag.constraint_name != _REFUNDS_FIT:
                raise
            return False
        return self._is_admitted(found[0], caller, context)

    def complete(self, completion: Completion) -> bool:
        """T2, SERIALIZABLE, tried again on conflicts; False when there was nothing to complete."""
        statement = Statement(_SQL["complete"], rows.completed(completion))
        try:
            with _partitions():
                return bool(with_retries(lambda: self._database.serializable(statement)))
        except psycopg.errors.TransactionRollback as error:
            raise ServiceUnavailable from error  # too many at once, for seconds

    def wait(self, payment: Payment, wait: Wait) -> bool:
        """Store that an outcome is open; False when it was decided meanwhile."""
        parameters = rows.waited(payment, wait) | {"now": self._clock.now()}
        return with_retries(lambda: self._database.one(_SQL["wait"], parameters)) is not None

    def find_operation(self, operation_id: UUID) -> StoredOperation | None:
        """An operation by its id alone, which is all that a processor knows of it."""
        row = self._database.one(_SQL["find_operation"], {"operation_id": operation_id})
        return None if row is None else rows.operation(row)

    def fee_plans(self, merchant_id: UUID) -> tuple[FeePlan, ...]:
        """What the merchant pays."""
        row = self._database.one(_SQL["fee_plans"], {"merchant_id": merchant_id})
        return rows.fee_plans(row["fee_plans"]) if row is not None else ()

    def due_operations(self, now: datetime, limit: int) -> list[StoredOperation]:
        """Undecided operations that recovery should look at, the longest due first."""
        found = self._database.all(_SQL["due_operations"], {"now": now, "limit": limit})
        return [rows.operation(row) for row in found]

    def due_expiries(self, now: datetime, limit: int) -> list[DueExpiry]:
        """Holds whose time is over, the longest due first."""
        found = self._database.all(_SQL["due_expiries"], {"now": now, "limit": limit})
        return [DueExpiry(**row) for row in found]

    def postpone(self, operation: StoredOperation, put_off: PutOff) -> None:
        """Look at an undecided operation again later, or leave it to a person."""
        self._database.run(
            _SQL["postpone"],
            {
                "merchant_id": operation.merchant_id,
                "operation_id": operation.operation_id,
                "due_at": put_off.due_at,
                "reversed_at": put_off.reversed_at,
                "needs_person": put_off.needs_person,
            },
        )

    def postpone_expiry(self, due: DueExpiry, until: datetime) -> None:
        """Look at a hold that ran out again later."""
        self._database.run(
            _SQL["postpone_expiry"],
            {
                "merchant_id": due.merchant_id,
                "transaction_id": due.transaction_id,
                "until": until,
            },
        )

    def _is_admitted(self, row: Row | None, caller: Caller, context: RequestContext) -> bool:
        if row is not None and row["active"] and not row["unchanged"]:
            return False
        self._require_admitted(row, caller, context)
        return True

    def _require_admitted(self, row: Row | None, caller: Caller, context: RequestContext) -> None:
        assert row is not None
        if not row["active"]:
            raise MerchantNotActive
        if row["admitted"]:
            return
        assert context.idempotency_key is not None, "only a key can keep a request out"
        stored = self.stored_key(caller, context.idempotency_key)
        # Gone again: its operation was declined just now, and the next try may have the key.
        raise KeyTaken(stored or StoredKey(context.fingerprint, None))


@contextmanager
def _partitions() -> Iterator[None]:
    """Turn "no partition of relation found for row" into what it means for the caller."""
    try:
        yield
    except psycopg.errors.CheckViolation as error:
        if error.diag.constraint_name:
            raise
        # Housekeeping did not make this month's.
        raise ServiceUnavailable from error
