"""The refunds of one payment, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from paywright.db import Database, load, payment_rows
from paywright.http.lists import Found, Page, found_of
from paywright.payments.models import Caller

_SQL = load(__file__)


def find_refunds(database: Database, caller: Caller, payment_id: UUID, page: Page) -> Found:
    """The refunds of a page whose filter is `status`."""
    parameters = page.parameters() | {
        "merchant_id": caller.merchant_id,
        "livemode": caller.livemode,
        "transaction_id": payment_id,
    }
    return found_of(database.all(_SQL["newer" if page.is_backwards else "older"], parameters))


def shown_refund(row: Mapping[str, Any]) -> dict[str, Any]:
    """The refund object of a row."""
    return payment_rows.refund(dict(row)).as_json()
