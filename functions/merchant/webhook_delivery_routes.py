"""Webhook deliveries: listed, looked into, sent again."""

from __future__ import annotations

import fastapi

from paywright.http.fields import RequestModel
from paywright.http.lists import choice_filter, list_of, moment, page_of, typeid_filter
from paywright.http.messages import Request
from paywright.payments.models import Answer, Caller, RequestContext
from paywright.webhooks.deliveries import STATUSES
from paywright.webhooks.history import Deliveries, shown_delivery
from paywright.wiring import platform
from serving import id_in_path, serve, shown

router = fastapi.APIRouter()

DELIVERY_FILTERS = {
    "webhook_endpoint_id": typeid_filter("whe"),
    "event_id": typeid_filter("evt"),
    "status": choice_filter(STATUSES),
}


class ResendWebhookDelivery(RequestModel):
    """The body of POST /v1/webhook_deliveries/{id}/resend: there is nothing to say."""


class ResendFailedWebhooks(RequestModel):
    """The body of POST /v1/webhook_endpoints/{id}/resend."""

    since: str


@router.get("/v1/webhook_deliveries")
async def list_webhook_deliveries(raw: fastapi.Request) -> fastapi.Response:
    """List the webhook deliveries, the newest first."""

    def service(request: Request, caller: Caller, _: RequestContext) -> Answer:
        page = page_of(raw.query_params.multi_items(), prefix="whd", filters=DELIVERY_FILTERS)
        found = _deliveries().page(caller, page)
        return shown(list_of(request.path, page, found, shown_delivery, prefix="whd"))

    return await serve(raw, service)


@router.get("/v1/webhook_deliveries/{delivery_id}")
async def get_webhook_delivery(raw: fastapi.Request, delivery_id: str) -> fastapi.Response:
    """Show a webhook delivery as it is now."""

    def service(_: Request, caller: Caller, __: RequestContext) -> Answer:
        return shown(_deliveries().find(caller, id_in_path("whd", delivery_id)))

    return await serve(raw, service)


@router.get("/v1/webhook_deliveries/{delivery_id}/attempts")
async def list_webhook_attempts(raw: fastapi.Request, delivery_id: str) -> fastapi.Response:
    """List the newest hundred attempts of a webhook delivery, the newest first."""

    def service(request: Request, caller: Caller, _: RequestContext) -> Answer:
        attempts, has_more = _deliveries().attempts(caller, id_in_path("whd", delivery_id))
        return shown(
            {
                "object": "list",
                "url": request.path,
                "has_more": has_more,
                "next_cursor": None,
                "data": attempts,
            }
        )

    return await serve(raw, service)


@router.post("/v1/webhook_deliveries/{delivery_id}/resend")
async def resend_webhook_delivery(raw: fastapi.Request, delivery_id: str) -> fastapi.Response:
    """Send a webhook delivery again, whatever became of it."""

    def service(request: Request, caller: Caller, context: RequestContext) -> Answer:
        request.parse(ResendWebhookDelivery, optional=True)
        return _deliveries().resend(caller, id_in_path("whd", delivery_id), context)

    return await serve(raw, service)


@router.post("/v1/webhook_endpoints/{endpoint_id}/resend")
async def resend_failed_webhooks(raw: fastapi.Request, endpoint_id: str) -> fastapi.Response:
    """Send all again that failed at a webhook endpoint since a time."""

    def service(request: Request, caller: Caller, context: RequestContext) -> Answer:
        since = moment("since", request.parse(ResendFailedWebhooks).since)
        return _deliveries().resend_failed(caller, id_in_path("whe", endpoint_id), since, context)

    return await serve(raw, service)


def _deliveries() -> Deliveries:
    wired = platform()
    return Deliveries(wired.database, wired.clock, wired.ids)
