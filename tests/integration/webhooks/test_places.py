"""Places: how many environments send to an endpoint, and to a merchant, at a time."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest

from paywright import db
from paywright.cache import Cache
from paywright.webhooks.deliver import deliver_batch
from paywright.webhooks.places import PLACES, Places
from paywright.webhooks.store import PostgresDeliveryStore
from tests.integration.webhooks.conftest import PII_KEY, Merchant, hang
from tests.receivers import Receiver


def test_one_environment_sends_to_an_endpoint_that_failed_last(
    merchant: Merchant, receiver: Receiver, valkey: Cache
) -> None:
    merchant.set_endpoint(failing_since=merchant.clock.now(), failures=1)
    endpoint = merchant.endpoint()["id"]
    elsewhere = Places(valkey, lease_s=35)
    assert elsewhere.take({endpoint: False}) == {endpoint}
    assert merchant.deliver(merchant.message()) == []
    assert receiver.received == []
    assert len(merchant.waiting()) == 1
    elsewhere.leave([endpoint])
    merchant.deliver(merchant.message())
    assert len(receiver.received) == 1


def test_a_merchant_holds_no_more_environments_with_many_endpoints_than_with_one(
    merchant: Merchant, receiver: Receiver, new_merchant: Callable[[str], Merchant], valkey: Cache
) -> None:
    first, second = (Places(valkey, lease_s=35) for _ in range(2))
    for elsewhere in (first, second):
        assert elsewhere.take({merchant.id: True}) == {merchant.id}
    other = new_merchant(receiver.url)
    merchant.deliver(merchant.message(), other.message())
    assert [each["status"] for each in other.deliveries()] == ["delivered"]
    assert [each["status"] for each in merchant.deliveries()] == ["pending"]
    endpoint = merchant.endpoint()["id"]
    assert first.take({endpoint: False}) == {endpoint}, "no place is kept where nothing is sent"
    first.leave([endpoint, merchant.id])
    merchant.deliver(merchant.message())
    assert [each["status"] for each in merchant.deliveries()] == ["pending", "delivered"]
    assert first.take({merchant.id: True}) == {merchant.id}, "it is left when all is sent"


def test_a_few_environments_send_to_one_that_answers(valkey: Cache) -> None:
    endpoint = uuid.uuid4()
    first, second, third = (Places(valkey, lease_s=35) for _ in range(3))
    assert first.take({endpoint: True}) == second.take({endpoint: True}) == {endpoint}
    assert third.take({endpoint: True}) == set()
    assert first.take({endpoint: True}) == {endpoint}, "its own place is its own"
    first.leave([endpoint])
    assert third.take({endpoint: True}) == {endpoint}


def test_a_place_that_was_held_for_long_is_nobodys_for_a_while(
    merchant: Merchant,
    receiver: Receiver,
    new_merchant: Callable[[str], Merchant],
) -> None:
    other = new_merchant(receiver.url)
    for _ in range(PLACES):  # each time another endpoint of it
        receiver.replies.append(hang)
        merchant.deliver(merchant.message(), timeout_s=1.2)
        merchant.set_endpoint(slow=False)
        merchant.owner.execute(
            "UPDATE webhook_endpoints SET enabled = false WHERE merchant_id = %s", [merchant.id]
        )
        merchant.add_endpoint(receiver.url)
    received = len(receiver.received)
    merchant.deliver(merchant.message(), other.message())
    assert len(receiver.received) == received + 1
    assert [each["status"] for each in other.deliveries()] == ["delivered"]
    assert {each["status"] for each in merchant.deliveries()} == {"pending"}
    assert [each["attempts"] for each in merchant.deliveries()] == [0, 0, 0]


def test_a_forfeited_place_comes_back(valkey: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paywright.webhooks.places.FORFEIT_S", 1.0)
    endpoint = uuid.uuid4()
    places = Places(valkey, lease_s=35)
    for _ in range(PLACES):
        assert places.take({endpoint: True}) == {endpoint}
        places.forfeit([endpoint])
    assert places.take({endpoint: True}) == set()
    give_up = time.monotonic() + 20
    while places.take({endpoint: True}) != {endpoint}:
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_a_place_is_given_up_when_its_environment_is_gone(valkey: Cache) -> None:
    endpoint = uuid.uuid4()
    Places(valkey, lease_s=0.01).take({endpoint: False})
    time.sleep(0.05)
    assert Places(valkey, lease_s=35).take({endpoint: False}) == {endpoint}


def test_places_are_left_whatever_happens(merchant: Merchant, valkey: Cache) -> None:
    class Failing(PostgresDeliveryStore):
        def record(self, *_: object) -> None:
            raise db.Lost("away")

    endpoint = merchant.endpoint()["id"]
    store = Failing(merchant.store._database, merchant.store._ids, merchant.clock, PII_KEY)
    with pytest.raises(db.Lost):
        deliver_batch([merchant.message()], replace(merchant.means, store=store), time_left_s=9)
    assert Places(valkey, lease_s=35).take({endpoint: False}) == {endpoint}
