"""Every event as a typed model: what docs/events.md and its JSON Schema are made from.

A model's docstring says when the event comes. Events are written without these models
(`paywright.event`), and consumers read them with `Event`; fields that are not known yet are
ignored. Nothing on the way of a payment imports this module.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel
from typing_extensions import TypedDict

from paywright.event import EventType
from paywright.events.objects import (
    ApiKey,
    DisabledEndpoint,
    EventId,
    Livemode,
    Payment,
    ReaddressedMerchant,
    Refund,
    Timestamp,
    WebhookEndpoint,
)


class _Form(BaseModel):
    """What all events have."""

    model_config = ConfigDict(frozen=True)

    id: Annotated[EventId, Field(description="The same in every delivery of this event.")]
    object: Literal["event"]
    api_version: Annotated[
        str, Field(pattern=r"^\d{4}-\d\d-\d\d$", description="Of the form that this event has.")
    ]
    created_at: Timestamp
    livemode: Livemode
    sequence: Annotated[
        int, Field(ge=1, description="Counts the events about this object, without gaps.")
    ]


class PaymentData(TypedDict):
    """What an event about a payment carries."""

    object: Annotated[Payment, Field(description="The payment after what happened.")]


class RefundData(TypedDict):
    """What an event about a refund carries."""

    object: Annotated[Refund, Field(description="The refund after what happened.")]


class DisabledEndpointData(TypedDict):
    """What an event about a disabled endpoint carries."""

    object: DisabledEndpoint


class PaymentAuthorized(_Form):
    """An amount is held."""

    type: Literal[EventType.PAYMENT_AUTHORIZED]
    data: PaymentData


class PaymentCaptured(_Form):
    """Money was taken: a sale, or the capture of a hold."""

    type: Literal[EventType.PAYMENT_CAPTURED]
    data: PaymentData


class PaymentCaptureFailed(_Form):
    """A capture was declined; the hold stays."""

    type: Literal[EventType.PAYMENT_CAPTURE_FAILED]
    data: PaymentData


class PaymentExpired(_Form):
    """The hold ran out, or what captures left of it."""

    type: Literal[EventType.PAYMENT_EXPIRED]
    data: PaymentData


class PaymentFailed(_Form):
    """Declined, by the processor or by the fraud score; or a bank took the money back."""

    type: Literal[EventType.PAYMENT_FAILED]
    data: PaymentData


class PaymentReview(_Form):
    """Accepted, for review: `amount_very_large`, `card_elevated_risk`, `scoring_unavailable`."""

    type: Literal[EventType.PAYMENT_REVIEW]
    data: PaymentData


class PaymentVoided(_Form):
    """The hold was released by request, or what captures left of it."""

    type: Literal[EventType.PAYMENT_VOIDED]
    data: PaymentData


class PaymentVoidFailed(_Form):
    """The processor refused to release the hold; it stays."""

    type: Literal[EventType.PAYMENT_VOID_FAILED]
    data: PaymentData


class RefundCreated(_Form):
    """A refund was asked for; it is taken from the balance."""

    type: Literal[EventType.REFUND_CREATED]
    data: RefundData


class RefundFailed(_Form):
    """It was refused, or came back after it had succeeded; the balance has it again."""

    type: Literal[EventType.REFUND_FAILED]
    data: RefundData


class RefundSucceeded(_Form):
    """The processor gave it back."""

    type: Literal[EventType.REFUND_SUCCEEDED]
    data: RefundData


class ApiKeyData(TypedDict):
    """What an event about an API key carries."""

    object: ApiKey


class MerchantApiKeyCreated(_Form):
    """An API key was made. People are mailed; webhooks do not carry it."""

    type: Literal[EventType.API_KEY_CREATED]
    data: ApiKeyData


class ReaddressedMerchantData(TypedDict):
    """What an event about a merchant's changed address carries."""

    object: ReaddressedMerchant


class MerchantNotificationEmailChanged(_Form):
    """E-mails go to another address. The former one is mailed; webhooks do not carry it."""

    type: Literal[EventType.EMAIL_CHANGED]
    data: ReaddressedMerchantData


class MerchantWebhookEndpointDisabled(_Form):
    """Paywright disabled an endpoint: it answered 410, or only failed for five days."""

    type: Literal[EventType.ENDPOINT_DISABLED]
    data: DisabledEndpointData


class EndpointData(TypedDict):
    """What an event about an endpoint as it is carries."""

    object: WebhookEndpoint


class WebhookEndpointTest(_Form):
    """Asked for, to try an endpoint out; it goes to that one alone."""

    type: Literal[EventType.ENDPOINT_TEST]
    data: EndpointData


class Event(
    RootModel[
        Annotated[
            PaymentAuthorized
            | PaymentCaptured
            | PaymentCaptureFailed
            | PaymentExpired
            | PaymentFailed
            | PaymentReview
            | PaymentVoided
            | PaymentVoidFailed
            | RefundCreated
            | RefundFailed
            | RefundSucceeded
            | MerchantApiKeyCreated
            | MerchantNotificationEmailChanged
            | MerchantWebhookEndpointDisabled
            | WebhookEndpointTest,
            Field(discriminator="type"),
        ]
    ]
):
    """Something that happened to an object; its `type` says what."""


MODELS: Final[dict[EventType, type[BaseModel]]] = {
    EventType.PAYMENT_AUTHORIZED: PaymentAuthorized,
    EventType.PAYMENT_CAPTURED: PaymentCaptured,
    EventType.PAYMENT_CAPTURE_FAILED: PaymentCaptureFailed,
    EventType.PAYMENT_EXPIRED: PaymentExpired,
    EventType.PAYMENT_FAILED: PaymentFailed,
    EventType.PAYMENT_REVIEW: PaymentReview,
    EventType.PAYMENT_VOIDED: PaymentVoided,
    EventType.PAYMENT_VOID_FAILED: PaymentVoidFailed,
    EventType.REFUND_CREATED: RefundCreated,
    EventType.REFUND_FAILED: RefundFailed,
    EventType.REFUND_SUCCEEDED: RefundSucceeded,
    EventType.API_KEY_CREATED: MerchantApiKeyCreated,
    EventType.EMAIL_CHANGED: MerchantNotificationEmailChanged,
    EventType.ENDPOINT_DISABLED: MerchantWebhookEndpointDisabled,
    EventType.ENDPOINT_TEST: WebhookEndpointTest,
}
"""The model of each type, in the order in which they are shown."""
