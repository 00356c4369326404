"""Payments in PostgreSQL: each unit of work is one statement and one round trip."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from paywright.clock import Clock
from paywright.db.connection import Database, Row, Statement, with_retries
from paywright.db.sql import load
from paywright.errors import MerchantNotActive, OperationInProgress, ServiceUnavailable
from paywright.fees import FeePlan
from paywright.ids import typeid
from paywright.money import Currency
from paywright.payments.models import (
    PENDING_UNKNOWN,
    Answer,
    Caller,
    Completion,
    OperationIntent,
    Payment,
    PaymentMethod,
    PendingOperation,
    RequestContext,
    StoredKey,
    to_json,
)
from paywright.payments.ports import KeyTaken
from paywright.payments.states import CaptureMethod, Operation, Status

_SQL = load(__file__)


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
        return None if row is None else _payment(row)

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
        return None if row is None else stored_key_of(row)

    def begin_authorization(
        self, caller: Caller, payment: Payment, intent: OperationIntent, context: RequestContext
    ) -> None:
        """T1: payment, intent and key at once; raise KeyTaken or MerchantNotActive."""
        parameters = _intent_parameters(caller, payment, intent, context) | {
            "customer_id": payment.customer_id,
            "payment_method_id": payment.payment_method_id,
            "capture_method": str(payment.capture_method),
            "fraud_score": payment.fraud_score,
            "fraud_flags": to_json(payment.fraud_flags),
            "settlement_currency": payment.settlement_currency.code,
            "description": payment.description,
            "metadata": to_json(payment.metadata),
            "now": payment.created_at,
        }
        try:
            row = self._database.one(_SQL["begin_authorization"], parameters)
        except psycopg.errors.CheckViolation as error:
            if error.diag.constraint_name:
                raise
            # "no partition of relation found for row": housekeeping did not make this month's.
            raise ServiceUnavailable from error
        self._require_admitted(row, caller, context)

    def begin_capture(
        self, caller: Caller, payment: Payment, intent: OperationIntent, context: RequestContext
    ) -> bool:
        """T1 on an existing payment; False when it changed since it was read."""
        parameters = _intent_parameters(caller, payment, intent, context) | {
            "version": payment.version,
            "final": intent.final,
            "now": self._clock.now(),
        }
        try:
            row = self._database.one(_SQL["begin_capture"], parameters)
        except psycopg.errors.UniqueViolation as error:
            raise OperationInProgress(
                payment_id=typeid("txn", payment.id), retry_after_s=1
            ) from error
        if row is not None and row["active"] and not row["unchanged"]:
            return False
        self._require_admitted(row, caller, context)
        return True

    def complete(self, completion: Completion) -> bool:
        """T2, SERIALIZABLE, tried again on conflicts; False when there was nothing to complete."""
        statement = Statement(_SQL["complete"], _completion_parameters(completion))
        return bool(with_retries(lambda: self._database.serializable(statement)))

    def answer_pending(
        self, payment: Payment, operation_id: UUID, context: RequestContext, answer: Answer
    ) -> bool:
        """Store that the outcome is unknown; False when it was decided meanwhile."""
        row = self._database.one(
            _SQL["answer_pending"],
            {
                "merchant_id": payment.merchant_id,
                "livemode": payment.livemode,
                "transaction_id": payment.id,
                "operation_id": operation_id,
                "pending_reason": PENDING_UNKNOWN,
                "key": context.idempotency_key,
                "response_status": answer.status,
                "response_body": answer.body,
                "now": self._clock.now(),
            },
        )
        return row is not None

    def due_operations(self, now: datetime, limit: int) -> list[PendingOperation]:
        """Undecided operations that recovery should look at, the longest due first."""
        rows = self._database.all(_SQL["due_operations"], {"now": now, "limit": limit})
        return [
            PendingOperation(
                **row
                | {
                    "kind": Operation(row["kind"]),
                    "fee_plans": tuple(FeePlan(**plan) for plan in row["fee_plans"]),
                }
            )
            for row in rows
        ]

    def postpone(
        self,
        operation: PendingOperation,
        *,
        due_at: datetime,
        reversed_at: datetime | None,
        needs_person: bool,
    ) -> None:
        """Look at an undecided operation again later, or leave it to a person."""
        self._database.run(
            _SQL["postpone"],
            {
                "merchant_id": operation.merchant_id,
                "operation_id": operation.operation_id,
                "due_at": due_at,
                "reversed_at": reversed_at,
                "needs_person": needs_person,
            },
        )

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


def stored_key_of(row: Row) -> StoredKey:
    """A row of `idempotency_keys` as the services know it."""
    body = row["response_body"]
    answer = None if body is None else Answer(row["response_status"], body)
    return StoredKey(bytes(row["fingerprint"]), answer)


def _payment(row: Row) -> Payment:
    fields = {name: row[name] for name in Payment.__dataclass_fields__}
    return Payment(
        **fields
        | {
            "currency": Currency.of(row["currency"]),
            "settlement_currency": Currency.of(row["settlement_currency"]),
            "capture_method": CaptureMethod(row["capture_method"]),
            "status": Status(row["status"]),
            "fraud_flags": tuple(row["fraud_flags"]),
        }
    )


def _intent_parameters(
    caller: Caller, payment: Payment, intent: OperationIntent, context: RequestContext
) -> dict[str, Any]:
    return {
        "merchant_id": caller.merchant_id,
        "api_key_id": caller.api_key_id,
        "livemode": caller.livemode,
        "transaction_id": payment.id,
        "operation_id": intent.id,
        "amount": intent.amount.amount,
        "currency": intent.amount.currency.code,
        "processor": payment.processor,
        "due_at": intent.due_at,
        "key": context.idempotency_key,
        "fingerprint": context.fingerprint,
        "trace_id": context.trace_id,
    }


def _completion_parameters(done: Completion) -> dict[str, Any]:
    after, answer = done.after, done.answer
    return {
        "merchant_id": after.merchant_id,
        "livemode": after.livemode,
        "transaction_id": after.id,
        "version": done.before.version,
        "status": str(after.status),
        "captured_amount": after.captured_amount,
        "failure_code": after.failure_code,
        "failure_message": after.failure_message,
        "processor_ref": after.processor_ref,
        "settlement_amount": after.settlement_amount,
        "fx_rate": after.fx_rate,
        "fx_rate_source": after.fx_rate_source,
        "fx_rate_at": after.fx_rate_at,
        "expires_at": after.expires_at,
        "now": after.updated_at,
        "operation_id": done.operation_id,
        "kind": str(done.operation_kind),
        "state": "succeeded" if done.succeeded else "failed",
        "operation_failure": done.failure_code,
        "operation_ref": done.processor_ref,
        "entry_ids": list(done.entry_ids),
        "sides": [entry.side for entry in done.journal],
        "account_types": [entry.account_type for entry in done.journal],
        "processors": [entry.processor for entry in done.journal],
        "amounts": [entry.money.amount for entry in done.journal],
        "currencies": [entry.money.currency.code for entry in done.journal],
        "audit_id": done.audit_id,
        "audit_action": done.audit_action,
        "actor_type": "system" if done.actor is None else "api_key",
        "actor_id": done.actor,
        "changes": to_json(_changes(done)),
        "ip_address": done.ip_address,
        "user_agent": done.user_agent,
        "trace_id": done.trace_id,
        "event_id": done.event.id,
        "event_type": done.event.type,
        "event_payload": done.event.payload,
        "key": done.idempotency_key,
        "response_status": answer.status if answer else None,
        "response_body": answer.body if answer else None,
        "release_key": done.release_key,
        "key_expires_at": done.key_expires_at,
    }


def _changes(done: Completion) -> dict[str, list[Any]]:
    before, after = done.before.as_json(), done.after.as_json()
    return {name: [before[name], after[name]] for name in after if before[name] != after[name]}
