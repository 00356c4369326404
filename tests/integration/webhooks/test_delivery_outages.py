"""Deliveries while Valkey or the database is away, or their environment dies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from paywright import db
from paywright.cache import Cache
from paywright.db import Database
from paywright.webhooks.deliver import deliver_batch
from paywright.webhooks.due import DueDeliveries
from paywright.webhooks.places import Places
from paywright.webhooks.store import PostgresDeliveryStore
from tests.integration.webhooks.conftest import PII_KEY, Merchant, finish
from tests.receivers import Receiver, status


def test_without_valkey_all_are_delivered(merchant: Merchant, receiver: Receiver) -> None:
    away = Places(Cache("redis://127.0.0.1:1/0"), lease_s=35)
    deliver_batch(
        [merchant.message() for _ in range(3)], replace(merchant.means, places=away), time_left_s=9
    )
    assert len(receiver.received) == 3


def test_without_the_database_nothing_is_sent_and_all_comes_again(
    merchant: Merchant, receiver: Receiver
) -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none", connect_timeout_s=1)
    store = PostgresDeliveryStore(database, merchant.store._ids, merchant.clock, PII_KEY)
    with pytest.raises(db.Lost):
        deliver_batch([merchant.message()], replace(merchant.means, store=store), time_left_s=9)
    assert receiver.received == []
    merchant.deliver(merchant.message())
    assert len(receiver.received) == 1, "and no place is kept"


def test_a_crash_between_sending_and_recording_sends_the_same_id_again(
    merchant: Merchant, receiver: Receiver
) -> None:
    message = merchant.message()

    class Crash(BaseException):
        """The environment is gone."""

    class Crashing(PostgresDeliveryStore):
        def record(self, *_: object) -> None:
            raise Crash

    store = Crashing(merchant.store._database, merchant.store._ids, merchant.clock, PII_KEY)
    with pytest.raises(Crash):
        deliver_batch([message], replace(merchant.means, store=store), time_left_s=9)
    assert merchant.deliveries() == []
    merchant.deliver(message)
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert [delivery["status"] for delivery in merchant.deliveries()] == ["delivered"]


def test_a_database_that_goes_away_costs_no_outcome(merchant: Merchant, receiver: Receiver) -> None:
    receiver.replies.append(status(500))
    merchant.deliver(merchant.message())
    merchant.clock.advance(seconds=2)

    class Away(PostgresDeliveryStore):
        away = False

        def record(self, *arguments: Any) -> None:
            if self.away:
                raise db.Lost("away")
            super().record(*arguments)

    store = Away(merchant.store._database, merchant.store._ids, merchant.clock, PII_KEY)
    due = DueDeliveries(
        store, merchant.means.sender, merchant.graves, merchant.clock, merchant.means.wall
    )
    due.step()
    store.away = True
    with pytest.raises(db.Lost):
        finish(due, 5)
    store.away = False
    due.step()
    assert [each["status"] for each in merchant.deliveries()] == ["delivered"]
    assert len(receiver.received) == 2
