"""What merchants read and set up: customers, payment methods, payments, their own profile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import fastapi
from mangum import Mangum
from pydantic import Field, SecretStr

from paywright.customers.store import Customers, NewCustomer
from paywright.errors import CardRefused, InvalidField, NotFound, ProcessorUnavailable
from paywright.http.fields import Metadata, RequestModel, ShortText
from paywright.http.function import answer
from paywright.http.messages import Request, new_request_id
from paywright.ids import parse_typeid
from paywright.merchants.profile import profile
from paywright.payments.models import Answer, Caller, RequestContext, to_json
from paywright.processors.base import Card, CardInvalid, Unavailable
from paywright.wiring import platform

app = fastapi.FastAPI(openapi_url=None)
handler = Mangum(app, lifespan="off")


class CreateCustomer(RequestModel):
    """The body of POST /v1/customers."""

    external_id: ShortText | None = None
    name: ShortText | None = None
    email: ShortText | None = None
    metadata: Metadata = Field(default_factory=dict)


class CardInput(RequestModel):
    """A card as its holder typed it."""

    number: SecretStr = Field(min_length=12, max_length=19)
    exp_month: int = Field(ge=1, le=12)
    exp_year: int = Field(ge=2000, le=2100)
    cvc: SecretStr | None = Field(default=None, min_length=3, max_length=4)


class CreatePaymentMethod(RequestModel):
    """The body of POST /v1/customers/{id}/payment_methods."""

    type: str = Field(pattern="^card$")
    card: CardInput


Route = Callable[[fastapi.Request], Awaitable[fastapi.Response]]


@app.post("/v1/customers")
async def create_customer(raw: fastapi.Request) -> fastapi.Response:
    """Create a customer."""

    def serve(request: Request, caller: Caller, context: RequestContext) -> Answer:
        body = request.parse(CreateCustomer, optional=True)
        new = NewCustomer(body.external_id, body.name, body.email, body.metadata)
        return _customers().create(caller, new, context)

    return await _serve(raw, serve)


@app.get("/v1/customers/{customer_id}")
async def get_customer(raw: fastapi.Request, customer_id: str) -> fastapi.Response:
    """Show a customer."""

    def serve(_: Request, caller: Caller, __: RequestContext) -> Answer:
        return _shown(_customers().find(caller, _id("cus", customer_id)))

    return await _serve(raw, serve)


@app.post("/v1/customers/{customer_id}/payment_methods")
async def add_payment_method(raw: fastapi.Request, customer_id: str) -> fastapi.Response:
    """Tokenize a card and keep its token."""

    def serve(request: Request, caller: Caller, context: RequestContext) -> Answer:
        card = _card(request.parse(CreatePaymentMethod).card)
        if caller.livemode:
            raise ProcessorUnavailable("No processor for live mode is configured.")
        owner = _id("cus", customer_id)
        try:
            return _customers().add_card(caller, owner, card, platform().processor, context)
        except CardInvalid as error:
            raise CardRefused(decline_code=error.code, param="card") from None
        except Unavailable:
            raise ProcessorUnavailable from None

    return await _serve(raw, serve)


@app.get("/v1/payments/{payment_id}")
async def get_payment(raw: fastapi.Request, payment_id: str) -> fastapi.Response:
    """Show a payment as it is now."""

    def serve(_: Request, caller: Caller, __: RequestContext) -> Answer:
        found = platform().payments.store.find_payment(
            caller.merchant_id, caller.livemode, _id("txn", payment_id)
        )
        if found is None:
            raise NotFound
        return _shown(found.as_json())

    return await _serve(raw, serve)


@app.get("/v1/merchants/me")
async def get_profile(raw: fastapi.Request) -> fastapi.Response:
    """Show the merchant of the API key."""

    def serve(_: Request, caller: Caller, __: RequestContext) -> Answer:
        return _shown(profile(platform().database, platform().pii_key, caller))

    return await _serve(raw, serve)


async def _serve(
    raw: fastapi.Request, serve: Callable[[Request, Caller, RequestContext], Answer]
) -> fastapi.Response:
    body = await raw.body()
    event: dict[str, Any] = raw.scope.get("aws.event", {})
    request = Request(
        method=raw.method,
        path=raw.url.path,
        headers=dict(raw.headers),
        body=body,
        request_id=event.get("requestContext", {}).get("requestId") or new_request_id(),
        source_ip=raw.client.host if raw.client else None,
    )
    response = answer(
        request,
        lambda: platform().gate.serve(
            request, lambda caller, context: serve(request, caller, context)
        ),
    )
    return fastapi.Response(response.body, response.status, response.headers)


def _customers() -> Customers:
    wired = platform()
    return Customers(wired.database, wired.pii_key, wired.clock, wired.ids)


def _shown(document: dict[str, Any]) -> Answer:
    return Answer(200, to_json(document))


def _id(prefix: str, text: str) -> Any:
    uuid = parse_typeid(prefix, text)
    if uuid is None:
        raise NotFound
    return uuid


def _card(given: CardInput) -> Card:
    number = given.number.get_secret_value()
    cvc = None if given.cvc is None else given.cvc.get_secret_value()
    for param, digits in (("card.number", number), ("card.cvc", cvc)):
        if digits is not None and not (digits.isascii() and digits.isdigit()):
            raise InvalidField(f"{param}: only digits.", param=param)
    return Card(number, given.exp_month, given.exp_year, cvc)
