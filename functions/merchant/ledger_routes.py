"""What a merchant reads of its ledger: balances and entries."""

from __future__ import annotations

import fastapi

from paywright.errors import InvalidField
from paywright.http.entry_list import find_entries, shown_entry
from paywright.http.lists import (
    choice_filter,
    currency_filter,
    list_of,
    moment,
    page_of,
    parameters_of,
    typeid_filter,
)
from paywright.http.messages import Request
from paywright.ledger.balances import MERCHANT_ACCOUNTS, balance_object, balances, balances_at
from paywright.payments.models import Answer, Caller, RequestContext
from paywright.wiring import platform
from serving import serve, shown

router = fastapi.APIRouter()

ENTRY_FILTERS = {
    "account_type": choice_filter(MERCHANT_ACCOUNTS),
    "currency": currency_filter,
    "payment_id": typeid_filter("txn"),
}


@router.get("/v1/balance")
async def get_balance(raw: fastapi.Request) -> fastapi.Response:
    """Show the balance, exact at this moment or as it was at another."""

    def service(_: Request, caller: Caller, __: RequestContext) -> Answer:
        given = parameters_of(raw.query_params.multi_items(), ("as_of",))
        database, clock = platform().database, platform().clock
        if "as_of" in given:
            as_of = moment("as_of", given["as_of"])
            if as_of > clock.now():
                raise InvalidField("as_of: not in the future.", param="as_of")
            found = balances_at(database, caller.merchant_id, livemode=caller.livemode, as_of=as_of)
        else:
            as_of = None
            found = balances(database, caller.merchant_id, livemode=caller.livemode)
        return shown(
            balance_object(
                found,
                settlement_currency=caller.settlement_currency.code,
                livemode=caller.livemode,
                as_of=as_of,
            )
        )

    return await serve(raw, service)


@router.get("/v1/ledger/entries")
async def list_ledger_entries(raw: fastapi.Request) -> fastapi.Response:
    """List what was posted to the merchant's accounts, the newest first."""

    def service(request: Request, caller: Caller, _: RequestContext) -> Answer:
        page = page_of(raw.query_params.multi_items(), prefix="le", filters=ENTRY_FILTERS)
        found = find_entries(platform().database, caller, page)
        return shown(list_of(request.path, page, found, shown_entry, prefix="le"))

    return await serve(raw, service)
