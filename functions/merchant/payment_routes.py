"""Payments, one and many."""

from __future__ import annotations

import fastapi

from paywright.errors import NotFound
from paywright.http.lists import (
    choice_filter,
    currency_filter,
    list_of,
    page_of,
    typeid_filter,
)
from paywright.http.messages import Request
from paywright.http.payment_list import find_payments, shown_payment
from paywright.payments.models import Answer, Caller, RequestContext
from paywright.payments.states import Status
from paywright.wiring import platform
from serving import id_in_path, serve, shown

router = fastapi.APIRouter()

PAYMENT_FILTERS = {
    "status": choice_filter(Status),
    "currency": currency_filter,
    "customer_id": typeid_filter("cus"),
}


@router.get("/v1/payments")
async def list_payments(raw: fastapi.Request) -> fastapi.Response:
    """List payments, the newest first."""

    def service(request: Request, caller: Caller, _: RequestContext) -> Answer:
        page = page_of(raw.query_params.multi_items(), prefix="txn", filters=PAYMENT_FILTERS)
        found = find_payments(platform().database, caller, page)
        return shown(list_of(request.path, page, found, shown_payment, prefix="txn"))

    return await serve(raw, service)


@router.get("/v1/payments/{payment_id}")
async def get_payment(raw: fastapi.Request, payment_id: str) -> fastapi.Response:
    """Show a payment as it is now."""

    def service(_: Request, caller: Caller, __: RequestContext) -> Answer:
        found = platform().payments.store.find_payment(
            caller.merchant_id, caller.livemode, id_in_path("txn", payment_id)
        )
        if found is None:
            raise NotFound
        return shown(found.as_json())

    return await serve(raw, service)
