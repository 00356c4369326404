"""Payments of every kind, through the API: what verification holds against each other agrees."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest

from paywright.ledger.verify import verify
from paywright.wiring import Platform
from tests.api import Api


def expect(status: int, reply: Any) -> Any:
    assert reply.status == status, reply.text
    return reply.json


@pytest.mark.parametrize("currency", ["usd", "eur"])
def test_all_that_can_be_done_with_payments(
    currency: str,
    api: Api,
    merchant_id: UUID,
    platform: Platform,
    owner: psycopg.Connection[Any],
    sequence: Callable[[], None],
) -> None:
    card = api.card()

    def pay(amount: int, **fields: Any) -> str:
        paid = expect(201, api.pay(card, amount, currency=currency, **fields))
        return f"/v1/payments/{paid['id']}"

    def problems() -> list[str]:
        found = verify(platform.database, now=datetime.now(UTC)).problems
        return [str(each) for each in found if each.merchant_id == merchant_id]

    for refund in (1_000, 333, 667):
        expect(201, api.post(f"{pay(2_000)}/refund", {"amount": refund}))
    sold = pay(1_001)
    for part in (500, 500, 1):
        expect(201, api.post(f"{sold}/refund", {"amount": part}))
    held = pay(5_000, capture=False)
    assert problems() == []
    expect(200, api.post(f"{held}/capture", {"amount": 3_000}))
    expect(200, api.post(f"{pay(700, capture=False)}/void"))
    many = pay(900, capture_method="manual_multiple")
    expect(200, api.post(f"{many}/capture", {"amount": 300, "final": False}))
    assert problems() == []
    expect(200, api.post(f"{many}/capture", {"amount": 200, "final": False}))
    expect(200, api.post(f"{many}/void"))
    expect(402, api.pay(api.card("4000000000000002"), 100, currency=currency))
    expect(201, api.pay(api.card("4000000000003006"), 100, currency=currency))
    sequence()
    assert problems() == []
    owner.execute(
        "UPDATE transactions SET refunded_amount = refunded_amount - 1"
        " WHERE merchant_id = %s AND refunded_amount = 333",
        [merchant_id],
    )
    (problem,) = problems()
    assert problem.endswith("its refunded_amount is 332, in the ledger it is 333")
