"""Quotes of exchange rates."""

from __future__ import annotations

import fastapi
from pydantic import Field

from paywright.errors import NotFound, UnknownCurrency
from paywright.fx.quote import DEFAULT_LOCK_S, MAX_LOCK_S
from paywright.http.fields import RequestModel
from paywright.http.messages import Request
from paywright.money import Currency
from paywright.payments.models import Answer, Caller, RequestContext
from paywright.wiring import platform
from serving import id_in_path, serve, shown

router = fastapi.APIRouter()


class CreateFxQuote(RequestModel):
    """The body of POST /v1/fx/quotes. Without `to_currency` it is the settlement currency."""

    from_currency: str
    to_currency: str | None = None
    lock_s: int = Field(default=DEFAULT_LOCK_S, ge=1, le=MAX_LOCK_S)


@router.post("/v1/fx/quotes")
async def create_fx_quote(raw: fastapi.Request) -> fastapi.Response:
    """Lock an exchange rate for a while."""

    def service(request: Request, caller: Caller, context: RequestContext) -> Answer:
        body = request.parse(CreateFxQuote)
        base = _currency(body.from_currency, "from_currency")
        into = None if body.to_currency is None else _currency(body.to_currency, "to_currency")
        return platform().quotes.create(caller, base, into, body.lock_s, context)

    return await serve(raw, service)


@router.get("/v1/fx/quotes/{quote_id}")
async def get_fx_quote(raw: fastapi.Request, quote_id: str) -> fastapi.Response:
    """Show a quote, expired or not."""

    def service(_: Request, caller: Caller, __: RequestContext) -> Answer:
        found = platform().quotes.find_quote(
            caller.merchant_id, caller.livemode, id_in_path("fxq", quote_id)
        )
        if found is None:
            raise NotFound
        return shown(found.as_json())

    return await serve(raw, service)


def _currency(code: str, param: str) -> Currency:
    try:
        return Currency.of(code)
    except ValueError as error:
        raise UnknownCurrency(param=param) from error
