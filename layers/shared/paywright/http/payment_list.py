"""A merchant's payments, a page at a time, read over the primary key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paywright.db import Database, load, payment_rows
from paywright.http.lists import Found, Page, found_of
from paywright.payments.models import PENDING_UNKNOWN, Caller

_SQL = load(__file__)


def find_payments(database: Database, caller: Caller, page: Page) -> Found:
    """The payments of a page whose filters are `status`, `currency` and `customer_id`."""
    parameters = page.parameters() | {
        "merchant_id": caller.merchant_id,
        "livemode": caller.livemode,
        "unknown": PENDING_UNKNOWN,
    }
    return found_of(database.all(_SQL["newer" if page.is_backwards else "older"], parameters))


def shown_payment(row: Mapping[str, Any]) -> dict[str, Any]:
    """The payment object of a row."""
    return payment_rows.payment(dict(row)).as_json()
