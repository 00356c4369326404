"""What a merchant wants to be told by e-mail, and where."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import psycopg
from pydantic import AfterValidator

from paywright.clock import Clock
from paywright.db.connection import Database, Row
from paywright.db.sql import load
from paywright.errors import MerchantNotActive
from paywright.event import EventType, event_text
from paywright.http.fields import AnyText, RequestModel
from paywright.ids import IdSource, typeid
from paywright.merchants.create import is_email
from paywright.notifications.letters import SWITCHABLE, Kind, Recipient
from paywright.payments.models import Caller, RequestContext, to_json

_SQL = load(__file__)


def _checked(email: str) -> str:
    if not is_email(email):
        raise ValueError("this is no e-mail address")
    return email


class ChangeNotifications(RequestModel):
    """What is to change of them: what is left out stays. `email: null` is the merchant's own."""

    email: Annotated[AnyText, AfterValidator(_checked)] | None = None
    endpoint_disabled: bool | None = None
    dispute_opened: bool | None = None
    settlement_ready: bool | None = None
    api_key_created: bool | None = None


def shown(email: str | None, switched_off: Collection[str]) -> dict[str, Any]:
    """The preferences as the API shows them."""
    return {"email": email, **{str(kind): kind not in switched_off for kind in SWITCHABLE}}


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
    """Change preferences, with an audit row that tells all but the address.

    Where e-mails go elsewhere from now on, the address of until now is told.
    Raise MerchantNotActive for a caller that may act no more.
    """
    changes_email = "email" in wanted.model_fields_set
    now = clock.now()
    with database.transaction() as connection:
        mine = {"merchant_id": caller.merchant_id, "api_key_id": caller.api_key_id}
        before = connection.execute(_SQL["lock"], mine).fetchone()
        if before is None:
            raise MerchantNotActive
        email = _chosen(connection, before, wanted.email, pii_key)
        off, changes = _switched(set(before["notifications_off"]), wanted)
        connection.execute(
            _SQL["change"],
            {
                "merchant_id": caller.merchant_id,
                "notifications_off": sorted(off),
                "changes_email": changes_email,
                "email": email,
                "pii_key": pii_key,
                "audit_id": ids.new(),
                "actor_id": typeid("key", caller.api_key_id),
                "changes": to_json(changes | ({"email": "changed"} if changes_email else {})),
                "ip_address": context.ip_address,
                "user_agent": context.user_agent,
                "trace_id": context.trace_id,
                "now": now,
            },
        )
        if changes_email and _is_another(connection, before, email, pii_key):
            told = _told_to_former(ids.new(), before, caller, now) | {"trace_id": context.trace_id}
            connection.execute(_SQL["tell_former"], told)


def _chosen(
    connection: psycopg.Connection[Row], before: Row, wanted: str | None, pii_key: str
) -> str | None:
    """The address to keep; None for the own one: kept as another, it would be mailed twice."""
    if wanted is None or wanted == _decrypted(connection, before["own_encrypted"], pii_key):
        return None
    return wanted


def _is_another(
    connection: psycopg.Connection[Row], before: Row, email: str | None, pii_key: str
) -> bool:
    """Whether e-mails go to another address than before; not where nobody can tell that one."""
    present = _decrypted(connection, before["present_encrypted"], pii_key)
    if present is None:
        return False
    return present != (email or _decrypted(connection, before["own_encrypted"], pii_key))


def _decrypted(connection: psycopg.Connection[Row], encrypted: bytes, pii_key: str) -> str | None:
    """An address; None where it is damaged, which keeps nobody from setting another one."""
    try:
        with connection.transaction():
            parameters = {"encrypted": encrypted, "pii_key": pii_key}
            row = connection.execute(_SQL["decrypt"], parameters).fetchone()
    except psycopg.errors.ExternalRoutineInvocationException:
        return None
    assert row is not None
    return str(row["address"])


def _told_to_former(event_id: UUID, before: Row, caller: Caller, now: datetime) -> dict[str, Any]:
    """The event about a changed address, and the letter that the former one is to get."""
    sequence = before["sequence"] + 1
    merchant = {
        "id": typeid("mer", caller.merchant_id),
        "object": "merchant",
        "changed_by": typeid("key", caller.api_key_id),
    }
    return {
        "merchant_id": caller.merchant_id,
        "livemode": caller.livemode,
        "event_id": event_id,
        "event_type": EventType.EMAIL_CHANGED,
        "sequence": sequence,
        "payload": event_text(
            event_id,
            EventType.EMAIL_CHANGED,
            created_at=now,
            livemode=caller.livemode,
            sequence=sequence,
            about=to_json(merchant),
        ),
        "kind": str(Kind.EMAIL_CHANGED),
        "recipient": str(Recipient.FORMER),
        "former_encrypted": before["present_encrypted"],
        "now": now,
    }


def _switched(
    was_off: set[str], wanted: ChangeNotifications
) -> tuple[set[str], dict[str, list[bool]]]:
    """The kinds that are off from now on, and what changes: on before, and on after."""
    now_off = was_off & set(SWITCHABLE)
    for kind in SWITCHABLE:
        on = getattr(wanted, kind)
        if on is not None:
            now_off = now_off - {kind} if on else now_off | {str(kind)}
    changes = {
        str(kind): [kind not in was_off, kind not in now_off]
        for kind in SWITCHABLE
        if (kind in was_off) != (kind in now_off)
    }
    return now_off, changes
