"""Deliveries: which endpoints get an event, what is kept of it, and when it is tried again."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from standardwebhooks import Webhook

from paywright.clock import SystemClock
from paywright.db import Database
from paywright.events.bus import Bus
from paywright.events.relay import Relay
from paywright.ids import UuidSource, parse_typeid, typeid
from paywright.merchants.create import create_merchant
from paywright.webhooks.deliver import deliver_batch
from paywright.webhooks.message import Message
from paywright.webhooks.queue import DeliveryQueue
from paywright.webhooks.retries import MAX_ATTEMPTS
from paywright.webhooks.secrets import new_secret
from paywright.webhooks.sender import Sender
from paywright.webhooks.store import PostgresDeliveryStore
from tests.api import LambdaContext, load_function
from tests.integration.events.conftest import Outbox
from tests.integration.events.conftest import bus_name as bus_name  # noqa: PLC0414 - a fixture
from tests.integration.events.conftest import queue as queue  # noqa: PLC0414 - a fixture
from tests.receivers import Receiver, status

PII_KEY = "a-key-of-tests"
CLOCK = SystemClock()
IDS = UuidSource(CLOCK)
SAMPLE = Path(__file__).parents[3] / "events" / "webhook_payment_captured.json"


@dataclass
class Merchant:
    """A merchant with a first endpoint at a receiver, and the store that delivers to it."""

    owner: psycopg.Connection[Any]
    store: PostgresDeliveryStore
    id: uuid.UUID
    secret: str
    handed: int = field(default=0)

    def add_endpoint(
        self, url: str, *, event_types: list[str] | None = None, livemode: bool = False
    ) -> str:
        secret = new_secret()
        self.owner.execute(
            "INSERT INTO webhook_endpoints (merchant_id, id, livemode, url, event_types,"
            " secret_encrypted, api_version, created_at, updated_at) VALUES (%s, %s, %s, %s, %s,"
            " pgp_sym_encrypt(%s, %s, 'cipher-algo=aes256'), '2026-11-01', now(), now())",
            [self.id, IDS.new(), livemode, url, event_types or ["*"], secret, PII_KEY],
        )
        return secret

    def message(
        self,
        event_type: str = "payment.captured",
        *,
        attempt: int = 1,
        livemode: bool = False,
        event_id: str | None = None,
    ) -> Message:
        event_id = event_id or typeid("evt", IDS.new())
        self.handed += 1
        detail = {
            "event_id": event_id,
            "merchant_id": typeid("mer", self.id),
            "livemode": livemode,
            "sequence": 1,
            "trace_id": "trace-1",
            "payload": f'{{"id":"{event_id}",  "name":"Zoë ☕"}}',
        }
        body = json.dumps({"detail-type": event_type, "detail": detail})
        return Message(f"message-{self.handed}", "handle", attempt, body)

    def again(self, message: Message) -> Message:
        return Message(message.id, message.receipt_handle, message.attempt + 1, message.body)

    def deliver(self, *messages: Message, timeout_s: float = 2, left_s: float = 20) -> list[int]:
        """Deliver; the seconds until the retry of each message that is not done."""
        undone = deliver_batch(
            messages,
            store=self.store,
            sender=Sender(timeout_s=timeout_s, allow_private=True),
            clock=CLOCK,
            wall=CLOCK,
            time_left_s=left_s,
            jitter=lambda: 0.0,
        )
        return [undone[message] for message in messages if message in undone]

    def deliveries(self) -> list[dict[str, Any]]:
        cursor = self.owner.cursor(row_factory=psycopg.rows.dict_row)
        cursor.execute("SELECT * FROM webhook_deliveries WHERE merchant_id = %s", [self.id])
        return cursor.fetchall()

    def endpoints(self) -> list[tuple[bool, str | None]]:
        return self.owner.execute(
            "SELECT enabled, disabled_reason FROM webhook_endpoints WHERE merchant_id = %s",
            [self.id],
        ).fetchall()


@pytest.fixture
def new_receiver() -> Iterator[Callable[[], Receiver]]:
    made: list[Receiver] = []

    def make() -> Receiver:
        made.append(Receiver())
        return made[-1]

    yield make
    for receiver in made:
        receiver.close()


@pytest.fixture
def receiver(new_receiver: Callable[[], Receiver]) -> Receiver:
    return new_receiver()


@pytest.fixture
def app_database(app_database_url: str) -> Iterator[Database]:
    database = Database(app_database_url)
    yield database
    database.close()


@pytest.fixture
def owner(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def merchant(
    owner: psycopg.Connection[Any], app_database: Database, receiver: Receiver
) -> Merchant:
    return _new_merchant(owner, app_database, receiver.url)


def _new_merchant(
    owner: psycopg.Connection[Any], app_database: Database, webhook_url: str
) -> Merchant:
    made = create_merchant(
        owner,
        PII_KEY,
        name="Ada",
        email=f"{uuid.uuid4().hex}@example.com",
        settlement_currency="usd",
        webhook_url=webhook_url,
        clock=CLOCK,
        ids=IDS,
        allow_private_urls=True,
    )
    merchant_id = parse_typeid("mer", made.id)
    assert merchant_id is not None
    assert made.webhook_secret is not None
    store = PostgresDeliveryStore(app_database, IDS, CLOCK, PII_KEY)
    return Merchant(owner, store, merchant_id, made.webhook_secret)


def test_an_event_arrives_signed_and_is_recorded(merchant: Merchant, receiver: Receiver) -> None:
    message = merchant.message()
    assert merchant.deliver(message) == []
    (request,) = receiver.received
    event = Webhook(merchant.secret).verify(request.body, request.headers)
    assert request.body.decode() == json.loads(message.body)["detail"]["payload"]
    assert request.headers["webhook-id"] == request.headers["x-webhook-id"] == event["id"]
    (delivery,) = merchant.deliveries()
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 1)
    assert (delivery["last_response_code"], delivery["last_error"]) == (200, None)
    assert delivery["next_retry_at"] is None


def test_a_message_that_comes_twice_is_sent_once(merchant: Merchant, receiver: Receiver) -> None:
    message = merchant.message()
    merchant.deliver(message)
    assert merchant.deliver(merchant.again(message)) == []
    assert len(receiver.received) == 1
    assert len(merchant.deliveries()) == 1


def test_an_event_that_is_twice_in_a_batch_is_sent_once(
    merchant: Merchant, receiver: Receiver
) -> None:
    first = merchant.message()
    second = Message("another", "handle", 1, first.body)
    assert merchant.deliver(first, second) == []
    assert len(receiver.received) == 1
    receiver.replies.append(status(500))
    third = merchant.message()
    fourth = Message("yet another", "handle", 2, third.body)
    assert merchant.deliver(third, fourth) == [5, 5]


def test_a_failure_is_tried_again_with_the_same_id_and_a_new_time(
    merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.append(status(500))
    message = merchant.message()
    before = datetime.now(UTC)
    assert merchant.deliver(message) == [1]
    (delivery,) = merchant.deliveries()
    assert (delivery["status"], delivery["attempts"]) == ("pending", 1)
    assert delivery["last_response_code"] == 500
    assert delivery["next_retry_at"] - delivery["last_attempt_at"] == timedelta(seconds=1)
    assert before <= delivery["last_attempt_at"] <= datetime.now(UTC)

    assert merchant.deliver(merchant.again(message)) == []
    (delivery,) = merchant.deliveries()
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 2)
    assert (delivery["last_response_code"], delivery["next_retry_at"]) == (200, None)
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    Webhook(merchant.secret).verify(second.body, second.headers)


def test_delays_follow_the_receive_count_and_the_last_attempt_fails_for_good(
    merchant: Merchant, receiver: Receiver
) -> None:
    message = merchant.message()
    delays = []
    for _ in range(MAX_ATTEMPTS):
        receiver.replies.append(status(503))
        delays += merchant.deliver(message)
        message = merchant.again(message)
    assert delays == [1, 5, 30, 120, 600, 0]
    (delivery,) = merchant.deliveries()
    assert (delivery["status"], delivery["attempts"]) == ("failed", 6)
    assert delivery["next_retry_at"] is None


def test_a_failed_delivery_that_is_redriven_is_tried_again(
    merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.append(status(503))
    message = merchant.message(attempt=MAX_ATTEMPTS)
    assert merchant.deliver(message) == [0]
    redriven = Message(message.id, "handle", 1, message.body)
    assert merchant.deliver(redriven) == []
    assert [delivery["status"] for delivery in merchant.deliveries()] == ["delivered"]


def test_retry_after_is_honoured(merchant: Merchant, receiver: Receiver) -> None:
    receiver.replies.append(status(429, Retry_After="77"))
    assert merchant.deliver(merchant.message()) == [77]
    receiver.replies.append(status(503, Retry_After="86400"))
    assert merchant.deliver(merchant.message()) == [900]


@pytest.mark.parametrize("code", [301, 302, 307, 400, 404])
def test_only_2xx_is_success(merchant: Merchant, receiver: Receiver, code: int) -> None:
    receiver.replies.append(status(code, Location=receiver.url))
    assert merchant.deliver(merchant.message()) == [1]
    assert len(receiver.received) == 1
    assert [delivery["last_response_code"] for delivery in merchant.deliveries()] == [code]


def test_410_disables_the_endpoint_and_is_not_tried_again(
    merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.append(status(410))
    assert merchant.deliver(merchant.message()) == []
    assert merchant.endpoints() == [(False, "the receiver answered 410 Gone")]
    assert [delivery["status"] for delivery in merchant.deliveries()] == ["failed"]
    assert merchant.deliver(merchant.message()) == []
    assert len(receiver.received) == 1


def test_what_waits_for_an_endpoint_that_was_disabled_is_closed(
    merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.append(status(500))
    message = merchant.message()
    merchant.deliver(message)
    merchant.owner.execute(
        "UPDATE webhook_endpoints SET enabled = false WHERE merchant_id = %s", [merchant.id]
    )
    assert merchant.deliver(merchant.again(message)) == []
    (delivery,) = merchant.deliveries()
    assert (delivery["status"], delivery["last_error"]) == ("failed", "the endpoint is disabled")
    assert len(receiver.received) == 1


def test_only_the_endpoint_that_failed_is_asked_again(
    merchant: Merchant, receiver: Receiver, new_receiver: Callable[[], Receiver]
) -> None:
    other = new_receiver()
    secret = merchant.add_endpoint(other.url)
    other.replies.append(status(500))
    message = merchant.message()
    assert merchant.deliver(message) == [1]
    assert merchant.deliver(merchant.again(message)) == []
    assert (len(receiver.received), len(other.received)) == (1, 2)
    Webhook(secret).verify(other.received[1].body, other.received[1].headers)
    assert {delivery["status"] for delivery in merchant.deliveries()} == {"delivered"}


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


def test_merchants_of_one_batch_get_their_own_events(
    owner: psycopg.Connection[Any],
    app_database: Database,
    merchant: Merchant,
    receiver: Receiver,
    new_receiver: Callable[[], Receiver],
) -> None:
    elsewhere = new_receiver()
    other = _new_merchant(owner, app_database, elsewhere.url)
    ours, theirs = merchant.message(), other.message()
    merchant.deliver(ours, Message("theirs", "handle", 1, theirs.body))
    for got, secret, message in (
        (receiver.received, merchant.secret, ours),
        (elsewhere.received, other.secret, theirs),
    ):
        (request,) = got
        assert request.headers["webhook-id"] == json.loads(message.body)["detail"]["event_id"]
        Webhook(secret).verify(request.body, request.headers)


def test_an_event_that_nobody_wants_is_done(merchant: Merchant, receiver: Receiver) -> None:
    merchant.owner.execute(
        "UPDATE webhook_endpoints SET event_types = '{}' WHERE merchant_id = %s", [merchant.id]
    )
    assert merchant.deliver(merchant.message()) == []
    assert (merchant.deliveries(), receiver.received) == ([], [])


def test_poison_is_reported_and_harms_no_other(merchant: Merchant, receiver: Receiver) -> None:
    poison = Message("poison", "handle", 1, "{not json")
    good = merchant.message()
    undone = merchant.deliver(poison, good)
    assert undone == [0]
    assert len(receiver.received) == 1


def _hang(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.recv(1)


def test_a_batch_is_sent_at_the_same_time(merchant: Merchant, receiver: Receiver) -> None:
    receiver.replies.extend([_hang] * 10)
    begun = time.monotonic()
    assert merchant.deliver(*[merchant.message() for _ in range(10)], timeout_s=0.5) == [1] * 10
    assert time.monotonic() - begun < 2
    assert {delivery["last_error"] for delivery in merchant.deliveries()} == {
        "no answer within 0.5 s"
    }


def test_what_is_not_answered_in_the_functions_time_waits_for_the_next(
    merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.append(_hang)
    begun = time.monotonic()
    assert merchant.deliver(merchant.message(), timeout_s=2, left_s=0.2) == [1]
    assert time.monotonic() - begun < 1.5
    assert [delivery["last_error"] for delivery in merchant.deliveries()] == ["no answer in time"]


@pytest.fixture
def sqs(aws_endpoint_url: str) -> Iterator[Any]:
    client = boto3.client("sqs", endpoint_url=aws_endpoint_url)
    yield client
    client.close()


def test_a_message_is_shown_again_when_it_is_due_and_ends_in_the_dead_letter_queue(
    sqs: Any, merchant: Merchant, receiver: Receiver
) -> None:
    name = f"delivery-{uuid.uuid4().hex[:12]}"
    dead = sqs.create_queue(QueueName=f"{name}-dlq")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
    redrive = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": MAX_ATTEMPTS}
    url = sqs.create_queue(
        QueueName=name,
        Attributes={"VisibilityTimeout": "300", "RedrivePolicy": json.dumps(redrive)},
    )["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=merchant.message().body)
    queue = DeliveryQueue(url, sqs)
    wanted = []
    for attempt in range(1, MAX_ATTEMPTS + 1):
        (raw,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5, AttributeNames=["All"])[
            "Messages"
        ]
        count = int(raw["Attributes"]["ApproximateReceiveCount"])
        assert count == attempt
        message = Message(raw["MessageId"], raw["ReceiptHandle"], count, raw["Body"])
        receiver.replies.append(status(500))
        wanted += merchant.deliver(message)
        queue.show_again({message: 0})  # the test is in a hurry
    assert wanted == [1, 5, 30, 120, 600, 0]
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    (raw,) = sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=5)["Messages"]
    assert len(receiver.received) == MAX_ATTEMPTS


def test_a_queue_that_is_away_only_makes_retries_late(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    away = DeliveryQueue("http://127.0.0.1:1/q")
    away.show_again({Message("a", "b", 1, ""): 5})
    assert [record.message for record in caplog.records] == ["Retries come late"]
    away._client.close()


@pytest.fixture
def webhook_function(
    monkeypatch: pytest.MonkeyPatch, app_database_url: str, aws_endpoint_url: str, sqs: Any
) -> Iterator[Any]:
    url = sqs.create_queue(QueueName=f"delivery-{uuid.uuid4().hex[:12]}")["QueueUrl"]
    for name, value in {
        "ENVIRONMENT": "local",
        "DATABASE_URL": app_database_url,
        "VALKEY_URL": "redis://127.0.0.1:1/0",
        "PII_KEY": PII_KEY,
        "WEBHOOK_DELIVERY_QUEUE_URL": url,
        "WEBHOOK_ALLOW_PRIVATE_ADDRESSES": "true",
        "AWS_ENDPOINT_URL": aws_endpoint_url,
    }.items():
        monkeypatch.setenv(name, value)
    app = load_function("webhook")
    caches = (app._settings, app._parts, app._queue)
    for cached in caches:
        cached.cache_clear()
    yield app
    app._parts()[0]._database.close()
    app._queue()._client.close()
    for cached in caches:
        cached.cache_clear()


def test_the_function_takes_the_sample_event(webhook_function: Any) -> None:
    answer = webhook_function.handler(json.loads(SAMPLE.read_text()), LambdaContext())
    assert answer == {"batchItemFailures": []}


def test_the_function_reports_each_message_that_is_not_done(
    webhook_function: Any, merchant: Merchant, receiver: Receiver
) -> None:
    (record,) = json.loads(SAMPLE.read_text())["Records"]
    receiver.replies.append(status(500))
    bodies = {"failing": merchant.message().body, "poison": "?", "fine": record["body"]}
    records = [record | {"messageId": name, "body": body} for name, body in bodies.items()]
    answer = webhook_function.handler({"Records": records}, LambdaContext())
    assert sorted(item["itemIdentifier"] for item in answer["batchItemFailures"]) == [
        "failing",
        "poison",
    ]


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
    client = boto3.client("events", endpoint_url=aws_endpoint_url)
    with psycopg.connect(outbox_url, autocommit=True) as connection:
        payload = Outbox(connection).add()
        connection.execute("UPDATE outbox SET merchant_id = %s", [merchant.id])
        Relay(database, Bus(bus_name, client), CLOCK).run_once()
    database.close()
    client.close()
    (raw,) = queue.client.receive_message(QueueUrl=queue.url, WaitTimeSeconds=5)["Messages"]
    message = Message(raw["MessageId"], raw["ReceiptHandle"], 1, raw["Body"])
    assert merchant.deliver(message) == []
    (request,) = receiver.received
    assert request.body == payload.encode()
    Webhook(merchant.secret).verify(request.body, request.headers)
