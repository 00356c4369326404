"""Many requests at the same moment, through the gateway of the running system."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from cli.api import Answer, Merchant
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.xdist_group("e2e")

_CROWD = 50


def at_once(request: Callable[[], Answer]) -> list[Answer]:
    """The answers to as many of it as a crowd has, sent at the same moment."""
    start = threading.Barrier(_CROWD)

    def send(_: int) -> Answer:
        start.wait(timeout=PATIENCE_S)
        return request()

    with ThreadPoolExecutor(_CROWD) as pool:
        return list(pool.map(send, range(_CROWD)))


def test_fifty_refunds_of_two_percent_at_once_all_succeed(paywright) -> None:
    api: Merchant = paywright.api
    order = {
        "amount": 1000,
        "currency": "usd",
        "payment_method_id": paywright.demo.payment_method_id,
    }
    path = f"/v1/payments/{api.created('/v1/payments', order)['id']}"
    answers = at_once(lambda: api.post(f"{path}/refund", {"amount": 20}))
    assert Counter(each.status for each in answers) == {201: _CROWD}
    assert len({each.body["refund"]["id"] for each in answers}) == _CROWD
    after = api.get(path).body
    assert (after["status"], after["refunded_amount"]) == ("refunded", 1000)


def test_fifty_reads_at_once_are_all_answered(paywright) -> None:
    api: Merchant = paywright.api
    for path in ("/v1/payments?limit=1", "/v1/balance"):
        answers = at_once(partial(api.get, path))
        assert Counter(each.status for each in answers) == {200: _CROWD}, path
