"""Many requests at the same moment, through the gateway of the running system."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from cli.api import Answer, Merchant
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.xdist_group("e2e")

_CROWD = 50


def test_fifty_refunds_of_two_percent_at_once_all_succeed(paywright) -> None:
    api: Merchant = paywright.api
    order = {
        "amount": 1000,
        "currency": "usd",
        "payment_method_id": paywright.demo.payment_method_id,
    }
    path = f"/v1/payments/{api.created('/v1/payments', order)['id']}"
    start = threading.Barrier(_CROWD)

    def refund(_: int) -> Answer:
        start.wait(timeout=PATIENCE_S)
        return api.post(f"{path}/refund", {"amount": 20})

    with ThreadPoolExecutor(_CROWD) as pool:
        answers = list(pool.map(refund, range(_CROWD)))
    assert Counter(each.status for each in answers) == {201: _CROWD}
    assert len({each.body["refund"]["id"] for each in answers}) == _CROWD
    after = api.get(path).body
    assert (after["status"], after["refunded_amount"]) == ("refunded", 1000)
