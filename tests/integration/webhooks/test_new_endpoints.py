"""Endpoints of which nothing is known yet: served soon, and where they keep nobody waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from paywright.db import Database
from paywright.ids import UuidSource, typeid
from paywright.money import Currency
from paywright.payments.models import Caller, RequestContext
from paywright.webhooks.due import AT_ONCE_EACH, FOR_THE_ILL, FOR_THE_NEW
from paywright.webhooks.endpoints import Endpoints
from tests.integration.webhooks.conftest import PII_KEY, Merchant, finish
from tests.receivers import Receiver, status

_LIMIT_S = 60.0


def test_one_is_sent_to_beside_first_attempts_until_it_has_answered(
    merchant: Merchant, receiver: Receiver
) -> None:
    merchant.set_endpoint(answered_at=None)
    receiver.replies.append(status(500))
    assert merchant.deliver(merchant.message()) == []
    assert receiver.received == [], "whoever waits there waits for others as well"
    (waiting,) = merchant.waiting()
    assert waiting["due_at"] <= merchant.clock.now(), "it is due at once"
    merchant.deliver_due()
    merchant.deliver(merchant.message())
    assert len(receiver.received) == 1, "500 is no answer that it wants"
    merchant.deliver_due()
    assert len(receiver.received) == 2
    merchant.deliver(merchant.message())
    assert len(receiver.received) == 3
    assert [each["attempts"] for each in merchant.deliveries()] == [1, 1, 1]


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("changes", [{"url": "http://127.0.0.1:9/other"}, {"enabled": True}])
def test_one_that_begins_anew_is_new_and_as_slow_as_it_was(
    changes: dict[str, Any], slow: bool, merchant: Merchant, app_database: Database
) -> None:
    merchant.set_endpoint(slow=slow, enabled="url" in changes)
    key = merchant.owner.execute("SELECT id FROM api_keys WHERE merchant_id = %s", [merchant.id])
    ((key_id,),) = key.fetchall()
    Endpoints(
        app_database, PII_KEY, merchant.clock, UuidSource(merchant.clock), lambda _: None
    ).change(
        Caller(merchant.id, key_id, False, Currency.of("usd"), None, ()),
        merchant.endpoint()["id"],
        changes,
        RequestContext(None, b"", "trace-1", None, "tests"),
    )
    after = merchant.endpoint()
    assert (after["answered_at"], after["slow"]) == (None, slow)
    merchant.owner.execute("DELETE FROM outbox WHERE merchant_id = %s", [merchant.id])


def test_they_have_places_of_their_own(
    merchant: Merchant, receiver: Receiver, new_merchant: Callable[[str], Merchant]
) -> None:
    failing, new, slow = (new_merchant(receiver.url) for _ in range(3))
    for each in (failing, new, slow):
        each.add_endpoint(receiver.url)
        each.set_endpoint(answered_at=None)
        each.deliver(each.message())
    failing.set_endpoint(failing_since=failing.clock.now(), failures=1)
    slow.set_endpoint(slow=True)
    merchant.set_endpoint(slow=True)
    merchant.deliver(merchant.message())
    merchant.set_endpoint(slow=False)
    merchant.clock.advance(seconds=1)

    def taken(*, for_the_ill: int, for_the_new: int) -> list[Any]:
        found = merchant.store.take(
            limit=64,
            for_the_ill=for_the_ill,
            for_the_new=for_the_new,
            at_once=AT_ONCE_EACH,
            under_way=[],
            lease_s=0,
        )
        return sorted(typeid("mer", each.delivery.event.merchant_id) for each in found)

    def ids(*merchants: Merchant) -> list[str]:
        return sorted(typeid("mer", each.id) for each in merchants)

    assert taken(for_the_ill=0, for_the_new=0) == ids(merchant)
    assert taken(for_the_ill=0, for_the_new=1) == ids(merchant, new)
    assert taken(for_the_ill=0, for_the_new=9) == ids(merchant, new, new)
    assert taken(for_the_ill=9, for_the_new=0) == ids(merchant, failing, failing, slow, slow)


def test_many_that_hang_keep_no_other_waiting(
    merchant: Merchant,
    new_receiver: Callable[[], Receiver],
    new_merchant: Callable[[str], Merchant],
) -> None:
    hanging, well = new_receiver(), new_receiver()
    go_on = threading.Event()

    def hang(handler: BaseHTTPRequestHandler) -> None:
        go_on.wait(_LIMIT_S)
        status(200)(handler)

    hanging.replies.extend([hang] * 200)
    merchant.set_endpoint(url=hanging.url)
    for _ in range(FOR_THE_ILL + FOR_THE_NEW):  # with the first one more than there are places
        merchant.add_endpoint(hanging.url)
    merchant.set_endpoint(answered_at=None)
    merchant.deliver(merchant.message())
    due = merchant.due(timeout_s=_LIMIT_S)

    def until(is_so: Callable[[], bool]) -> None:
        give_up = time.monotonic() + _LIMIT_S
        while not is_so():
            assert time.monotonic() < give_up
            due.rest(0.1)
            due.step()

    try:
        until(lambda: len(hanging.received) >= FOR_THE_NEW)
        for answered_at in (None, merchant.clock.now()):
            other = new_merchant(well.url)
            other.set_endpoint(slow=answered_at is not None)
            other.set_endpoint(answered_at=answered_at)
            other.deliver(other.message())
            other.set_endpoint(slow=False)
            until(lambda: [each["status"] for each in other.deliveries()] == ["delivered"])  # noqa: B023
        assert not go_on.is_set()
        assert {each["status"] for each in merchant.deliveries()} == {"pending"}
        until(lambda: len(hanging.received) == FOR_THE_ILL + FOR_THE_NEW)
    finally:
        go_on.set()
        finish(due, _LIMIT_S)
    assert len(hanging.received) == FOR_THE_ILL + FOR_THE_NEW
