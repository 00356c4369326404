"""Whose turn it is with what is due: each endpoint, sick or well, and each merchant gets one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler

import pytest

from paywright.webhooks.due import AT_ONCE_EACH, FOR_THE_ILL, FOR_THE_NEW
from paywright.webhooks.store import Due
from tests.integration.webhooks.conftest import Merchant, finish
from tests.receivers import Receiver, status
from tests.waiting import PATIENCE_S, until


def _take(
    merchant: Merchant,
    under_way: Sequence[Due] = (),
    *,
    limit: int = 64,
    for_the_ill: int = FOR_THE_ILL,
    for_the_new: int = FOR_THE_NEW,
) -> list[Due]:
    return merchant.store.take(
        limit=limit,
        for_the_ill=for_the_ill,
        for_the_new=for_the_new,
        at_once=AT_ONCE_EACH,
        under_way=[each.delivery for each in under_way],
        lease_s=60,
    )


def test_an_endpoint_of_which_nothing_is_known_has_one_request_at_a_time(
    merchant: Merchant, receiver: Receiver
) -> None:
    merchant.set_endpoint(slow=True, answered_at=None)
    merchant.deliver(*[merchant.message() for _ in range(5)])
    found = _take(merchant)
    assert len(found) == 1
    assert _take(merchant, found) == []
    merchant.clock.advance(seconds=100)
    assert len(_take(merchant)) == 1, "should nobody tell what came of it"


def test_what_one_has_taken_no_other_takes(merchant: Merchant, receiver: Receiver) -> None:
    merchant.set_endpoint(slow=True, answered_at=merchant.clock.now())
    merchant.deliver(*[merchant.message() for _ in range(3)])
    assert len(_take(merchant, limit=2)) == 2
    assert len(_take(merchant)) == 1
    assert _take(merchant) == []


def test_one_that_answers_has_several(merchant: Merchant, receiver: Receiver) -> None:
    merchant.set_endpoint(slow=True, answered_at=merchant.clock.now())
    merchant.deliver(*[merchant.message() for _ in range(12)])
    found = _take(merchant, limit=3)
    assert len(_take(merchant, found)) == AT_ONCE_EACH - len(found) == AT_ONCE_EACH - 3


def test_those_that_fail_do_not_take_all_there_is(
    merchant: Merchant, receiver: Receiver, new_merchant: Callable[[str], Merchant]
) -> None:
    broken = [new_merchant(receiver.url) for _ in range(3)]
    for each in broken:
        each.set_endpoint(slow=True, answered_at=None)
        each.deliver(each.message())
    merchant.set_endpoint(slow=True, answered_at=merchant.clock.now())
    merchant.deliver(merchant.message())
    merchant.set_endpoint(slow=False)
    merchant.clock.advance(seconds=1)
    first = _take(merchant, limit=3, for_the_ill=2)
    assert len(first) == 3
    assert first[0].delivery.event.merchant_id in {merchant.id, *(each.id for each in broken)}
    assert merchant.id in {each.delivery.event.merchant_id for each in first}


def test_however_much_is_due_at_slow_ones_half_of_the_threads_are_for_others(
    merchant: Merchant,
    new_receiver: Callable[[], Receiver],
    new_merchant: Callable[[str], Merchant],
) -> None:
    hanging, well = new_receiver(), new_receiver()
    go_on = threading.Event()

    def hang(handler: BaseHTTPRequestHandler) -> None:
        go_on.wait(PATIENCE_S)
        status(200)(handler)

    hanging.replies.extend([hang] * 64)
    merchant.set_endpoint(url=hanging.url)
    for _ in range(7):
        merchant.add_endpoint(hanging.url)
    merchant.set_endpoint(slow=True, answered_at=merchant.clock.now())
    merchant.deliver(*[merchant.message() for _ in range(8)])
    assert len(merchant.waiting()) == 64
    due = merchant.due(timeout_s=PATIENCE_S)

    def turn(is_so: Callable[[], bool]) -> bool:
        due.rest(0.1)
        due.step()
        return is_so()

    try:
        until(lambda: turn(lambda: len(hanging.received) == 32), "what slow ones may hold")
        other = new_merchant(well.url)
        other.set_endpoint(slow=True)
        other.deliver(other.message())
        other.set_endpoint(slow=False)
        other.clock.advance(seconds=1)
        until(lambda: turn(lambda: other.deliveries()[0]["status"] == "delivered"), "a well one")
        assert len(hanging.received) == 32
    finally:
        go_on.set()
        finish(due, PATIENCE_S)


@pytest.mark.parametrize("slow", [True, False])
def test_no_merchant_waits_behind_all_that_another_has(
    merchant: Merchant,
    receiver: Receiver,
    new_merchant: Callable[[str], Merchant],
    *,
    slow: bool,
) -> None:
    for _ in range(2):
        merchant.add_endpoint(receiver.url)
    merchant.set_endpoint(slow=True, answered_at=merchant.clock.now())
    merchant.deliver(*[merchant.message() for _ in range(8)])
    other = new_merchant(receiver.url)
    other.set_endpoint(slow=True)
    merchant.clock.advance(seconds=1)
    other.clock.advance(seconds=1)
    other.deliver(*[other.message() for _ in range(3)])
    for each in (merchant, other):
        each.set_endpoint(slow=slow)
    taken = _take(merchant, limit=4, for_the_ill=4)
    assert other.id in {each.delivery.event.merchant_id for each in taken}
    busy = [each for each in taken if each.delivery.event.merchant_id == merchant.id]
    (first,) = _take(merchant, busy, limit=1)
    assert first.delivery.event.merchant_id == other.id, "who has nothing under way comes first"
