"""What is to be said of each route beyond its models: what it returns, and what it can refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from paywright import errors
from paywright.events.catalogue import Event
from paywright.money import MAX_AMOUNT_MINOR
from paywright.payments.states import Status
from tests.api import load_function
from tools.reference import (
    events,
    examples,
    objects,
    queries,
    webhook_deliveries,
    webhook_operations,
)
from tools.reference.operation import Body, Operation, Schema

_MONEY = (
    errors.AmountOutOfRange,
    errors.CardDeclined,
    errors.PaymentMethodDeclined,
    errors.ProcessorUnavailable,
    errors.FxRateUnavailable,
)


_authorize = load_function("authorize")
_capture = load_function("capture")
_refund = load_function("refund")
_merchant = load_function("merchant")

_AMOUNT: Final[Schema] = {
    "minimum": 1,
    "maximum": MAX_AMOUNT_MINOR,
    "description": "In the currency's minor unit: 1099 is $10.99, but ¥1099.",
}
_CURRENCY: Final[Schema] = {
    "pattern": "^[A-Za-z]{3}$",
    "description": "ISO 4217, in any case.",
}
_METADATA: Final[Schema] = {
    "maxProperties": 50,
    "description": "The merchant's own, kept as it is.",
}

OPERATIONS: Final[Mapping[str, Operation]] = {
    "POST /v1/payments": Operation(
        _authorize.create_payment,
        201,
        objects.Payment,
        examples.PAYMENT,
        (
            errors.IdempotencyKeyMissing,
            errors.UnknownCurrency,
            errors.FxQuoteExpired,
            errors.FxQuoteMismatch,
            *_MONEY,
        ),
        Body(
            _authorize.CreatePayment,
            {
                "sale": {
                    "amount": 5000,
                    "currency": "usd",
                    "payment_method_id": examples.PAYMENT_METHOD["id"],
                    "description": "Order 1001",
                    "metadata": {"order": "1001"},
                },
                "hold": {
                    "amount": 150_000,
                    "currency": "JPY",
                    "payment_method_id": examples.PAYMENT_METHOD["id"],
                    "customer_id": examples.CUSTOMER["id"],
                    "capture": False,
                },
            },
            key_required=True,
            limits={
                "amount": _AMOUNT,
                "currency": _CURRENCY,
                "payment_method_id": {"pattern": objects.id_pattern("pm")},
                "customer_id": {
                    "pattern": objects.id_pattern("cus"),
                    "description": "Must be the payment method's owner.",
                },
                "fx_quote_id": {
                    "description": "A quote from `currency` into the settlement currency that has "
                    "not expired: its rate holds for every capture of this payment."
                },
                "capture": {"description": "False holds the amount until it is captured."},
                "capture_method": {
                    "description": "Says the same as `capture`; `manual_multiple` lets the hold be "
                    "captured in parts."
                },
                "off_session": {
                    "description": "The customer is not there: a hold may last less long."
                },
                "metadata": _METADATA,
            },
        ),
    ),
    "POST /v1/payments/{id}/capture": Operation(
        _capture.capture_payment,
        200,
        objects.Payment,
        examples.PAYMENT | {"capture_method": "manual"},
        (
            errors.NotFound,
            errors.PaymentNotCapturable,
            errors.AuthorizationExpired,
            errors.OperationInProgress,
            errors.CaptureExceedsAuthorization,
            *_MONEY,
        ),
        Body(
            _capture.CapturePayment,
            {"everything": {}, "a part": {"amount": 3000}},
            required=False,
            limits={
                "amount": _AMOUNT
                | {"description": "At most what is still held, which is also the default."},
                "final": {
                    "description": "Releases what is left of the hold. Only a payment with "
                    "`manual_multiple` keeps it otherwise; every other refuses `false`."
                },
            },
        ),
        "txn",
    ),
    "POST /v1/payments/{id}/void": Operation(
        _capture.void_payment,
        200,
        objects.Payment,
        examples.PAYMENT
        | {
            "status": Status.VOIDED,
            "capture_method": "manual",
            "captured_amount": 0,
            "settlement_amount": None,
            "void_reason": "requested",
        },
        (
            errors.NotFound,
            errors.PaymentNotVoidable,
            errors.OperationInProgress,
            errors.CardDeclined,
            errors.ProcessorUnavailable,
        ),
        Body(_capture.VoidPayment, {"all that is held": {}}, required=False),
        "txn",
    ),
    "POST /v1/payments/{id}/refund": Operation(
        _refund.refund_payment,
        201,
        objects.RefundedPayment,
        examples.REFUNDED_PAYMENT,
        (
            errors.NotFound,
            errors.PaymentNotRefundable,
            errors.OperationInProgress,
            errors.RefundExceedsCapture,
            *_MONEY,
        ),
        Body(
            _refund.RefundPayment,
            {"everything": {}, "a part": {"amount": 2500, "reason": "requested_by_customer"}},
            required=False,
            limits={
                "amount": _AMOUNT
                | {"description": "At most what can still be refunded, which is the default."},
                "metadata": _METADATA,
            },
        ),
        "txn",
    ),
    "GET /v1/payments/{id}/refunds": Operation(
        _merchant.refund_routes.list_refunds,
        200,
        objects.RefundList,
        examples.REFUNDS,
        (errors.NotFound,),
        id_prefix="txn",
        query=queries.refunds(),
    ),
    "GET /v1/refunds/{id}": Operation(
        _merchant.refund_routes.get_refund,
        200,
        objects.Refund,
        examples.REFUND,
        (errors.NotFound,),
        id_prefix="re",
    ),
    "GET /v1/payments": Operation(
        _merchant.payment_routes.list_payments,
        200,
        objects.PaymentList,
        examples.PAYMENTS,
        (errors.UnknownCurrency,),
        query=queries.payments(),
    ),
    "GET /v1/balance": Operation(
        _merchant.ledger_routes.get_balance,
        200,
        objects.Balance,
        examples.BALANCE,
        query=queries.as_of(),
    ),
    "GET /v1/ledger/entries": Operation(
        _merchant.ledger_routes.list_ledger_entries,
        200,
        objects.LedgerEntryList,
        examples.LEDGER_ENTRIES,
        (errors.UnknownCurrency,),
        query=queries.entries(),
    ),
    "GET /v1/events": Operation(
        _merchant.event_routes.list_events,
        200,
        events.EventList,
        events.EVENTS,
        query=queries.events(),
    ),
    "GET /v1/events/{id}": Operation(
        _merchant.event_routes.get_event,
        200,
        Event,
        events.EVENT,
        (errors.NotFound,),
        id_prefix="evt",
    ),
    "GET /v1/payments/{id}": Operation(
        _merchant.payment_routes.get_payment,
        200,
        objects.Payment,
        examples.PAYMENT,
        (errors.NotFound,),
        id_prefix="txn",
    ),
    "POST /v1/customers": Operation(
        _merchant.create_customer,
        201,
        objects.Customer,
        examples.CUSTOMER,
        (errors.CustomerExists,),
        Body(
            _merchant.CreateCustomer,
            {
                "known": {
                    "external_id": "user-42",
                    "name": "Ada Lovelace",
                    "email": "ada@example.com",
                },
                "anonymous": {},
            },
            required=False,
            limits={
                "external_id": {"description": "Your own id of the customer; unique."},
                "metadata": _METADATA,
            },
        ),
    ),
    "GET /v1/customers/{id}": Operation(
        _merchant.get_customer,
        200,
        objects.Customer,
        examples.CUSTOMER,
        (errors.NotFound,),
        id_prefix="cus",
    ),
    "POST /v1/customers/{id}/payment_methods": Operation(
        _merchant.add_payment_method,
        201,
        objects.PaymentMethod,
        examples.PAYMENT_METHOD,
        (errors.NotFound, errors.CardRefused, errors.ProcessorUnavailable),
        Body(
            _merchant.CreatePaymentMethod,
            {
                "card": {
                    "type": "card",
                    "card": {
                        "number": "4242424242424242",
                        "exp_month": 12,
                        "exp_year": 2034,
                        "cvc": "123",
                    },
                },
                "American account": {
                    "type": "bank_account",
                    "bank_account": {
                        "account_number": "000123456789",
                        "routing_number": "110000000",
                        "country": "US",
                        "currency": "usd",
                        "account_holder_name": "Ada Lovelace",
                    },
                },
                "IBAN": {
                    "type": "bank_account",
                    "bank_account": {
                        "iban": "DE89370400440532013000",
                        "country": "DE",
                        "currency": "eur",
                        "account_holder_name": "Ada Lovelace",
                    },
                },
            },
        ),
        "cus",
    ),
    "POST /v1/fx/quotes": Operation(
        _merchant.fx_routes.create_fx_quote,
        201,
        objects.FxQuote,
        examples.FX_QUOTE,
        (errors.UnknownCurrency, errors.FxRateUnavailable),
        Body(
            _merchant.fx_routes.CreateFxQuote,
            {
                "into the settlement currency": {"from_currency": "jpy"},
                "for an hour": {"from_currency": "JPY", "to_currency": "USD", "lock_s": 3600},
            },
            limits={
                "from_currency": _CURRENCY,
                "to_currency": {
                    "description": "Without it, the merchant's settlement currency, which a "
                    "payment needs."
                },
                "lock_s": {"description": "For how many seconds the rate holds."},
            },
        ),
    ),
    "GET /v1/fx/quotes/{id}": Operation(
        _merchant.fx_routes.get_fx_quote,
        200,
        objects.FxQuote,
        examples.FX_QUOTE,
        (errors.NotFound,),
        id_prefix="fxq",
    ),
    "GET /v1/merchants/me": Operation(
        _merchant.get_profile, 200, objects.Merchant, examples.MERCHANT
    ),
    **webhook_operations.described(_merchant),
    **webhook_deliveries.described(_merchant),
}
