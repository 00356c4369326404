"""What the API returns, as types; what events are about is in the layer, and examples beside this.

The functions build these objects as plain dictionaries; tests/conformance/openapi holds their real
answers against the schemas that are made from here, so that neither can change alone.
"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from paywright.events.objects import (
    CurrencyCode,
    CustomerId,
    FxQuoteId,
    Livemode,
    MerchantId,
    Payment,
    PaymentId,
    PaymentMethodId,
    Refund,
    RefundId,
    Timestamp,
    id_pattern,
)
from paywright.ledger.balances import MERCHANT_ACCOUNTS
from paywright.notifications.store import MOST_A_DAY

__all__ = [
    "CurrencyCode",
    "CustomerId",
    "FxQuoteId",
    "Livemode",
    "Payment",
    "PaymentId",
    "PaymentMethodId",
    "Refund",
    "RefundId",
    "Timestamp",
    "id_pattern",
]

EntryId = Annotated[str, Field(pattern=id_pattern("le"))]
JournalId = Annotated[str, Field(pattern=id_pattern("jrn"))]
Spread = Annotated[
    int,
    Field(ge=0, description="What is kept of a conversion, in hundredths of a percent."),
]


class RefundedPayment(Payment):
    """A payment with the refund that was just asked for."""

    refund: Refund


HasMore = Annotated[bool, Field(description="Whether there may be more in this direction.")]
Url = Annotated[str, Field(description="The path of the list.")]
CURSOR = Field(
    description="What to send next as `starting_after` (or as `ending_before`, where that was "
    "sent); null when there is no more. A page whose filters few objects pass may be short or "
    "empty and still have one."
)


class RefundList(TypedDict):
    """A page of a payment's refunds, the newest first."""

    object: Literal["list"]
    url: Url
    has_more: HasMore
    next_cursor: Annotated[RefundId | None, CURSOR]
    data: list[Refund]


class PaymentList(TypedDict):
    """A page of payments, the newest first."""

    object: Literal["list"]
    url: Url
    has_more: HasMore
    next_cursor: Annotated[PaymentId | None, CURSOR]
    data: list[Payment]


Part = Annotated[int, Field(description="In the minor unit of `currency`; below 0 when owed.")]


class CurrencyBalance(TypedDict):
    """A merchant's balance in one currency."""

    currency: CurrencyCode
    available: Annotated[Part, Field(description="Captured, less fees, refunds and payouts.")]
    pending: Annotated[Part, Field(description="Authorized and not captured: no money yet.")]
    reserved: Annotated[Part, Field(description="Held back by the platform.")]
    disputed: Annotated[Part, Field(description="Held back for disputes that are open.")]
    refunding: Annotated[Part, Field(description="Of refunds that are not confirmed yet.")]
    paying_out: Annotated[Part, Field(description="On its way to the merchant's bank.")]


class Balance(TypedDict):
    """What a merchant has, exact at one moment."""

    object: Literal["balance"]
    as_of: Annotated[
        Timestamp | None, Field(description="The moment that was asked for; null means now.")
    ]
    balances: list[CurrencyBalance]
    livemode: Livemode


class LedgerEntry(TypedDict):
    """One line of a journal: what an event debited or credited to one of a merchant's accounts."""

    id: EntryId
    object: Literal["ledger_entry"]
    journal_id: JournalId
    payment_id: PaymentId | None
    kind: Annotated[str, Field(description="What happened: `authorize`, `capture`, …")]
    account_type: Annotated[str, Field(json_schema_extra={"enum": list(MERCHANT_ACCOUNTS)})]
    side: Literal["debit", "credit"]
    amount: Annotated[int, Field(ge=1, description="In the minor unit of `currency`.")]
    currency: CurrencyCode
    sequence: Annotated[
        int | None, Field(ge=1, description="Its number in its account; null until it has one.")
    ]
    balance_after: Annotated[
        int | None,
        Field(description="Of its account, credits less debits; null until it is in sequence."),
    ]
    sequenced_at: Annotated[
        Timestamp | None, Field(description="When it got its place; what `as_of` is compared with.")
    ]
    created_at: Timestamp
    livemode: Livemode


class LedgerEntryList(TypedDict):
    """A page of ledger entries, the newest first."""

    object: Literal["list"]
    url: Url
    has_more: HasMore
    next_cursor: Annotated[EntryId | None, CURSOR]
    data: list[LedgerEntry]


class Customer(TypedDict):
    """Somebody who pays a merchant."""

    id: CustomerId
    object: Literal["customer"]
    external_id: Annotated[str | None, Field(description="The merchant's own id; unique.")]
    name: str | None
    email: str | None
    metadata: dict[str, str]
    created_at: Timestamp
    livemode: Livemode


