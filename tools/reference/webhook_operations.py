"""What is to be said of the routes of webhook endpoints, and of the profile that has one."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Final

from paywright import errors
from paywright.event import EventType
from paywright.events.catalogue import WebhookEndpointTest
from paywright.events.objects import WebhookEndpoint
from paywright.webhooks.endpoints import API_VERSIONS
from paywright.webhooks.urls import MAX_LENGTH
from tools.reference import examples, objects, queries
from tools.reference import webhook_objects as shown
from tools.reference.events import example
from tools.reference.operation import Body, Operation, Schema

_LIMITS: Final[Mapping[str, Schema]] = {
    "url": {
        "maxLength": MAX_LENGTH,
        "description": "https, a public host, port 443 or above 1023.",
    },
    "event_types": {
        "description": "Types of events, `payment.*` for a group of them, `*` for all.",
    },
    "description": {"description": "Your own note; null for none."},
    "api_version": {"enum": list(API_VERSIONS)},
}


def described(merchant: ModuleType) -> dict[str, Operation]:
    """The routes; `merchant` is the function's module."""
    routes = merchant.webhook_routes
    one = "/v1/webhook_endpoints/{id}"
    return {
        "POST /v1/webhook_endpoints": Operation(
            routes.create_webhook_endpoint,
            201,
            shown.WebhookEndpointWithSecret,
            shown.ENDPOINT_WITH_SECRET,
            (errors.WebhookEndpointLimitReached,),
            Body(
                routes.CreateWebhookEndpoint,
                {
                    "all events": {"url": "https://shop.example.com/webhooks"},
                    "some events": {
                        "url": "https://shop.example.com/webhooks",
                        "event_types": ["payment.*", "refund.failed"],
                        "description": "Order desk",
                    },
                },
                limits=_LIMITS,
            ),
        ),
        "GET /v1/webhook_endpoints": Operation(
            routes.list_webhook_endpoints,
            200,
            shown.WebhookEndpointList,
            shown.ENDPOINTS,
            query=queries.webhook_endpoints(),
        ),
        f"GET {one}": Operation(
            routes.get_webhook_endpoint,
            200,
            WebhookEndpoint,
            shown.ENDPOINT,
            (errors.NotFound,),
            id_prefix="whe",
        ),
        f"PATCH {one}": Operation(
            routes.update_webhook_endpoint,
            200,
            WebhookEndpoint,
            shown.ENDPOINT,
            (errors.NotFound,),
            Body(
                routes.UpdateWebhookEndpoint,
                {"enable it again": {"enabled": True}, "other events": {"event_types": ["*"]}},
                takes_key=False,
                limits=_LIMITS,
            ),
            "whe",
        ),
        f"DELETE {one}": Operation(
            routes.delete_webhook_endpoint,
            200,
            shown.DeletedWebhookEndpoint,
            shown.DELETED,
            (errors.NotFound,),
            id_prefix="whe",
        ),
        f"POST {one}/rotate_secret": Operation(
            routes.rotate_webhook_secret,
            200,
            shown.WebhookEndpointWithSecret,
            shown.ENDPOINT_WITH_SECRET | {"previous_secret_expires_at": "2026-11-23T20:19:39.291Z"},
            (errors.NotFound,),
            Body(
                routes.RotateWebhookSecret,
                {"within a day": {}, "at once": {"overlap_s": 0}},
                required=False,
                limits={
                    "overlap_s": {
                        "description": "For how many seconds the secret before signs as well."
                    }
                },
            ),
            "whe",
        ),
        f"POST {one}/test": Operation(
            routes.test_webhook_endpoint,
            201,
            WebhookEndpointTest,
            example(EventType.ENDPOINT_TEST),
            (errors.NotFound, errors.WebhookEndpointDisabled),
            Body(routes.TestWebhookEndpoint, {"a test": {}}, required=False),
            "whe",
        ),
        f"GET {one}/stats": Operation(
            routes.get_webhook_endpoint_stats,
            200,
            shown.WebhookEndpointStats,
            shown.STATS,
            (errors.NotFound,),
            id_prefix="whe",
        ),
        "PATCH /v1/merchants/me": Operation(
            merchant.update_profile,
            200,
            objects.Merchant,
            examples.MERCHANT,
            (errors.WebhookEndpointLimitReached,),
            Body(
                merchant.UpdateMerchant,
                {
                    "send webhooks": {"webhook_url": "https://shop.example.com/webhooks"},
                    "send none": {"webhook_url": None},
                    "choose e-mails": {
                        "notifications": {"email": "ops@example.com", "settlement_ready": False}
                    },
                },
                takes_key=False,
                limits={"webhook_url": {"maxLength": MAX_LENGTH}},
            ),
        ),
    }
