"""First attempts: which endpoints get an event, what is kept of it, and who has to wait."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from standardwebhooks import Webhook

from paywright import db
from paywright.cache import Cache
from paywright.clock import SystemClock
from paywright.db import Database
from paywright.events.bus import Bus
from paywright.events.relay import Relay
from paywright.ids import typeid
from paywright.webhooks.deliver import deliver_batch
from paywright.webhooks.message import Message, body_for, event_of
from paywright.webhooks.places import Places
from paywright.webhooks.queue import DeadLetter, DeadLetters
from paywright.webhooks.sender import Sender
from paywright.webhooks.store import PostgresDeliveryStore
from tests.api import LambdaContext, load_function
from tests.integration.events.conftest import Outbox
from tests.integration.events.conftest import bus_name as bus_name  # noqa: PLC0414 - a fixture
from tests.integration.events.conftest import queue as queue  # noqa: PLC0414 - a fixture
from tests.integration.webhooks.conftest import PII_KEY, Merchant, hang
from tests.receivers import Receiver, status

SAMPLE = Path(__file__).parents[3] / "events" / "webhook_payment_captured.json"


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
    assert delivery["next_retry_at"] - delivery["last_attempt_at"] == timedelta(seconds=1)
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


def test_two_copies_at_once_are_one_delivery(
    merchant: Merchant, receiver: Receiver, app_database_url: str
) -> None:
    message = merchant.message()
    other_database = Database(app_database_url)
    ids = PostgresDeliveryStore(other_database, _ids(merchant), merchant.clock, PII_KEY)
    other = replace(merchant.means, store=ids)
    both = threading.Barrier(2)

    def late(handler: Any) -> None:
        both.wait(5)
        status(200)(handler)

    receiver.replies.extend([late, late])
    merchant.set_endpoint(answered_at=merchant.clock.now())  # two may send there
    thread = threading.Thread(target=deliver_batch, args=([message], other), kwargs=LEFT)
    thread.start()
    assert merchant.deliver(message) == []
    thread.join()
    other_database.close()
    (delivery,) = merchant.deliveries()
    assert delivery["status"] == "delivered"
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


LEFT = {"time_left_s": 20}


def _ids(merchant: Merchant) -> Any:
    return merchant.store._ids


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
    waits = [each["next_retry_at"] - each["last_attempt_at"] for each in merchant.deliveries()]
    assert waits == [timedelta(seconds=77), timedelta(minutes=15)]


def test_410_disables_the_endpoint_tells_of_it_and_is_not_tried_again(
    merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.append(status(410))
    assert merchant.deliver(merchant.message()) == []
    endpoint = merchant.endpoint()
    assert not endpoint["enabled"]
    assert endpoint["disabled_reason"] == "the receiver answered 410 Gone"
    assert [delivery["status"] for delivery in merchant.deliveries()] == ["failed"]
    assert merchant.waiting() == []
    (event,) = merchant.events()
    assert event["type"] == "merchant.webhook_endpoint_disabled"
    assert (event["object_id"], event["sequence"]) == (endpoint["id"], endpoint["sequence"])
    told = event["payload"]
    assert (told["id"], told["sequence"]) == (typeid("evt", event["id"]), 1)
    assert told["data"]["object"]["url"] == endpoint["url"]
    assert told["data"]["object"]["last_status_code"] == 410
    assert merchant.deliver(merchant.message()) == []
    assert len(receiver.received) == 1


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


def test_poison_goes_to_the_dead_letters_with_its_reason_and_harms_no_other(
    merchant: Merchant, receiver: Receiver
) -> None:
    assert merchant.deliver(Message("poison", "{not json"), merchant.message()) == []
    (letter,) = merchant.graves.letters
    assert (letter.body, letter.code) == ("{not json", "UNREADABLE")
    assert "JSONDecodeError" in letter.reason
    assert len(receiver.received) == 1
    merchant.graves.away = True
    poison = Message("poison", "{not json")
    assert merchant.deliver(poison) == [poison], "it comes again"


def test_a_batch_is_sent_at_the_same_time(merchant: Merchant, receiver: Receiver) -> None:
    all_there = threading.Barrier(10)

    def together(handler: Any) -> None:
        all_there.wait(5)
        status(200)(handler)

    receiver.replies.extend([together] * 10)
    merchant.deliver(*[merchant.message() for _ in range(10)], timeout_s=10)
    assert {delivery["status"] for delivery in merchant.deliveries()} == {"delivered"}


def test_what_is_not_answered_in_the_functions_time_is_left_to_the_next(
    merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.append(hang)
    assert merchant.deliver(merchant.message(), timeout_s=8, left_s=0.2) == []
    assert len(merchant.waiting()) == 1
    assert [delivery["last_error"] for delivery in merchant.deliveries()] == ["no answer in time"]


def test_an_endpoint_that_hangs_holds_nothing_after_its_first_delivery(
    merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.append(hang)
    merchant.deliver(merchant.message(), timeout_s=1.2)
    assert merchant.endpoint()["slow"]
    assert len(receiver.received) == 1
    more = [merchant.message() for _ in range(20)]
    assert merchant.deliver(*more) == [], "their messages are done"
    assert len(receiver.received) == 1, "nobody waits for it here"
    waiting = [each for each in merchant.deliveries() if each["attempts"] == 0]
    assert len(waiting) == len(more)
    assert {each["status"] for each in waiting} == {"pending"}
    assert len(merchant.waiting()) == 21


def test_what_others_of_a_batch_have_is_recorded_before_the_one_that_hangs(
    merchant: Merchant,
    receiver: Receiver,
    new_merchant: Callable[[str], Merchant],
    new_receiver: Callable[[], Receiver],
    valkey_url: str,
) -> None:
    hung = new_merchant(new_receiver().url)
    gone_on = threading.Event()
    seen: list[str] = []
    known_slow: list[bool] = []
    endpoint = merchant.endpoint()["id"]
    cache = Cache(valkey_url, timeout_ms=2_000)
    elsewhere, free = Places(cache, lease_s=35), set[uuid.UUID]()

    def watch(handler: Any) -> None:
        """It answers once the other's delivery is on record."""
        until = time.monotonic() + 10
        while time.monotonic() < until and not seen:
            seen.extend(each["status"] for each in own_view.deliveries())
            time.sleep(0.05)
        known_slow.append(hung_view.endpoint()["slow"])
        while time.monotonic() < until and not free:
            free.update(elsewhere.take({endpoint: False}))
        gone_on.set()
        status(200)(handler)

    dsn, password = merchant.owner.info.dsn, merchant.owner.info.password
    connection = psycopg.connect(dsn, password=password, autocommit=True)
    own_view, hung_view = (replace(each, owner=connection) for each in (merchant, hung))
    slow = new_receiver()
    slow.replies.append(watch)
    hung.set_endpoint(url=slow.url)
    merchant.deliver(merchant.message(), Message("theirs", hung.message().body), timeout_s=10)
    cache.close()
    connection.close()
    assert known_slow == [True], "others learn of it before it has answered"
    assert gone_on.is_set()
    assert seen == ["delivered"]
    assert free == {endpoint}, "nor is its place kept"
    assert [delivery["status"] for delivery in hung.deliveries()] == ["delivered"]
    assert hung.endpoint()["slow"]
    assert len(receiver.received) == 1


