"""The objects that events and answers are about, as types: what merchants may rely on.

They are built as plain dictionaries, with no model in the way of a payment; tests hold what is
really sent and answered against these types, so that neither can change alone.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from paywright.payments.models import (
    PENDING_PROCESSOR,
    PENDING_TRANSFER,
    PENDING_UNKNOWN,
    RefundStatus,
)
from paywright.payments.states import CaptureMethod, Status


def id_pattern(prefix: str) -> str:
    """The pattern of a TypeID: a prefix and 26 characters of Crockford's base32."""
    return f"^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$"


CustomerId = Annotated[str, Field(pattern=id_pattern("cus"))]
PaymentMethodId = Annotated[str, Field(pattern=id_pattern("pm"))]
PaymentId = Annotated[str, Field(pattern=id_pattern("txn"))]
EndpointId = Annotated[str, Field(pattern=id_pattern("whe"))]
ApiKeyId = Annotated[str, Field(pattern=id_pattern("key"))]
MerchantId = Annotated[str, Field(pattern=id_pattern("mer"))]
EventId = Annotated[str, Field(pattern=id_pattern("evt"))]
RefundId = Annotated[str, Field(pattern=id_pattern("re"))]
FxQuoteId = Annotated[str, Field(pattern=id_pattern("fxq"))]
CurrencyCode = Annotated[str, Field(pattern="^[a-z]{3}$", description="ISO 4217, lower-case.")]
Amount = Annotated[int, Field(ge=0, description="In the minor unit of `currency`.")]
Timestamp = Annotated[
    str,
    Field(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
        description="RFC 3339, UTC, milliseconds.",
        json_schema_extra={"format": "date-time"},
    ),
]
Livemode = Annotated[bool, Field(description="False for an object of test mode.")]


class Payment(TypedDict):
    """A payment, at the moment of the answer."""

    id: PaymentId
    object: Literal["payment"]
    status: Status
    amount: Amount
    currency: CurrencyCode
    captured_amount: Amount
    refunded_amount: Amount
    pending_refund_amount: Annotated[
        int, Field(ge=0, description="Of refunds that are not decided yet.")
    ]
    capture_method: CaptureMethod
    customer_id: CustomerId | None
    payment_method_id: PaymentMethodId | None
    pending_reason: Annotated[
        str | None,
        Field(
            description=f"Why the status is `pending`. `{PENDING_UNKNOWN}`: the processor did not "
            "answer in time; what became of it follows by event and by GET. "
            f"`{PENDING_PROCESSOR}`: it decides later, within hours or days. "
            f"`{PENDING_TRANSFER}`: a bank does, within days."
        ),
    ]
    void_reason: Annotated[
        Literal["requested", "expired"] | None, Field(description="Why the hold was released.")
    ]
    failure_code: Annotated[str | None, Field(description="The code of the error that it met.")]
    failure_message: Annotated[str | None, Field(description="The decline code behind it.")]
    fraud_score: Annotated[int | None, Field(ge=0, le=100, description="100 is the worst.")]
    fraud_flags: Annotated[list[str], Field(description="The rules that raised the score.")]
    settlement_currency: CurrencyCode
    settlement_amount: Annotated[
        int | None,
        Field(
            ge=0, description="Captured, in the minor unit of `settlement_currency`, before fees."
        ),
    ]
    fx_rate: Annotated[
        str | None,
        Field(
            pattern=r"^\d+(\.\d+)?$",
            description="Units of `settlement_currency` for one of `currency`; null without a "
            "conversion.",
        ),
    ]
    fx_quote_id: Annotated[FxQuoteId | None, Field(description="The quote that it goes by.")]
    description: str | None
    metadata: dict[str, str]
    expires_at: Annotated[
        Timestamp | None, Field(description="When an authorization that is not captured lapses.")
    ]
    created_at: Timestamp
    livemode: Livemode


class Refund(TypedDict):
    """A refund, at the moment of the answer."""

    id: RefundId
    object: Literal["refund"]
    payment_id: PaymentId
    status: RefundStatus
    amount: Amount
    currency: CurrencyCode
    reason: Literal["duplicate", "fraudulent", "requested_by_customer"] | None
    pending_reason: Annotated[
        str | None,
        Field(
            description=f"Why it is `pending`. `{PENDING_UNKNOWN}`: the processor did not answer "
            f"in time. `{PENDING_PROCESSOR}`: it decides later, within hours or days. "
            f"`{PENDING_TRANSFER}`: a bank does, within days."
        ),
    ]
    failure_code: Annotated[str | None, Field(description="The code of the error that it met.")]
    failure_message: Annotated[str | None, Field(description="What the processor said of it.")]
    settlement_currency: CurrencyCode
    settlement_amount: Annotated[
        int,
        Field(ge=0, description="Of the merchant, in the minor unit of `settlement_currency`."),
    ]
    fee_returned_amount: Annotated[
        int, Field(ge=0, description="Of the platform's fee; in the same unit.")
    ]
    metadata: dict[str, str]
    created_at: Timestamp
    livemode: Livemode


class WebhookEndpoint(TypedDict):
    """A URL to which events are sent."""

    id: EndpointId
    object: Literal["webhook_endpoint"]
    url: str
    event_types: Annotated[
        list[str],
        Field(description="Types of events, `payment.*` for a group of them, `*` for all."),
    ]
    enabled: bool
    description: str | None
    api_version: Annotated[str, Field(description="Of the events' form.")]
    disabled_reason: Annotated[str | None, Field(description="For people; null when enabled.")]
    disabled_at: Timestamp | None
    resting_until: Annotated[
        Timestamp | None,
        Field(description="Until when it is sent nothing, as it keeps failing; null otherwise."),
    ]
    previous_secret_expires_at: Annotated[
        Timestamp | None,
        Field(description="Until when the secret before the present one signs as well."),
    ]
    created_at: Timestamp
    updated_at: Timestamp
    livemode: Livemode


class DisabledEndpoint(TypedDict):
    """A webhook endpoint that Paywright itself disabled, with what helps to put it right."""

    id: EndpointId
    object: Literal["webhook_endpoint"]
    url: str
    enabled: Literal[False]
    disabled_reason: Annotated[str, Field(description="For people.")]
    disabled_at: Timestamp
    failing_since: Annotated[
        Timestamp | None,
        Field(description="When the first failed since the last success."),
    ]
    last_status_code: Annotated[
        int | None, Field(description="What it answered last; null where there was no answer.")
    ]
    last_error: Annotated[str | None, Field(description="Why there was no answer, for people.")]


class ApiKey(TypedDict):
    """An API key, without what it is known by."""

    id: ApiKeyId
    object: Literal["api_key"]
    last_four: Annotated[str, Field(description="The end of the key.")]
    created_at: Timestamp
    livemode: Livemode


class ReaddressedMerchant(TypedDict):
    """A merchant whose e-mails go to another address; neither address is told."""

    id: MerchantId
    object: Literal["merchant"]
    changed_by: Annotated[ApiKeyId, Field(description="The API key that was used.")]
