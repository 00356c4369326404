"""Refused requests in the audit log: who asked for what, and what was said.

Only what a merchant has to look into is noted, once let in: neither who comes too often, nor a
request that is only too early, for its own key's answer or for another operation's, nor what fails
on our side. No merchant can delete a row, and who comes again when told to would write thousands.
"""

from __future__ import annotations

import re
from contextlib import suppress
from uuid import UUID

import psycopg

from paywright.clock import Clock
from paywright.db import Database, load
from paywright.errors import (
    IdempotencyKeyInProgress,
    OperationInProgress,
    PaymentMethodDeclined,
    PaywrightError,
    ServiceUnavailable,
)
from paywright.http.messages import Request
from paywright.ids import IdSource, parse_typeid, typeid
from paywright.payments.models import Caller, RequestContext, to_json

_SQL = load(__file__)
_ENTITIES = {
    "txn": "transaction",
    "cus": "customer",
    "fxq": "fx_quote",
    "re": "refund",
    "whe": "webhook_endpoint",
}
# A decline has its operation's row.
_NOT_NOTED = (IdempotencyKeyInProgress, OperationInProgress, PaymentMethodDeclined)
_ID = re.compile(r"/((txn|cus|fxq|re|whe)_[0-9a-z]{26})(?:/|$)")


class Refusals:
    """Writes refusals down; a database that is away does not turn one into another error."""

    def __init__(self, database: Database, clock: Clock, ids: IdSource) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    def note(
        self, request: Request, caller: Caller, context: RequestContext, refusal: PaywrightError
    ) -> None:
        """Write one row, unless the request is only early or came while something is away."""
        if type(refusal).status >= 500 or isinstance(refusal, _NOT_NOTED):
            return
        entity_type, entity_id = _entity(request, caller)
        said = {"request": f"{request.method} {request.shown_path}", "code": refusal.code}
        if refusal.param is not None:
            said["param"] = refusal.param
        parameters = {
            "merchant_id": caller.merchant_id,
            "audit_id": self._ids.new(),
            "entity_type": entity_type,
            "entity_id": entity_id,
            "actor_id": typeid("key", caller.api_key_id),
            "changes": to_json(said),
            "ip_address": context.ip_address,
            "user_agent": context.user_agent,
            "trace_id": context.trace_id,
            "now": self._clock.now(),
        }
        with suppress(ServiceUnavailable, psycopg.errors.CheckViolation):
            self._database.run(_SQL["note_refusal"], parameters)


def _entity(request: Request, caller: Caller) -> tuple[str, UUID]:
    """What the path names, else the merchant itself."""
    found = _ID.search(request.path)
    if found is not None:
        uuid = parse_typeid(found[2], found[1])
        if uuid is not None:
            return _ENTITIES[found[2]], uuid
    return "merchant", caller.merchant_id
