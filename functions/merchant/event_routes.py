"""Events of the last 30 days, one and many."""

from __future__ import annotations

import fastapi

from paywright.errors import NotFound
from paywright.http.event_list import (
    find_event,
    find_events,
    object_filter,
    shown_event,
    type_filter,
)
from paywright.http.lists import list_of, page_of
from paywright.http.messages import Request
from paywright.payments.models import Answer, Caller, RequestContext
from paywright.wiring import platform
from serving import id_in_path, serve, shown

router = fastapi.APIRouter()

EVENT_FILTERS = {"type": type_filter, "object_id": object_filter}


@router.get("/v1/events")
async def list_events(raw: fastapi.Request) -> fastapi.Response:
    """List the events of the last 30 days, the newest first."""

    def service(request: Request, caller: Caller, _: RequestContext) -> Answer:
        page = page_of(raw.query_params.multi_items(), prefix="evt", filters=EVENT_FILTERS)
        wired = platform()
        found = find_events(wired.database, caller, page, wired.clock.now())
        return shown(list_of(request.path, page, found, shown_event, prefix="evt"))

    return await serve(raw, service)


@router.get("/v1/events/{event_id}")
async def get_event(raw: fastapi.Request, event_id: str) -> fastapi.Response:
    """Show an event as it was sent, for 30 days."""

    def service(_: Request, caller: Caller, __: RequestContext) -> Answer:
        wired = platform()
        found = find_event(wired.database, caller, id_in_path("evt", event_id), wired.clock.now())
        if found is None:
            raise NotFound
        return Answer(200, found)

    return await serve(raw, service)
