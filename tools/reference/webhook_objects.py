"""The webhook endpoints that the API returns, as types, with an example of each."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field
from typing_extensions import TypedDict

from paywright.events.objects import EndpointId, Livemode, Timestamp, WebhookEndpoint


class WebhookEndpointWithSecret(WebhookEndpoint):
    """A webhook endpoint as it is shown once, when its secret is made."""

    secret: Annotated[str, Field(pattern="^whsec_[A-Za-z0-9+/]{32}$")]


class DeletedWebhookEndpoint(TypedDict):
    """What is left of a webhook endpoint that was deleted."""

    id: EndpointId
    object: Literal["webhook_endpoint"]
    deleted: Literal[True]


class WebhookEndpointList(TypedDict):
    """A page of webhook endpoints, the newest first."""

    object: Literal["list"]
    url: str
    has_more: bool
    next_cursor: EndpointId | None
    data: list[WebhookEndpoint]


class WebhookPeriod(TypedDict):
    """What came of the attempts of a period."""

    since: Annotated[
        Timestamp,
        Field(description="When it begins; later than its name says where there were too many."),
    ]
    attempts: Annotated[int, Field(ge=0)]
    succeeded: Annotated[int, Field(ge=0)]
    success_rate: Annotated[
        float | None, Field(ge=0, le=1, description="Null where there was no attempt.")
    ]
    duration_p50_ms: Annotated[
        int | None, Field(ge=0, description="Of the attempts that got an answer; null for none.")
    ]
    duration_p95_ms: Annotated[int | None, Field(ge=0)]


class WebhookError(TypedDict):
    """An attempt that failed."""

    at: Timestamp
    status_code: Annotated[int | None, Field(description="Null where there was no answer.")]
    message: Annotated[str, Field(description="For people.")]


class WebhookEndpointStats(TypedDict):
    """How deliveries to a webhook endpoint go."""

    object: Literal["webhook_endpoint_stats"]
    webhook_endpoint_id: EndpointId
    last_24_hours: WebhookPeriod
    last_7_days: WebhookPeriod
    last_error: WebhookError | None
    livemode: Livemode


ENDPOINT: Final[WebhookEndpoint] = {
    "id": "whe_01kaqd9t4vfk3r8m2x6h1z5w7c",
    "object": "webhook_endpoint",
    "url": "https://shop.example.com/webhooks",
    "event_types": ["payment.*", "refund.failed"],
    "enabled": True,
    "description": "Order desk",
    "api_version": "2026-11-01",
    "disabled_reason": None,
    "disabled_at": None,
    "resting_until": None,
    "previous_secret_expires_at": None,
    "created_at": "2026-11-22T20:19:39.291Z",
    "updated_at": "2026-11-22T20:19:39.291Z",
    "livemode": False,
}
ENDPOINT_WITH_SECRET: Final[WebhookEndpointWithSecret] = {
    **ENDPOINT,
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}
ENDPOINTS: Final[WebhookEndpointList] = {
    "object": "list",
    "url": "/v1/webhook_endpoints",
    "has_more": False,
    "next_cursor": None,
    "data": [ENDPOINT],
}
DELETED: Final[DeletedWebhookEndpoint] = {
    "id": ENDPOINT["id"],
    "object": "webhook_endpoint",
    "deleted": True,
}
STATS: Final[WebhookEndpointStats] = {
    "object": "webhook_endpoint_stats",
    "webhook_endpoint_id": ENDPOINT["id"],
    "last_24_hours": {
        "since": "2026-11-21T20:20:26.850Z",
        "attempts": 1204,
        "succeeded": 1201,
        "success_rate": 0.9975,
        "duration_p50_ms": 41,
        "duration_p95_ms": 180,
    },
    "last_7_days": {
        "since": "2026-11-15T20:20:26.850Z",
        "attempts": 9310,
        "succeeded": 9299,
        "success_rate": 0.9988,
        "duration_p50_ms": 40,
        "duration_p95_ms": 171,
    },
    "last_error": {
        "at": "2026-11-22T18:02:11.417Z",
        "status_code": 503,
        "message": "the receiver answered 503",
    },
    "livemode": False,
}