def test_what_hangs_is_due_again_should_its_environment_be_killed(
    merchant: Merchant, receiver: Receiver
) -> None:
    began = merchant.clock.now()
    dsn, password = merchant.owner.info.dsn, merchant.owner.info.password
    connection = psycopg.connect(dsn, password=password, autocommit=True)
    view = replace(merchant, owner=connection)
    waiting: list[Any] = []

    def watch(handler: Any) -> None:
        """It answers once somebody else is to try again."""
        until = time.monotonic() + 10
        while time.monotonic() < until and not waiting:
            waiting.extend(view.waiting())
            time.sleep(0.05)
        status(200)(handler)

    receiver.replies.append(watch)
    merchant.deliver(merchant.message(), timeout_s=15, left_s=20)
    connection.close()
    assert [each["due_at"] > began + timedelta(seconds=20) for each in waiting] == [True]
    assert merchant.waiting() == [], "it was not killed"
    (delivered,) = merchant.deliveries()
    assert (delivered["status"], delivered["attempts"], delivered["tries"]) == ("delivered", 1, 1)


def test_one_environment_sends_to_an_endpoint_of_which_nothing_is_known(
    merchant: Merchant, receiver: Receiver, valkey: Cache
) -> None:
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


def test_a_place_is_given_up_when_its_environment_is_gone(valkey: Cache) -> None:
    endpoint = uuid.uuid4()
    Places(valkey, lease_s=0.01).take({endpoint: False})
    time.sleep(0.05)
    assert Places(valkey, lease_s=35).take({endpoint: False}) == {endpoint}


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
    store = PostgresDeliveryStore(database, _ids(merchant), merchant.clock, PII_KEY)
    with pytest.raises(db.Lost):
        deliver_batch([merchant.message()], replace(merchant.means, store=store), time_left_s=9)
    assert receiver.received == []
    merchant.deliver(merchant.message())
    assert len(receiver.received) == 1, "and no place is kept"


def test_places_are_left_whatever_happens(merchant: Merchant, valkey: Cache) -> None:
    class Failing(PostgresDeliveryStore):
        def record(self, *_: object) -> None:
            raise db.Lost("away")

    endpoint = merchant.endpoint()["id"]
    store = Failing(merchant.store._database, _ids(merchant), merchant.clock, PII_KEY)
    with pytest.raises(db.Lost):
        deliver_batch([merchant.message()], replace(merchant.means, store=store), time_left_s=9)
    assert Places(valkey, lease_s=35).take({endpoint: False}) == {endpoint}


