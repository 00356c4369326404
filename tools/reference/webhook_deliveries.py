"""What is to be said of the routes of webhook deliveries, with the objects that they return."""

from __future__ import annotations

from types import ModuleType
from typing import Annotated, Final, Literal

from pydantic import Field
from typing_extensions import TypedDict

from paywright import errors
from paywright.events.objects import EndpointId, EventId
from tools.reference import queries
from tools.reference.objects import HasMore, Livemode, Timestamp, Url, id_pattern
from tools.reference.operation import Body, Operation

DeliveryId = Annotated[str, Field(pattern=id_pattern("whd"))]
StatusCode = Annotated[int | None, Field(description="Null where there was no answer.")]
Error = Annotated[str | None, Field(description="Why there was none; for people.")]


class WebhookDelivery(TypedDict):
    """An event on its way to one webhook endpoint."""

    id: DeliveryId
    object: Literal["webhook_delivery"]
    event_id: EventId
    webhook_endpoint_id: EndpointId
    status: Literal["pending", "delivered", "failed"]
    attempts: Annotated[int, Field(ge=0)]
    last_attempt_at: Timestamp | None
    last_status_code: StatusCode
    last_error: Error
    next_attempt_at: Annotated[
        Timestamp | None,
        Field(description="Not before then; later where the endpoint is slow or fails."),
    ]
    created_at: Timestamp
    livemode: Livemode


class WebhookDeliveryList(TypedDict):
    """A page of webhook deliveries, the newest first."""

    object: Literal["list"]
    url: Url
    has_more: HasMore
    next_cursor: Annotated[
        DeliveryId | None, Field(description="`starting_after` for what follows.")
    ]
    data: list[WebhookDelivery]


class WebhookAttempt(TypedDict):
    """One request to a webhook endpoint, and what it answered."""

    object: Literal["webhook_attempt"]
    webhook_delivery_id: DeliveryId
    number: Annotated[int, Field(ge=1, description="Counts the attempts of this delivery.")]
    status_code: StatusCode
    error: Error
    duration_ms: Annotated[int, Field(ge=0)]
    response: Annotated[str | None, Field(description="How the answer's body begins: 4 KB of it.")]
    created_at: Timestamp
    livemode: Livemode


class WebhookAttemptList(TypedDict):
    """The newest hundred attempts of a webhook delivery, the newest first."""

    object: Literal["list"]
    url: Url
    has_more: bool
    next_cursor: None
    data: list[WebhookAttempt]


class WebhookResend(TypedDict):
    """How many deliveries are sent again."""

    object: Literal["webhook_resend"]
    webhook_endpoint_id: EndpointId
    since: Timestamp
    resent: Annotated[int, Field(ge=0, le=1000)]
    has_more: Annotated[bool, Field(description="Whether to ask once more, for what is left.")]
    livemode: Livemode


DELIVERY: Final[WebhookDelivery] = {
    "id": "whd_01kaqdb8n3e4t9v5n7q1c3x6mz",
    "object": "webhook_delivery",
    "event_id": "evt_01kaqdb8k2e4t9v5n7q1c3x6mz",
    "webhook_endpoint_id": "whe_01kaqd9t4vfk3r8m2x6h1z5w7c",
    "status": "pending",
    "attempts": 2,
    "last_attempt_at": "2026-11-22T20:20:28.114Z",
    "last_status_code": 503,
    "last_error": None,
    "next_attempt_at": "2026-11-22T20:20:33.021Z",
    "created_at": "2026-11-22T20:20:26.934Z",
    "livemode": False,
}
DELIVERIES: Final[WebhookDeliveryList] = {
    "object": "list",
    "url": "/v1/webhook_deliveries",
    "has_more": False,
    "next_cursor": None,
    "data": [DELIVERY],
}
ATTEMPTS: Final[WebhookAttemptList] = {
    "object": "list",
    "url": f"/v1/webhook_deliveries/{DELIVERY['id']}/attempts",
    "has_more": False,
    "next_cursor": None,
    "data": [
        {
            "object": "webhook_attempt",
            "webhook_delivery_id": DELIVERY["id"],
            "number": 2,
            "status_code": 503,
            "error": None,
            "duration_ms": 38,
            "response": "<h1>Service Unavailable</h1>",
            "created_at": "2026-11-22T20:20:28.114Z",
            "livemode": False,
        },
        {
            "object": "webhook_attempt",
            "webhook_delivery_id": DELIVERY["id"],
            "number": 1,
            "status_code": None,
            "error": "no answer within 10 s",
            "duration_ms": 10001,
            "response": None,
            "created_at": "2026-11-22T20:20:26.934Z",
            "livemode": False,
        },
    ],
}
RESEND: Final[WebhookResend] = {
    "object": "webhook_resend",
    "webhook_endpoint_id": DELIVERY["webhook_endpoint_id"],
    "since": "2026-11-22T18:00:00.000Z",
    "resent": 214,
    "has_more": False,
    "livemode": False,
}


def described(merchant: ModuleType) -> dict[str, Operation]:
    """The routes; `merchant` is the function's module."""
    routes = merchant.webhook_delivery_routes
    one = "/v1/webhook_deliveries/{id}"
    refused = (errors.NotFound, errors.WebhookEndpointDisabled)
    return {
        "GET /v1/webhook_deliveries": Operation(
            routes.list_webhook_deliveries,
            200,
            WebhookDeliveryList,
            DELIVERIES,
            query=queries.webhook_deliveries(),
        ),
        f"GET {one}": Operation(
            routes.get_webhook_delivery,
            200,
            WebhookDelivery,
            DELIVERY,
            (errors.NotFound,),
            id_prefix="whd",
        ),
        f"GET {one}/attempts": Operation(
            routes.list_webhook_attempts,
            200,
            WebhookAttemptList,
            ATTEMPTS,
            (errors.NotFound,),
            id_prefix="whd",
        ),
        f"POST {one}/resend": Operation(
            routes.resend_webhook_delivery,
            200,
            WebhookDelivery,
            DELIVERY,
            (*refused, errors.EventNotKept),
            Body(routes.ResendWebhookDelivery, {"nothing to say": {}}, required=False),
            "whd",
        ),
        "POST /v1/webhook_endpoints/{id}/resend": Operation(
            routes.resend_failed_webhooks,
            200,
            WebhookResend,
            RESEND,
            refused,
            Body(
                routes.ResendFailedWebhooks,
                {"after an outage": {"since": "2026-11-22T18:00:00Z"}},
                limits={
                    "since": {
                        "format": "date-time",
                        "description": "30 days ago at most; deliveries begun then or later.",
                    }
                },
            ),
            "whe",
        ),
    }
