"""Webhook endpoints: made, listed, changed, deleted, given another secret, tried out."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import Annotated

import fastapi
from pydantic import AfterValidator, Field, StringConstraints

from paywright.http.fields import AnyText, RequestModel, Text
from paywright.http.lists import choice_filter, list_of, page_of
from paywright.http.messages import Request
from paywright.payments.models import Answer, Caller, RequestContext
from paywright.webhooks.endpoints import (
    API_VERSIONS,
    OVERLAP,
    Endpoints,
    NewEndpoint,
    shown_endpoint,
)
from paywright.webhooks.filters import MAX_FILTERS, check_filter
from paywright.webhooks.resolving import UrlCheck
from paywright.webhooks.stats import stats
from paywright.wiring import platform
from serving import id_in_path, serve, shown

router = fastapi.APIRouter()

_OVERLAP_S = int(OVERLAP.total_seconds())


def _known_version(version: str) -> str:
    if version not in API_VERSIONS:
        raise ValueError(f"one of {', '.join(API_VERSIONS)}")
    return version


def _without_repeats(patterns: list[str]) -> list[str]:
    return list(dict.fromkeys(patterns))


EventTypes = Annotated[
    list[Annotated[str, AfterValidator(check_filter)]],
    Field(min_length=1, max_length=MAX_FILTERS),
    AfterValidator(_without_repeats),
]
Description = Annotated[Text, StringConstraints(max_length=500)]
ApiVersion = Annotated[str, AfterValidator(_known_version)]


class CreateWebhookEndpoint(RequestModel):
    """The body of POST /v1/webhook_endpoints."""

    url: AnyText
    event_types: EventTypes = Field(default_factory=lambda: ["*"])
    description: Description | None = None
    enabled: bool = True
    api_version: ApiVersion = API_VERSIONS[-1]


class UpdateWebhookEndpoint(RequestModel):
    """The body of PATCH /v1/webhook_endpoints/{id}: what is left out stays as it is."""

    # No field has a default: the factories only let it be left out.
    url: AnyText = Field(default_factory=str)
    event_types: EventTypes = Field(default_factory=list)
    description: Description | None = Field(default_factory=lambda: None)
    enabled: bool = Field(default_factory=bool)
    api_version: ApiVersion = Field(default_factory=str)


class RotateWebhookSecret(RequestModel):
    """The body of POST /v1/webhook_endpoints/{id}/rotate_secret."""

    overlap_s: int = Field(default=_OVERLAP_S, ge=0, le=_OVERLAP_S)


class TestWebhookEndpoint(RequestModel):
    """The body of POST /v1/webhook_endpoints/{id}/test: there is nothing to say."""


ENDPOINT_FILTERS = {"enabled": choice_filter(("true", "false"))}


@router.post("/v1/webhook_endpoints")
async def create_webhook_endpoint(raw: fastapi.Request) -> fastapi.Response:
    """Create a webhook endpoint; its secret is shown here and never again."""

    def service(request: Request, caller: Caller, context: RequestContext) -> Answer:
        body = request.parse(CreateWebhookEndpoint)
        return endpoints().create(caller, NewEndpoint(**body.model_dump()), context)

    return await serve(raw, service)


@router.get("/v1/webhook_endpoints")
async def list_webhook_endpoints(raw: fastapi.Request) -> fastapi.Response:
    """List the webhook endpoints, the newest first."""

    def service(request: Request, caller: Caller, _: RequestContext) -> Answer:
        page = page_of(raw.query_params.multi_items(), prefix="whe", filters=ENDPOINT_FILTERS)
        found = endpoints().page(caller, page)
        return shown(list_of(request.path, page, found, shown_endpoint, prefix="whe"))

    return await serve(raw, service)


@router.get("/v1/webhook_endpoints/{endpoint_id}")
async def get_webhook_endpoint(raw: fastapi.Request, endpoint_id: str) -> fastapi.Response:
    """Show a webhook endpoint."""

    def service(_: Request, caller: Caller, __: RequestContext) -> Answer:
        return shown(endpoints().find(caller, id_in_path("whe", endpoint_id)))

    return await serve(raw, service)


@router.patch("/v1/webhook_endpoints/{endpoint_id}")
async def update_webhook_endpoint(raw: fastapi.Request, endpoint_id: str) -> fastapi.Response:
    """Change a webhook endpoint, disable it, or enable it again."""

    def service(request: Request, caller: Caller, context: RequestContext) -> Answer:
        changes = request.parse(UpdateWebhookEndpoint).model_dump(exclude_unset=True)
        return endpoints().change(caller, id_in_path("whe", endpoint_id), changes, context)

    return await serve(raw, service)


@router.delete("/v1/webhook_endpoints/{endpoint_id}")
async def delete_webhook_endpoint(raw: fastapi.Request, endpoint_id: str) -> fastapi.Response:
    """Delete a webhook endpoint; what waits for it is not delivered any more."""

    def service(_: Request, caller: Caller, context: RequestContext) -> Answer:
        return endpoints().delete(caller, id_in_path("whe", endpoint_id), context)

    return await serve(raw, service)


@router.post("/v1/webhook_endpoints/{endpoint_id}/rotate_secret")
async def rotate_webhook_secret(raw: fastapi.Request, endpoint_id: str) -> fastapi.Response:
    """Give a webhook endpoint a new secret; the one before signs as well for a while."""

    def service(request: Request, caller: Caller, context: RequestContext) -> Answer:
        body = request.parse(RotateWebhookSecret, optional=True)
        return endpoints().rotate_secret(
            caller,
            id_in_path("whe", endpoint_id),
            context,
            overlap=timedelta(seconds=body.overlap_s),
        )

    return await serve(raw, service)


@router.post("/v1/webhook_endpoints/{endpoint_id}/test")
async def test_webhook_endpoint(raw: fastapi.Request, endpoint_id: str) -> fastapi.Response:
    """Send a test event to a webhook endpoint, and to no other."""

    def service(request: Request, caller: Caller, context: RequestContext) -> Answer:
        request.parse(TestWebhookEndpoint, optional=True)
        return endpoints().send_test(caller, id_in_path("whe", endpoint_id), context)

    return await serve(raw, service)


@router.get("/v1/webhook_endpoints/{endpoint_id}/stats")
async def get_webhook_endpoint_stats(raw: fastapi.Request, endpoint_id: str) -> fastapi.Response:
    """Show how deliveries to a webhook endpoint went in the last day and week."""

    def service(_: Request, caller: Caller, __: RequestContext) -> Answer:
        wired, uuid = platform(), id_in_path("whe", endpoint_id)
        endpoints().find(caller, uuid)
        return shown(stats(wired.database, wired.clock, caller, uuid))

    return await serve(raw, service)


def endpoints() -> Endpoints:
    """The endpoints of this platform."""
    wired = platform()
    check = _url_check(wired.settings.webhook_allow_loopback)
    return Endpoints(wired.database, wired.pii_key, wired.clock, wired.ids, check)


@cache
def _url_check(allow_loopback: bool) -> UrlCheck:
    return UrlCheck(allow_loopback=allow_loopback)
