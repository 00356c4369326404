"""What merchants read and set up: customers, payment methods, payments, their own profile."""

from __future__ import annotations

import fastapi
from mangum import Mangum
from pydantic import Field

import event_routes
import fx_routes
import ledger_routes
import payment_routes
import refund_routes
import webhook_delivery_routes
import webhook_routes
from payment_methods import CreatePaymentMethod, details
from paywright.customers.store import Customers, NewCustomer
from paywright.errors import CardRefused, ProcessorUnavailable
from paywright.http.fields import AnyText, Metadata, RequestModel, ShortText
from paywright.http.messages import Request
from paywright.merchants.profile import profile
from paywright.notifications.preferences import ChangeNotifications
from paywright.notifications.preferences import change as change_notifications
from paywright.payments.models import Answer, Caller, RequestContext
from paywright.processors.base import CardInvalid, Unavailable, Unknown
from paywright.wiring import platform
from serving import id_in_path, serve, shown

app = fastapi.FastAPI(openapi_url=None)
app.include_router(payment_routes.router)
app.include_router(refund_routes.router)
app.include_router(ledger_routes.router)
app.include_router(fx_routes.router)
app.include_router(webhook_delivery_routes.router)
app.include_router(webhook_routes.router)
app.include_router(event_routes.router)
handler = Mangum(app, lifespan="off")


class CreateCustomer(RequestModel):
    """The body of POST /v1/customers."""

    external_id: ShortText | None = None
    name: ShortText | None = None
    email: ShortText | None = None
    metadata: Metadata = Field(default_factory=dict)


@app.post("/v1/customers")
async def create_customer(raw: fastapi.Request) -> fastapi.Response:
    """Create a customer."""

    def service(request: Request, caller: Caller, context: RequestContext) -> Answer:
        body = request.parse(CreateCustomer, optional=True)
        new = NewCustomer(body.external_id, body.name, body.email, body.metadata)
        return _customers().create(caller, new, context)

    return await serve(raw, service)


@app.get("/v1/customers/{customer_id}")
async def get_customer(raw: fastapi.Request, customer_id: str) -> fastapi.Response:
    """Show a customer."""

    def service(_: Request, caller: Caller, __: RequestContext) -> Answer:
        return shown(_customers().find(caller, id_in_path("cus", customer_id)))

    return await serve(raw, service)


@app.post("/v1/customers/{customer_id}/payment_methods")
async def add_payment_method(raw: fastapi.Request, customer_id: str) -> fastapi.Response:
    """Tokenize a card or a bank account and keep its token."""

    def service(request: Request, caller: Caller, context: RequestContext) -> Answer:
        body = request.parse(CreatePaymentMethod)
        given = details(body)
        if caller.livemode:
            raise ProcessorUnavailable("No processor for live mode is configured.")
        owner = id_in_path("cus", customer_id)
        processor = platform().payments.processors.for_method(body.type)
        try:
            return _customers().add_method(caller, owner, given, processor, context)
        except CardInvalid as error:
            raise CardRefused(decline_code=error.code, param="card") from None
        except (Unavailable, Unknown):
            raise ProcessorUnavailable from None

    return await serve(raw, service)


@app.get("/v1/merchants/me")
async def get_profile(raw: fastapi.Request) -> fastapi.Response:
    """Show the merchant of the API key."""

    def service(_: Request, caller: Caller, __: RequestContext) -> Answer:
        return shown(profile(platform().database, platform().pii_key, caller))

    return await serve(raw, service)


class UpdateMerchant(RequestModel):
    """The body of PATCH /v1/merchants/me: what is left out stays as it is."""

    webhook_url: AnyText | None = Field(default_factory=lambda: None)
    notifications: ChangeNotifications | None = None


@app.patch("/v1/merchants/me")
async def update_profile(raw: fastapi.Request) -> fastapi.Response:
    """Have webhooks sent to a URL, the simple way (null ends it); choose e-mails."""

    def service(request: Request, caller: Caller, context: RequestContext) -> Answer:
        body, wired = request.parse(UpdateMerchant), platform()
        made = {}
        if "webhook_url" in body.model_fields_set:
            endpoints = webhook_routes.endpoints()
            secret = endpoints.set_profile_url(caller, body.webhook_url, context)
            made = {} if secret is None else {"webhook_secret": secret}
        if body.notifications is not None:
            change_notifications(
                wired.database,
                caller,
                body.notifications,
                context,
                pii_key=wired.pii_key,
                clock=wired.clock,
                ids=wired.ids,
            )
        return shown(profile(wired.database, wired.pii_key, caller) | made)

    return await serve(raw, service)


def _customers() -> Customers:
    wired = platform()
    return Customers(wired.database, wired.pii_key, wired.clock, wired.ids, wired.methods)
