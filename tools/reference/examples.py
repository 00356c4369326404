"""An example of each object that the API returns."""

from __future__ import annotations

from typing import Final

from paywright.events.objects import Payment, Refund
from paywright.payments.models import RefundStatus
from paywright.payments.states import CaptureMethod, Status
from tools.reference.objects import (
    Balance,
    Customer,
    FxQuote,
    LedgerEntry,
    LedgerEntryList,
    Merchant,
    PaymentList,
    PaymentMethod,
    RefundedPayment,
    RefundList,
)

PAYMENT: Final[Payment] = {
    "id": "txn_01kaqd1e8pe5b9n2w4tq7c3m0x",
    "object": "payment",
    "status": Status.CAPTURED,
    "amount": 5000,
    "currency": "usd",
    "captured_amount": 5000,
    "refunded_amount": 0,
    "pending_refund_amount": 0,
    "capture_method": CaptureMethod.AUTOMATIC,
    "customer_id": "cus_01kaqcz4v2ffk8h6s1r9y5d7ja",
    "payment_method_id": "pm_01kaqd0a3he8t9x5m2w7n4b6qc",
    "pending_reason": None,
    "void_reason": None,
    "failure_code": None,
    "failure_message": None,
    "fraud_score": 5,
    "fraud_flags": [],
    "settlement_currency": "usd",
    "settlement_amount": 5000,
    "fx_rate": None,
    "fx_quote_id": None,
    "description": "Order 1001",
    "metadata": {"order": "1001"},
    "expires_at": None,
    "created_at": "2026-11-22T20:15:04.118Z",
    "livemode": False,
}

REFUND: Final[Refund] = {
    "id": "re_01kaqd5m0we8rr4k7y2c9v6h1z",
    "object": "refund",
    "payment_id": PAYMENT["id"],
    "status": RefundStatus.SUCCEEDED,
    "amount": 2500,
    "currency": "usd",
    "reason": "requested_by_customer",
    "pending_reason": None,
    "failure_code": None,
    "failure_message": None,
    "settlement_currency": "usd",
    "settlement_amount": 2500,
    "fee_returned_amount": 0,
    "metadata": {},
    "created_at": "2026-11-23T09:12:44.902Z",
    "livemode": False,
}

REFUNDED_PAYMENT: Final[RefundedPayment] = {
    **PAYMENT,
    "refunded_amount": 2500,
    "refund": REFUND,
}

REFUNDS: Final[RefundList] = {
    "object": "list",
    "url": f"/v1/payments/{PAYMENT['id']}/refunds",
    "has_more": False,
    "next_cursor": None,
    "data": [REFUND],
}

PAYMENTS: Final[PaymentList] = {
    "object": "list",
    "url": "/v1/payments",
    "has_more": True,
    "next_cursor": PAYMENT["id"],
    "data": [PAYMENT],
}

BALANCE: Final[Balance] = {
    "object": "balance",
    "as_of": None,
    "balances": [
        {
            "currency": "usd",
            "available": 481_250,
            "pending": 15_000,
            "reserved": 0,
            "disputed": 0,
            "refunding": 1_999,
            "paying_out": 0,
        }
    ],
    "livemode": False,
}

LEDGER_ENTRY: Final[LedgerEntry] = {
    "id": "le_01kaqd1ebbf1zr3k6v8d2h5t4w",
    "object": "ledger_entry",
    "journal_id": "jrn_01kaqd1e8qe5b9n2w4tq7c3m0x",
    "payment_id": PAYMENT["id"],
    "kind": "authorize",
    "account_type": "merchant_balance",
    "side": "credit",
    "amount": 4_855,
    "currency": "usd",
    "sequence": 103,
    "balance_after": 481_250,
    "sequenced_at": "2026-11-22T20:15:05.002Z",
    "created_at": "2026-11-22T20:15:04.171Z",
    "livemode": False,
}

LEDGER_ENTRIES: Final[LedgerEntryList] = {
    "object": "list",
    "url": "/v1/ledger/entries",
    "has_more": False,
    "next_cursor": None,
    "data": [LEDGER_ENTRY],
}

CUSTOMER: Final[Customer] = {
    "id": "cus_01kaqcz4v2ffk8h6s1r9y5d7ja",
    "object": "customer",
    "external_id": "user-42",
    "name": "Ada Lovelace",
    "email": "ada@example.com",
    "metadata": {},
    "created_at": "2026-11-22T20:13:49.282Z",
    "livemode": False,
}

PAYMENT_METHOD: Final[PaymentMethod] = {
    "id": "pm_01kaqd0a3he8t9x5m2w7n4b6qc",
    "object": "payment_method",
    "type": "card",
    "customer_id": "cus_01kaqcz4v2ffk8h6s1r9y5d7ja",
    "card": {"brand": "visa", "last_four": "4242", "exp_month": 12, "exp_year": 2034},
    "is_default": True,
    "created_at": "2026-11-22T20:14:27.569Z",
    "livemode": False,
}

MERCHANT: Final[Merchant] = {
    "id": "mer_01kaqcs7p9f1zr3k6v8d2h5t4w",
    "object": "merchant",
    "name": "Analytical Engines",
    "email": "shop@example.com",
    "settlement_currency": "usd",
    "fx_spread_bps": 0,
    "status": "active",
    "webhook_url": "https://shop.example.com/webhooks",
    "notifications": {
        "email": None,
        "endpoint_disabled": True,
        "dispute_opened": True,
        "settlement_ready": True,
        "api_key_created": True,
    },
    "created_at": "2026-11-22T20:10:36.745Z",
    "livemode": False,
}

FX_QUOTE: Final[FxQuote] = {
    "id": "fxq_01kaqd5m2hf3k9s7w1r4t6b8yz",
    "object": "fx_quote",
    "from_currency": "jpy",
    "to_currency": "usd",
    "rate": "0.00635928961749",
    "rate_source": "ecb",
    "rate_at": "2026-10-30T00:00:00.000Z",
    "spread_bps": 50,
    "expires_at": "2026-11-22T20:32:19.541Z",
    "created_at": "2026-11-22T20:17:19.541Z",
    "livemode": False,
}
