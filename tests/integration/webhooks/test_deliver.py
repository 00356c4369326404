"""First attempts: which endpoints get an event, and what is kept of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from standardwebhooks import Webhook

from paywright.clock import SystemClock
from paywright.db import Database
from paywright.events.bus import Bus
from paywright.events.relay import Relay
from paywright.ids import typeid
from paywright.webhooks.deliver import deliver_batch
from paywright.webhooks.deliveries import Delivery
from paywright.webhooks.message import Event, Message, body_for, event_of
from paywright.webhooks.sender import Sender
from paywright.webhooks.store import PostgresDeliveryStore
from tests.integration.events.conftest import Outbox
from tests.integration.events.conftest import bus_name as bus_name  # noqa: PLC0414 - a fixture
from tests.integration.events.conftest import queue as queue  # noqa: PLC0414 - a fixture
from tests.integration.webhooks.conftest import PII_KEY, Merchant
from tests.receivers import Receiver, status


def test_an_event_arrives_signed_and_is_recorded(merchant: Merchant, receiver: Receiver) -> None:
    message = merchant.message()
    before = datetime.now(UTC)
    assert merchant.deliver(message) == []
    (request,) = receiver.received
    event = Webhook(merchant.secret).verify(request.body, request.headers)
    assert request.body.decode() == json.loads(message.body)["detail"]["payload"]
    assert request.headers["webhook-id"] == request.headers["x-webhook-id"] == event["id"]
    (delivery,) = merchant.deliveries()
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 1)
    assert (delivery["last_response_code"], delivery["last_error"]) == (200, None)
    assert delivery["next_retry_at"] is None
    (attempt,) = merchant.attempts()
    assert (attempt["delivery_id"], attempt["number"]) == (delivery["id"], 1)
    assert (attempt["status_code"], attempt["error"]) == (200, None)
    assert before <= attempt["at"] <= datetime.now(UTC)
    assert merchant.waiting() == []


def test_a_message_that_comes_twice_is_sent_once(merchant: Merchant, receiver: Receiver) -> None:
    message = merchant.message()
    merchant.deliver(message)
    assert merchant.deliver(message) == []
    assert len(receiver.received) == len(merchant.deliveries()) == 1


def test_an_event_that_is_twice_in_a_batch_is_sent_once(
    merchant: Merchant, receiver: Receiver
) -> None:
    first = merchant.message()
    assert merchant.deliver(first, Message("another", first.body)) == []
    assert len(receiver.received) == 1


def test_a_failure_is_left_to_be_tried_again_and_its_message_is_done(
    merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.append(status(500))
    message = merchant.message()
    assert merchant.deliver(message) == []
    (delivery,) = merchant.deliveries()
    assert (delivery["status"], delivery["attempts"]) == ("pending", 1)
    assert delivery["last_response_code"] == 500
    assert merchant.pauses_s() == pytest.approx([1])
    (waiting,) = merchant.waiting()
    assert (waiting["delivery_id"], waiting["due_at"]) == (
        delivery["id"],
        delivery["next_retry_at"],
    )
    assert merchant.deliver(message) == [], "a second copy changes nothing"
    assert len(receiver.received) == 1


def test_an_event_for_each_of_two_endpoints_in_a_batch_goes_to_both(
    merchant: Merchant, receiver: Receiver, new_receiver: Callable[[], Receiver]
) -> None:
    other = new_receiver()
    merchant.add_endpoint(other.url)
    for_all = merchant.message()
    event = event_of(for_all)
    ids = merchant.owner.execute(
        "SELECT id FROM webhook_endpoints WHERE merchant_id = %s", [merchant.id]
    ).fetchall()
    for_each = [Message(f"for {id_}", body_for(event, id_)) for (id_,) in ids]
    merchant.deliver(*for_each)
    assert (len(receiver.received), len(other.received)) == (1, 1)
    again = merchant.message()
    (first, _), event = ids, event_of(again)
    merchant.deliver(Message("for one", body_for(event, first[0])), again)
    assert (len(receiver.received), len(other.received)) == (2, 2)


LEFT = {"time_left_s": 20}


def test_two_copies_at_once_are_one_delivery(
    merchant: Merchant, receiver: Receiver, app_database_url: str
) -> None:
    message = merchant.message()
    other_database = Database(app_database_url)
    other = PostgresDeliveryStore(other_database, merchant.store._ids, merchant.clock, PII_KEY)
    both = threading.Barrier(2)

    def plan_together(store: PostgresDeliveryStore) -> None:
        plan = store.plan

        def planned(events: Sequence[Event]) -> list[Delivery]:
            found = plan(events)
            both.wait(20)
            return found

        store.plan = planned  # type: ignore[method-assign]

    plan_together(merchant.store)
    plan_together(other)
    merchant.set_endpoint(answered_at=merchant.clock.now())  # two may send there
    means = replace(merchant.means, store=other)
    thread = threading.Thread(target=deliver_batch, args=([message], means), kwargs=LEFT)
    thread.start()
    assert merchant.deliver(message) == []
    thread.join()
    other_database.close()
    (delivery,) = merchant.deliveries()
    assert delivery["status"] == "delivered"
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


def test_what_is_sent_has_these_headers_and_no_other(
    merchant: Merchant, receiver: Receiver
) -> None:
    merchant.deliver(merchant.message())
    (request,) = receiver.received
    assert sorted(request.headers) == [
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
        "x-signature",
        "x-webhook-id",
    ]


@pytest.mark.parametrize("code", [301, 302, 307, 400, 404])
def test_only_2xx_is_success(merchant: Merchant, receiver: Receiver, code: int) -> None:
    receiver.replies.append(status(code, Location=receiver.url))
    merchant.deliver(merchant.message())
    assert len(receiver.received) == 1
    assert [delivery["last_response_code"] for delivery in merchant.deliveries()] == [code]
    assert [delivery["status"] for delivery in merchant.deliveries()] == ["pending"]


def test_retry_after_is_honoured_up_to_15_minutes(merchant: Merchant, receiver: Receiver) -> None:
    receiver.replies.append(status(429, Retry_After="77"))
    merchant.deliver(merchant.message())
    receiver.replies.append(status(503, Retry_After="86400"))
    merchant.deliver(merchant.message())
    assert merchant.pauses_s() == pytest.approx([77, 15 * 60])


def test_endpoints_get_what_they_asked_for(
    merchant: Merchant, receiver: Receiver, new_receiver: Callable[[], Receiver]
) -> None:
    refunds, live = new_receiver(), new_receiver()
    merchant.add_endpoint(refunds.url, event_types=["refund.*"])
    merchant.add_endpoint(live.url, livemode=True)
    merchant.deliver(merchant.message("payment.captured"), merchant.message("refund.created"))
    assert (len(receiver.received), len(refunds.received), len(live.received)) == (2, 1, 0)
    merchant.deliver(merchant.message("payment.captured", livemode=True))
    assert (len(receiver.received), len(refunds.received), len(live.received)) == (2, 1, 1)


def test_an_event_for_one_endpoint_goes_to_no_other(
    merchant: Merchant, receiver: Receiver, new_receiver: Callable[[], Receiver]
) -> None:
    other = new_receiver()
    merchant.add_endpoint(other.url)
    endpoint_id = typeid("whe", merchant.endpoint()["id"])
    merchant.deliver(merchant.message(endpoint_id=endpoint_id))
    assert (len(receiver.received), len(other.received)) == (1, 0)


def test_merchants_of_one_batch_get_their_own_events(
    merchant: Merchant,
    receiver: Receiver,
    new_merchant: Callable[[str], Merchant],
    new_receiver: Callable[[], Receiver],
) -> None:
    elsewhere = new_receiver()
    other = new_merchant(elsewhere.url)
    ours, theirs = merchant.message(), other.message()
    merchant.deliver(ours, Message("theirs", theirs.body))
    for got, secret, message in (
        (receiver.received, merchant.secret, ours),
        (elsewhere.received, other.secret, theirs),
    ):
        (request,) = got
        assert request.headers["webhook-id"] == json.loads(message.body)["detail"]["event_id"]
        Webhook(secret).verify(request.body, request.headers)


def test_an_event_that_nobody_wants_is_done(merchant: Merchant, receiver: Receiver) -> None:
    merchant.set_endpoint(event_types=[])
    assert merchant.deliver(merchant.message()) == []
    assert (merchant.deliveries(), receiver.received) == ([], [])


def test_a_batch_is_sent_at_the_same_time(merchant: Merchant, receiver: Receiver) -> None:
    all_there = threading.Barrier(10)

    def together(handler: Any) -> None:
        all_there.wait(5)
        status(200)(handler)

    receiver.replies.extend([together] * 10)
    merchant.deliver(*[merchant.message() for _ in range(10)], timeout_s=10)
    assert {delivery["status"] for delivery in merchant.deliveries()} == {"delivered"}


def test_what_an_answer_begins_with_is_kept_whatever_it_is(
    merchant: Merchant, receiver: Receiver
) -> None:
    def answer(handler: Any) -> None:
        body = b"\x00\xff \\ \"{}'" + b"x" * 70_000
        handler.send_response(500)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    receiver.replies.append(answer)
    merchant.deliver(merchant.message())
    (attempt,) = merchant.attempts()
    assert attempt["status_code"] == 500


def test_an_event_goes_from_the_outbox_to_the_receiver(
    merchant: Merchant,
    receiver: Receiver,
    new_database_url: Callable[[], str],
    bus_name: str,
    queue: Any,
    aws_endpoint_url: str,
) -> None:
    outbox_url = new_database_url()
    database = Database(outbox_url)
    bus = Bus(bus_name, endpoint_url=aws_endpoint_url)
    with psycopg.connect(outbox_url, autocommit=True) as connection:
        payload = Outbox(connection).add()
        connection.execute("UPDATE outbox SET merchant_id = %s", [merchant.id])
        Relay(database, bus, SystemClock()).run_once()
    database.close()
    bus.close()
    (raw,) = queue.client.receive_message(QueueUrl=queue.url, WaitTimeSeconds=5)["Messages"]
    assert merchant.deliver(Message(raw["MessageId"], raw["Body"])) == []
    (request,) = receiver.received
    assert request.body == payload.encode()
    Webhook(merchant.secret).verify(request.body, request.headers)


def test_a_sender_that_was_given_up_is_no_success(merchant: Merchant) -> None:
    merchant.set_endpoint(url="http://127.0.0.1:1/nobody")
    sender = Sender(timeout_s=1, allow_loopback=True)
    deliver_batch([merchant.message()], replace(merchant.means, sender=sender), time_left_s=5)
    (attempt,) = merchant.attempts()
    assert attempt["status_code"] is None
    assert "refused" in attempt["error"]
