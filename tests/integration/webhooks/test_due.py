"""Retries: when they come, what they send, and when they end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from standardwebhooks import Webhook

from paywright.db import Database
from paywright.db.connection import Parameters
from paywright.ids import typeid
from paywright.webhooks.deliveries import Delivery, judge
from paywright.webhooks.due import AT_ONCE_EACH, BREATH_S
from paywright.webhooks.message import Message, event_of
from paywright.webhooks.retries import MAX_ATTEMPTS
from paywright.webhooks.sender import Answer
from paywright.webhooks.store import PostgresDeliveryStore
from tests.integration.webhooks.conftest import PII_KEY, Merchant, finish
from tests.receivers import Receiver, status
from tests.waiting import until


def test_a_retry_has_the_same_id_and_a_new_time(merchant: Merchant, receiver: Receiver) -> None:
    receiver.replies.append(status(500))
    merchant.deliver(merchant.message())
    merchant.deliver_due()
    assert len(receiver.received) == 1, "it is not due yet"
    merchant.clock.advance(seconds=1.1)
    merchant.deliver_due()
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    Webhook(merchant.secret).verify(second.body, second.headers)
    (delivery,) = merchant.deliveries()
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 2)
    assert (delivery["last_response_code"], delivery["next_retry_at"]) == (200, None)
    assert [each["status_code"] for each in merchant.attempts()] == [500, 200]
    assert merchant.waiting() == []


def test_a_retry_does_not_wait_for_the_next_look(merchant: Merchant, receiver: Receiver) -> None:
    due = merchant.due()
    due.step()
    receiver.replies.append(status(500))
    merchant.deliver(merchant.message())
    (waiting,) = merchant.waiting()
    merchant.clock.advance(seconds=0.8)
    due._look_at = 0
    due.step()
    left_s = (waiting["due_at"] - merchant.clock.now()).total_seconds()
    assert due._look_at - time.monotonic() <= max(left_s, 0) + BREATH_S
    until(lambda: not due.step() and len(receiver.received) == 2)
    finish(due, 5)
    assert [each["status"] for each in merchant.deliveries()] == ["delivered"]


def test_delays_grow_and_the_last_attempt_ends_in_the_dead_letters(
    merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.extend([status(503)] * MAX_ATTEMPTS)
    message = merchant.message()
    merchant.deliver(message)
    waits = []
    for _ in range(MAX_ATTEMPTS - 1):
        waits += merchant.pauses_s()
        merchant.clock.advance(seconds=waits[-1])
        merchant.deliver_due()
    assert waits == pytest.approx([1, 5, 30, 120, 600])
    (delivery,) = merchant.deliveries()
    assert (delivery["status"], delivery["attempts"]) == ("failed", 6)
    assert delivery["next_retry_at"] is None
    assert len(receiver.received) == len(merchant.attempts()) == MAX_ATTEMPTS
    (letter,) = merchant.graves.letters
    assert (letter.code, letter.reason) == ("RETRIES_EXHAUSTED", "the receiver answered 503")
    told = dict(letter.attributes)
    assert told["DELIVERY_ID"] == typeid("whd", delivery["id"])
    assert merchant.waiting() == []
    again, first = event_of(Message("id", letter.body)), event_of(message)
    assert (again.payload, again.public_id, again.type) == (
        first.payload,
        first.public_id,
        first.type,
    )


def test_a_delivery_may_be_sent_any_number_of_times(merchant: Merchant, receiver: Receiver) -> None:
    receiver.replies.append(status(503))
    merchant.deliver(merchant.message())
    merchant.owner.execute(
        "UPDATE webhook_deliveries SET attempts = 32767 WHERE merchant_id = %s", [merchant.id]
    )
    merchant.clock.advance(seconds=2)
    merchant.deliver_due()
    (delivery,) = merchant.deliveries()
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 32768)


def test_only_the_endpoint_that_failed_is_asked_again(
    merchant: Merchant, receiver: Receiver, new_receiver: Callable[[], Receiver]
) -> None:
    other = new_receiver()
    secret = merchant.add_endpoint(other.url)
    other.replies.append(status(500))
    merchant.deliver(merchant.message())
    merchant.clock.advance(seconds=2)
    merchant.deliver_due()
    assert (len(receiver.received), len(other.received)) == (1, 2)
    Webhook(secret).verify(other.received[1].body, other.received[1].headers)
    assert {delivery["status"] for delivery in merchant.deliveries()} == {"delivered"}


@pytest.mark.parametrize("first_code", [200, 500])
def test_what_one_copy_has_delivered_no_other_undoes(
    merchant: Merchant, receiver: Receiver, first_code: int
) -> None:
    event = event_of(merchant.message())
    copies = [merchant.store.plan([event]) for _ in range(2)]
    for (planned,), code in zip(copies, (first_code, 700 - first_code), strict=True):
        now = merchant.clock.now()
        outcome = judge(planned, Answer(code), at=now, wall_now=now, jitter=0)
        merchant.store.record([outcome])
    (delivery,) = merchant.deliveries()
    assert delivery["status"] == "delivered"
    assert merchant.waiting() == [], "nothing is left to be done"
    merchant.clock.advance(seconds=60)
    merchant.deliver_due()
    assert receiver.received == []


def test_a_clock_that_is_moved_sends_nothing_twice(merchant: Merchant, receiver: Receiver) -> None:
    go_on = threading.Event()

    def late(handler: Any) -> None:
        go_on.wait(10)
        status(200)(handler)

    merchant.set_endpoint(slow=True, answered_at=merchant.clock.now())
    merchant.deliver(merchant.message())
    receiver.replies.append(late)
    due = merchant.due(timeout_s=10)
    due.step()
    merchant.clock.advance(days=7)
    due._look_at = 0
    due.step()
    go_on.set()
    finish(due, 10)
    assert len(receiver.received) == 1
    assert [each["status"] for each in merchant.deliveries()] == ["delivered"]


def test_an_event_that_is_kept_no_longer_ends_its_delivery(
    merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.append(status(500))
    merchant.deliver(merchant.message())
    merchant.owner.execute("DELETE FROM events WHERE merchant_id = %s", [merchant.id])
    merchant.clock.advance(seconds=2)
    merchant.deliver_due()
    (delivery,) = merchant.deliveries()
    assert (delivery["status"], delivery["last_error"]) == ("failed", "the event is kept no longer")
    assert merchant.waiting() == []


def test_what_is_given_up_is_given_up_again_after_a_deadlock(
    merchant: Merchant, receiver: Receiver, app_database_url: str
) -> None:
    class Deadlocked(Database):
        """Is the one that gives way, the first time."""

        gave_way = 0

        def run(self, sql: bytes, parameters: Parameters) -> int:
            self.gave_way += 1
            if self.gave_way == 1:
                raise psycopg.errors.DeadlockDetected
            return super().run(sql, parameters)

    receiver.replies.append(status(500))
    merchant.deliver(merchant.message())
    merchant.owner.execute("DELETE FROM events WHERE merchant_id = %s", [merchant.id])
    merchant.clock.advance(seconds=2)
    database = Deadlocked(app_database_url)
    try:
        store = PostgresDeliveryStore(database, merchant.store._ids, merchant.clock, PII_KEY)
        store.take(
            limit=64,
            for_the_ill=32,
            for_the_new=16,
            at_once=AT_ONCE_EACH,
            under_way=[],
            lease_s=60,
        )
    finally:
        database.close()
    assert database.gave_way == 2
    assert [each["last_error"] for each in merchant.deliveries()] == ["the event is kept no longer"]


def test_an_event_that_the_relay_has_not_let_go_of_is_delivered(
    merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.append(status(500))
    merchant.deliver(merchant.message())
    merchant.owner.execute(
        "WITH back AS (DELETE FROM events WHERE merchant_id = %s RETURNING *)"
        " INSERT INTO outbox (id, merchant_id, livemode, type, object_id, sequence, payload,"
        " created_at) SELECT id, merchant_id, livemode, type, object_id, sequence, payload,"
        " created_at FROM back",
        [merchant.id],
    )
    merchant.clock.advance(seconds=2)
    merchant.deliver_due()
    first, second = receiver.received
    assert first.body == second.body


def test_it_looks_for_what_can_be_sent_and_not_for_what_is_due_only(
    merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.extend([status(500)] * 2)
    merchant.deliver(merchant.message(), merchant.message())
    before = merchant.clock.now()
    first = merchant.waiting()[0]["due_at"]
    rests_until = first + timedelta(seconds=40)

    def next_due(after: datetime, under_way: Sequence[Delivery] = ()) -> datetime | None:
        return merchant.store.next_due(after, at_once=AT_ONCE_EACH, under_way=under_way)

    assert next_due(before) == first
    merchant.set_endpoint(rest_until=rests_until)
    assert next_due(before) == rests_until
    assert next_due(first + timedelta(seconds=10)) == rests_until, "though all is due by then"
    assert next_due(rests_until) is None, "all that is due then can be sent"
    merchant.set_endpoint(rest_until=before)
    assert next_due(before) == first
    (under_way,) = merchant.store.plan([event_of(merchant.message())])
    assert next_due(before, [under_way]) is None, "one that fails has one at a time"
    merchant.set_endpoint(failing_since=None)
    assert next_due(before, [under_way]) == first
    assert next_due(before, [under_way] * AT_ONCE_EACH) is None
    merchant.set_endpoint(enabled=False)
    assert next_due(before) is None
