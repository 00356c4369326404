"""A merchant as it sees itself."""

from __future__ import annotations

from typing import Any

from paywright.clock import rfc3339
from paywright.db.connection import Database
from paywright.db.sql import load
from paywright.ids import typeid
from paywright.merchants.decrypted import decrypted
from paywright.notifications.preferences import shown
from paywright.payments.models import Caller

_SQL = load(__file__)


def profile(database: Database, pii_key: str, caller: Caller) -> dict[str, Any]:
    """The merchant object of the API; `webhook_url` is null when nothing is sent there any more.

    So is a name or an address that cannot be decrypted.
    """
    row = database.one(
        _SQL["find_profile"],
        {"merchant_id": caller.merchant_id, "livemode": caller.livemode},
    )
    assert row is not None, "an API key belongs to a merchant"

    def read(field: str) -> str | None:
        encrypted = row[f"{field}_encrypted"]
        if encrypted is None:
            return None
        return decrypted(database, pii_key, encrypted, merchant_id=caller.merchant_id, field=field)

    return {
        "id": typeid("mer", row["id"]),
        "object": "merchant",
        "name": read("name"),
        "email": read("email"),
        "settlement_currency": row["settlement_currency"],
        "fx_spread_bps": row["fx_spread_bps"],
        "status": row["status"],
        "webhook_url": row["webhook_url"],
        "notifications": shown(read("notification_email"), row["notifications_off"]),
        "created_at": rfc3339(row["created_at"]),
        "livemode": caller.livemode,
    }
