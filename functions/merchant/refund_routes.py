"""Refunds, one and those of a payment."""

from __future__ import annotations

import fastapi

from paywright.errors import NotFound
from paywright.http.lists import choice_filter, list_of, page_of
from paywright.http.messages import Request
from paywright.http.refund_list import find_refunds, shown_refund
from paywright.payments.models import Answer, Caller, RefundStatus, RequestContext
from paywright.wiring import platform
from serving import id_in_path, serve, shown

router = fastapi.APIRouter()

REFUND_FILTERS = {"status": choice_filter(RefundStatus)}


@router.get("/v1/payments/{payment_id}/refunds")
async def list_refunds(raw: fastapi.Request, payment_id: str) -> fastapi.Response:
    """List the refunds of a payment, the newest first."""

    def service(request: Request, caller: Caller, _: RequestContext) -> Answer:
        uuid = id_in_path("txn", payment_id)
        page = page_of(raw.query_params.multi_items(), prefix="re", filters=REFUND_FILTERS)
        store = platform().payments.store
        if store.find_payment(caller.merchant_id, caller.livemode, uuid) is None:
            raise NotFound
        found = find_refunds(platform().database, caller, uuid, page)
        return shown(list_of(request.path, page, found, shown_refund, prefix="re"))

    return await serve(raw, service)


@router.get("/v1/refunds/{refund_id}")
async def get_refund(raw: fastapi.Request, refund_id: str) -> fastapi.Response:
    """Show a refund as it is now."""

    def service(_: Request, caller: Caller, __: RequestContext) -> Answer:
        found = platform().payments.store.find_refund(
            caller.merchant_id, caller.livemode, id_in_path("re", refund_id)
        )
        if found is None:
            raise NotFound
        return shown(found.as_json())

    return await serve(raw, service)
