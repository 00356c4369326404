"""Payments as rows: what a statement's parameters are, and what a row makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from paywright.db.connection import Row
from paywright.fees import FeePlan
from paywright.fx.rates import Rate
from paywright.money import Currency
from paywright.payments.models import (
    Answer,
    Caller,
    Payment,
    Refund,
    RefundStatus,
    RequestContext,
    StoredKey,
    to_json,
)
from paywright.payments.states import CaptureMethod, Operation, Status
from paywright.payments.writes import (
    Completion,
    OperationIntent,
    Record,
    RefundRequest,
    StoredOperation,
    Wait,
)

Parameters = dict[str, Any]


def payment(row: Row) -> Payment:
    """A row of `transactions`."""
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


def refund(row: Row) -> Refund:
    """A row of `refunds`."""
    fields = {name: row[name] for name in Refund.__dataclass_fields__}
    return Refund(
        **fields
        | {
            "currency": Currency.of(row["currency"]),
            "settlement_currency": Currency.of(row["settlement_currency"]),
            "status": RefundStatus(row["status"]),
        }
    )


def operation(row: Row) -> StoredOperation:
    """A row of `payment_operations`, with what is pending of it."""
    fields = {name: row[name] for name in StoredOperation.__dataclass_fields__ if name != "rate"}
    rate = row["fx_rate"]
    return StoredOperation(
        **fields
        | {
            "kind": Operation(row["kind"]),
            "fee_plans": fee_plans(row["fee_plans"]),
            "rate": None if rate is None else Rate(rate, row["fx_rate_source"], row["fx_rate_at"]),
        }
    )


def fee_plans(plans: Iterable[Mapping[str, Any]]) -> tuple[FeePlan, ...]:
    """The plans of a merchant."""
    return tuple(FeePlan(**plan) for plan in plans)


def stored_key(row: Row) -> StoredKey:
    """A row of `idempotency_keys` as the services know it."""
    body = row["response_body"]
    answer = None if body is None else Answer(row["response_status"], body)
    return StoredKey(bytes(row["fingerprint"]), answer)


def intended(of: Payment, intent: OperationIntent) -> Parameters:
    """An intent that no request asked for."""
    return {
        "merchant_id": of.merchant_id,
        "livemode": of.livemode,
        "transaction_id": of.id,
        "version": of.version,
        "operation_id": intent.id,
        "kind": str(intent.kind),
        "amount": intent.amount.amount,
        "currency": intent.amount.currency.code,
        "final": intent.final,
        "refund_id": intent.refund_id,
        "return_code": intent.return_code,
        "asked_rate": intent.rate and intent.rate.value,
        "asked_rate_source": intent.rate and intent.rate.source,
        "asked_rate_at": intent.rate and intent.rate.at,
        "processor": of.processor,
        "due_at": intent.due_at,
        "key": None,
        "api_key_id": None,
        "trace_id": None,
    }


def begun(
    caller: Caller, of: Payment, intent: OperationIntent, context: RequestContext
) -> Parameters:
    """An intent with the request that it comes from."""
    return intended(of, intent) | {
        "api_key_id": caller.api_key_id,
        "key": context.idempotency_key,
        "fingerprint": context.fingerprint,
        "trace_id": context.trace_id,
    }


def new_payment(made: Payment) -> Parameters:
    """What only a new payment has."""
    return {
        "customer_id": made.customer_id,
        "payment_method_id": made.payment_method_id,
        "method_type": made.method_type,
        "off_session": made.off_session,
        "capture_method": str(made.capture_method),
        "fraud_score": made.fraud_score,
        "fraud_flags": to_json(made.fraud_flags),
        "settlement_currency": made.settlement_currency.code,
        "fx_rate": made.fx_rate,
        "fx_rate_source": made.fx_rate_source,
        "fx_rate_at": made.fx_rate_at,
        "fx_quote_id": made.fx_quote_id,
        "fx_spread_bps": made.fx_spread_bps,
        "description": made.description,
        "metadata": to_json(made.metadata),
        "now": made.created_at,
    }


def new_refund(request: RefundRequest) -> Parameters:
    """What only a new refund has, and what its payment has with it."""
    made, after = request.refund, request.after
    return {
        "pending_refund_amount": after.pending_refund_amount,
        "settlement_refunded_amount": after.settlement_refunded_amount,
        "fee_returned_amount": after.fee_returned_amount,
        "reason": made.reason,
        "settlement_currency": made.settlement_currency.code,
        "refund_settlement_amount": made.settlement_amount,
        "refund_fee_returned_amount": made.fee_returned_amount,
        "metadata": to_json(made.metadata),
    }


def waited(of: Payment, wait: Wait) -> Parameters:
    """What is written while an outcome is open."""
    return {
        "merchant_id": of.merchant_id,
        "livemode": of.livemode,
        "transaction_id": of.id,
        "operation_id": wait.operation_id,
        "refund_id": wait.refund_id,
        "pending_reason": wait.reason,
        "due_at": wait.due_at,
        "key": wait.key,
        "response_status": None if wait.answer is None else wait.answer.status,
        "response_body": None if wait.answer is None else wait.answer.body,
    }


def recorded(after: Payment, record: Record) -> Parameters:
    """What is written beside every change."""
    origin, (event, *more) = record.origin, record.events
    assert len(more) <= 1, "the statement writes two events at most"
    second = more[0] if more else None
    return {
        "now": after.updated_at,
        "journal_id": record.journal_id,
        "journal_kind": record.journal_kind,
        "entry_ids": list(record.entry_ids),
        "sides": [entry.side for entry in record.journal],
        "account_types": [entry.account_type for entry in record.journal],
        "processors": [entry.processor for entry in record.journal],
        "amounts": [entry.money.amount for entry in record.journal],
        "currencies": [entry.money.currency.code for entry in record.journal],
        "audit_id": record.audit_id,
        "audit_action": record.audit_action,
        "actor_type": "system" if origin.actor is None else "api_key",
        "actor_id": origin.actor,
        "changes": record.changes,
        "ip_address": origin.ip_address,
        "user_agent": origin.user_agent,
        "trace_id": origin.trace_id,
        "event_id": event.id,
        "event_type": event.type,
        "event_object_id": event.object_id,
        "event_sequence": event.sequence,
        "event_payload": event.payload,
        "second_event_id": second and second.id,
        "second_event_type": second and second.type,
        "second_event_sequence": second and second.sequence,
        "second_event_payload": second and second.payload,
    }


def completed(done: Completion) -> Parameters:
    """All that T2 writes."""
    before, after, answer, made = done.before, done.after, done.answer, done.refund
    return recorded(after, done.record) | {
        "merchant_id": after.merchant_id,
        "livemode": after.livemode,
        "transaction_id": after.id,
        "version": before.version,
        "sequence": after.sequence,
        "status": str(after.status),
        "void_reason": after.void_reason,
        "captured_amount": after.captured_amount,
        "refunded_amount": after.refunded_amount,
        "pending_refund_amount": after.pending_refund_amount,
        "failure_code": after.failure_code,
        "failure_message": after.failure_message,
        "processor_ref": after.processor_ref,
        "settlement_amount": after.settlement_amount,
        "settlement_refunded_amount": after.settlement_refunded_amount,
        "fee_share_amount": after.fee_share_amount,
        "fee_returned_amount": after.fee_returned_amount,
        "fx_rate": after.fx_rate,
        "fx_rate_source": after.fx_rate_source,
        "fx_rate_at": after.fx_rate_at,
        "expires_at": after.expires_at,
        "expired_at": before.expires_at,
        "operation_id": done.operation_id,
        "state": "succeeded" if done.succeeded else "failed",
        "operation_failure": done.failure_code,
        "operation_ref": done.processor_ref,
        "operation_fee_share": after.fee_share_amount - before.fee_share_amount
        if done.succeeded
        else None,
        "refund_id": None if made is None else made.id,
        "refund_status": None if made is None else str(made.status),
        "refund_failure_code": None if made is None else made.failure_code,
        "refund_failure_message": None if made is None else made.failure_message,
        "refund_processor_ref": None if made is None else made.processor_ref,
        "key": done.record.origin.idempotency_key,
        "response_status": answer.status if answer else None,
        "response_body": answer.body if answer else None,
        "release_key": done.release_key,
        "key_expires_at": done.key_expires_at,
    }