def test_a_crash_between_sending_and_recording_sends_the_same_id_again(
    merchant: Merchant, receiver: Receiver
) -> None:
    message = merchant.message()

    class Crash(BaseException):
        """The environment is gone."""

    class Crashing(PostgresDeliveryStore):
        def record(self, *_: object) -> None:
            raise Crash

    store = Crashing(merchant.store._database, _ids(merchant), merchant.clock, PII_KEY)
    with pytest.raises(Crash):
        deliver_batch([message], replace(merchant.means, store=store), time_left_s=9)
    assert merchant.deliveries() == []
    merchant.deliver(message)
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert [delivery["status"] for delivery in merchant.deliveries()] == ["delivered"]


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


@pytest.fixture
def sqs(aws_endpoint_url: str) -> Iterator[Any]:
    client = boto3.client("sqs", endpoint_url=aws_endpoint_url)
    yield client
    client.close()


def test_dead_letters_say_why_and_are_read_like_any_message(sqs: Any, merchant: Merchant) -> None:
    url = sqs.create_queue(QueueName=f"dead-{uuid.uuid4().hex[:12]}")["QueueUrl"]
    body = merchant.message().body
    letter = DeadLetter(body, "RETRIES_EXHAUSTED", "no answer within 10 s", (("A", "b"),))
    assert DeadLetters(url, sqs).put(letter)
    (raw,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5, MessageAttributeNames=["All"])[
        "Messages"
    ]
    assert raw["Body"] == body
    told = {name: each["StringValue"] for name, each in raw["MessageAttributes"].items()}
    assert told == {
        "ERROR_CODE": "RETRIES_EXHAUSTED",
        "ERROR_MESSAGE": "no answer within 10 s",
        "A": "b",
    }
    assert event_of(Message("id", raw["Body"])).merchant_id == merchant.id


def test_a_dead_letter_queue_that_is_away_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    away = DeadLetters("http://127.0.0.1:1/q")
    assert not away.put(DeadLetter("{}", "UNREADABLE", "no event"))
    assert [record.message for record in caplog.records] == [
        "The dead-letter queue is away; trying again later"
    ]
    away._client.close()


@pytest.fixture
def dead_letters_url(sqs: Any) -> str:
    return str(sqs.create_queue(QueueName=f"dead-{uuid.uuid4().hex[:12]}")["QueueUrl"])


@pytest.fixture
def webhook_function(
    monkeypatch: pytest.MonkeyPatch,
    app_database_url: str,
    valkey_url: str,
    aws_endpoint_url: str,
    dead_letters_url: str,
) -> Iterator[Any]:
    for name, value in {
        "ENVIRONMENT": "local",
        "DATABASE_URL": app_database_url,
        "VALKEY_URL": valkey_url,
        "PII_KEY": PII_KEY,
        "WEBHOOK_DEAD_LETTER_QUEUE_URL": dead_letters_url,
        "WEBHOOK_ALLOW_PRIVATE_ADDRESSES": "true",
        "AWS_ENDPOINT_URL": aws_endpoint_url,
    }.items():
        monkeypatch.setenv(name, value)
    app = load_function("webhook")
    app._means.cache_clear()
    yield app
    means = app._means()
    means.store._database.close()
    means.places._cache.close()
    means.dead_letters._client.close()
    app._means.cache_clear()


def test_the_function_takes_the_sample_event(webhook_function: Any) -> None:
    answer = webhook_function.handler(json.loads(SAMPLE.read_text()), LambdaContext())
    assert answer == {"batchItemFailures": []}


def test_the_function_is_done_with_what_failed_and_with_poison(
    webhook_function: Any,
    sqs: Any,
    dead_letters_url: str,
    merchant: Merchant,
    receiver: Receiver,
) -> None:
    (record,) = json.loads(SAMPLE.read_text())["Records"]
    receiver.replies.append(status(500))
    bodies = {"failing": merchant.message().body, "poison": "?", "fine": record["body"]}
    records = [record | {"messageId": name, "body": body} for name, body in bodies.items()]
    answer = webhook_function.handler({"Records": records}, LambdaContext())
    assert answer == {"batchItemFailures": []}
    assert len(merchant.waiting()) == 1
    (raw,) = sqs.receive_message(QueueUrl=dead_letters_url, WaitTimeSeconds=5)["Messages"]
    assert raw["Body"] == "?"


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
    sender = Sender(timeout_s=1, allow_private=True)
    deliver_batch([merchant.message()], replace(merchant.means, sender=sender), time_left_s=5)
    (attempt,) = merchant.attempts()
    assert attempt["status_code"] is None
    assert "refused" in attempt["error"]
