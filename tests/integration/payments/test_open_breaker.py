"""While a processor is left alone nothing is asked of it, and nothing is written."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from paywright.processors.conduct import Conduct
from paywright.wiring import Platform
from tests.api import Api
from tests.refusals import contents


def test_an_open_breaker_refuses_before_anything_is_written(
    api: Api, platform: Platform, owner: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    card = api.card()
    held, taken = (api.pay(card, 500, capture=capture).json["id"] for capture in (False, True))
    monkeypatch.setattr(platform.processor, "_conduct", Conduct(timeout_s=0.01, failure_rate=1))
    for _ in range(5):
        assert api.pay(card, 500).json["pending_reason"] == "processor_unknown"
    order = {"amount": 500, "currency": "usd", "payment_method_id": card}
    before = contents(owner)
    for path, body in {
        "/v1/payments": order,
        f"/v1/payments/{held}/capture": {},
        f"/v1/payments/{held}/void": {},
        f"/v1/payments/{taken}/refund": {},
    }.items():
        reply = api.post(path, body, key=path)
        assert (reply.status, reply.json["error"]["code"]) == (503, "processor_unavailable"), path
        assert contents(owner) == before, path


@pytest.mark.parametrize(
    "number", ["4000000000003006", "4000000000003014", "4000000000003022", "4000000000003048"]
)
def test_no_test_card_closes_a_processor_for_others(
    number: str, api: Api, new_merchant: Any
) -> None:
    card, other = api.card(number), Api(new_merchant())
    for _ in range(6):
        assert api.pay(card, 500).json["pending_reason"] == "processor_unknown"
    assert other.pay(other.card(), 500).status == 201
