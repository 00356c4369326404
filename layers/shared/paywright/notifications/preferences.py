"""What a merchant wants to be told by e-mail, and where."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any

from pydantic import AfterValidator

from paywright.clock import Clock
from paywright.db.connection import Database
from paywright.db.sql import load
from paywright.http.fields import RequestModel
from paywright.ids import IdSource, typeid
from paywright.merchants.create import is_email
from paywright.notifications.letters import Kind
from paywright.payments.models import Caller, RequestContext, to_json

_SQL = load(__file__)


def _checked(email: str) -> str:
    if not is_email(email):
        raise ValueError("this is no e-mail address")
    return email


class ChangeNotifications(RequestModel):
    """What is to change of them: what is left out stays. `email: null` is the merchant's own."""

    email: Annotated[str, AfterValidator(_checked)] | None = None
    endpoint_disabled: bool | None = None
    dispute_opened: bool | None = None
    settlement_ready: bool | None = None
    api_key_created: bool | None = None


def shown(email: str | None, switched_off: Collection[str]) -> dict[str, Any]:
    """The preferences as the API shows them."""
    return {"email": email, **{str(kind): kind not in switched_off for kind in Kind}}


def change(
    database: Database,
    caller: Caller,
    wanted: ChangeNotifications,
    context: RequestContext,
    *,
    pii_key: str,
    clock: Clock,
    ids: IdSource,
) -> None:
    """Change preferences, with an audit row that tells all but the address."""
    changes_email = "email" in wanted.model_fields_set
    with database.transaction() as connection:
        before = connection.execute(_SQL["lock"], {"merchant_id": caller.merchant_id}).fetchone()
        assert before is not None, "an API key belongs to a merchant"
        off, changes = _switched(set(before["notifications_off"]), wanted)
        connection.execute(
            _SQL["change"],
            {
                "merchant_id": caller.merchant_id,
                "notifications_off": sorted(off),
                "changes_email": changes_email,
                "email": wanted.email,
                "pii_key": pii_key,
                "audit_id": ids.new(),
                "actor_id": typeid("key", caller.api_key_id),
                "changes": to_json(changes | ({"email": "changed"} if changes_email else {})),
                "ip_address": context.ip_address,
                "user_agent": context.user_agent,
                "trace_id": context.trace_id,
                "now": clock.now(),
            },
        )


def _switched(
    was_off: set[str], wanted: ChangeNotifications
) -> tuple[set[str], dict[str, list[bool]]]:
    """The kinds that are off from now on, and what changes: on before, and on after."""
    now_off = was_off & set(Kind)
    for kind in Kind:
        on = getattr(wanted, kind)
        if on is not None:
            now_off = now_off - {kind} if on else now_off | {str(kind)}
    changes = {
        str(kind): [kind not in was_off, kind not in now_off]
        for kind in Kind
        if (kind in was_off) != (kind in now_off)
    }
    return now_off, changes