class CardDetails(TypedDict):
    """What can be shown of a card."""

    brand: Annotated[
        str, Field(description="`visa`, `mastercard`, `amex`, `discover` or `unknown`.")
    ]
    last_four: Annotated[str, Field(pattern="^[0-9]{4}$")]
    exp_month: Annotated[int, Field(ge=1, le=12)]
    exp_year: Annotated[int, Field(ge=2000, le=2100)]


class BankAccountDetails(TypedDict):
    """What can be shown of a bank account."""

    bank_name: Annotated[str | None, Field(description="Null where the processor knows none.")]
    country: Annotated[str, Field(pattern="^[A-Z]{2}$", description="ISO 3166-1.")]
    currency: CurrencyCode
    last_four: Annotated[str, Field(pattern="^[0-9A-Z]{4}$")]


class PaymentMethod(TypedDict):
    """A card or a bank account that a customer pays with; its number stays with the processor."""

    id: PaymentMethodId
    object: Literal["payment_method"]
    type: Annotated[
        Literal["card", "bank_account"], Field(description="Also the name of the field with more.")
    ]
    customer_id: CustomerId
    card: NotRequired[CardDetails]
    bank_account: NotRequired[BankAccountDetails]
    is_default: Annotated[bool, Field(description="True for a customer's first.")]
    created_at: Timestamp
    livemode: Livemode


class Notifications(TypedDict):
    """Which e-mails a merchant gets, and where."""

    email: Annotated[
        str | None,
        Field(
            description="Where they go; null is the merchant's own address, also where that one "
            "was set, or one that is damaged and has to be set again. When it changes, the "
            "former one is mailed."
        ),
    ]
    endpoint_disabled: Annotated[
        bool, Field(description="A webhook endpoint was switched off, since it takes no events.")
    ]
    dispute_opened: bool
    settlement_ready: bool
    api_key_created: Annotated[
        bool,
        Field(
            description="Whatever this says, the merchant's own address is told: of a day's first "
            f"{MOST_A_DAY} keys."
        ),
    ]


_UNREADABLE = "Null only where what is stored is damaged; tell us then."


class Merchant(TypedDict):
    """The merchant whose API key is used."""

    id: MerchantId
    object: Literal["merchant"]
    name: Annotated[str | None, Field(description=_UNREADABLE)]
    email: Annotated[str | None, Field(description=_UNREADABLE)]
    settlement_currency: CurrencyCode
    fx_spread_bps: Spread
    status: Literal["active", "suspended", "closed"]
    webhook_url: Annotated[
        str | None, Field(description="Null when nothing is sent there, or not any more.")
    ]
    webhook_secret: NotRequired[
        Annotated[str, Field(description="Only in the answer that made the endpoint.")]
    ]
    notifications: Notifications
    created_at: Timestamp
    livemode: Livemode


class FxQuote(TypedDict):
    """An exchange rate that a merchant may count on until it expires."""

    id: FxQuoteId
    object: Literal["fx_quote"]
    from_currency: CurrencyCode
    to_currency: CurrencyCode
    rate: Annotated[
        str,
        Field(
            pattern=r"^\d+(\.\d+)?$",
            description="Units of `to_currency` for one of `from_currency`, before the spread.",
        ),
    ]
    rate_source: Annotated[str, Field(description="Where the rate comes from: see docs/fx.md.")]
    rate_at: Annotated[Timestamp, Field(description="When the source had it.")]
    spread_bps: Spread
    expires_at: Timestamp
    created_at: Timestamp
    livemode: Livemode


class ErrorDetails(TypedDict):
    """What went wrong; a field that does not apply is absent."""

    type: Literal[
        "invalid_request_error",
        "authentication_error",
        "permission_error",
        "card_error",
        "idempotency_error",
        "rate_limit_error",
        "api_error",
    ]
    code: Annotated[str, Field(description="One of those in docs/errors.md; act on this.")]
    message: Annotated[str, Field(description="For people; the wording may change.")]
    param: NotRequired[Annotated[str, Field(description="The field at fault, `card.number`.")]]
    decline_code: NotRequired[Annotated[str, Field(description="Why the card was refused.")]]
    payment_id: NotRequired[PaymentId]
    request_id: Annotated[str, Field(description="The same as in the header Request-Id.")]
    doc_url: Annotated[str, Field(json_schema_extra={"format": "uri"})]


class Error(TypedDict):
    """The body of every answer of 400 and above."""

    error: ErrorDetails
