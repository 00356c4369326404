"""Dead letters: poison, and what was tried in vain; why they are there, and what a redrive does."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from paywright.ids import typeid
from paywright.webhooks.deliveries import Hang, Outcome
from paywright.webhooks.due import LEASE_S, DueDeliveries
from paywright.webhooks.message import Message, event_of
from paywright.webhooks.queue import DeadLetter, DeadLetters
from paywright.webhooks.store import PostgresDeliveryStore
from tests.integration.webhooks.conftest import PII_KEY, Merchant, finish
from tests.receivers import Receiver, status
from tests.waiting import until

_LIMIT_S = 60.0


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


def test_a_dead_letter_queue_that_refuses_says_so(
    sqs: Any, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = DeadLetters(f"{sqs.meta.endpoint_url}/000000000000/no-such-queue", sqs)
    assert not nowhere.put(DeadLetter("{}", "UNREADABLE", "no event"))
    (record,) = caplog.records
    assert record.message == "The dead-letter queue refuses; trying again later"
    assert "NonExistentQueue" in vars(record)["reason"]


def test_dead_letters_wait_while_their_queue_is_away(
    merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.append(status(503))
    merchant.deliver(merchant.message())
    merchant.owner.execute("UPDATE webhook_deliveries SET tries = 5")
    merchant.clock.advance(seconds=2)
    receiver.replies.append(status(503))
    merchant.graves.away = True
    merchant.deliver_due()
    assert [each["status"] for each in merchant.deliveries()] == ["failed"]
    assert len(merchant.waiting()) == 1
    merchant.graves.away = False
    merchant.clock.advance(seconds=100)
    merchant.deliver_due()
    assert len(merchant.graves.letters) == 1
    assert merchant.graves.letters[0].reason == "the receiver answered 503"
    assert len(receiver.received) == 2, "it is not sent again"
    assert merchant.waiting() == []


def test_a_dead_letter_that_is_owed_outlives_that_its_endpoint_is_disabled(
    merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.extend([status(503)] * 3)
    merchant.deliver(merchant.message())
    merchant.owner.execute("UPDATE webhook_deliveries SET tries = 5")
    merchant.clock.advance(seconds=2)
    merchant.graves.away = True
    merchant.deliver_due()
    merchant.deliver(merchant.message())
    assert [each["status"] for each in merchant.deliveries()] == ["failed", "pending"]
    merchant.set_endpoint(enabled=False)
    merchant.clock.advance(seconds=100)
    merchant.deliver_due()
    assert [each["last_error"] for each in merchant.deliveries()] == [
        None,
        "the endpoint is disabled",
    ]
    assert len(merchant.waiting()) == 1
    merchant.graves.away = False
    merchant.clock.advance(seconds=100)
    merchant.deliver_due()
    (letter,) = merchant.graves.letters
    assert dict(letter.attributes)["DELIVERY_ID"] == typeid("whd", merchant.deliveries()[0]["id"])
    assert merchant.waiting() == []
    assert len(receiver.received) == 3, "nothing is sent to it"


@pytest.mark.parametrize("meanwhile", ["delivered", "pending"])
def test_what_was_delivered_or_sent_again_meanwhile_is_no_dead_letter(
    merchant: Merchant, receiver: Receiver, meanwhile: str
) -> None:
    class Overtaken(PostgresDeliveryStore):
        def record(self, outcomes: Sequence[Outcome], hanging: Iterable[Hang] = ()) -> None:
            super().record(outcomes, hanging)
            merchant.owner.execute("UPDATE webhook_deliveries SET status = %s", [meanwhile])

    receiver.replies.extend([status(503)] * 2)
    merchant.deliver(merchant.message())
    merchant.owner.execute("UPDATE webhook_deliveries SET tries = 5")
    merchant.clock.advance(seconds=2)
    store, means = merchant.store, merchant.means
    overtaken = Overtaken(store._database, store._ids, merchant.clock, PII_KEY)
    due = DueDeliveries(overtaken, means.sender, merchant.graves, merchant.clock, means.wall)
    due.step()
    finish(due, 5)
    assert len(receiver.received) == 2
    assert [each["status"] for each in merchant.deliveries()] == [meanwhile]
    assert merchant.graves.letters == []


def test_a_redriven_dead_letter_is_tried_anew_for_its_endpoint_alone_and_once(
    merchant: Merchant, receiver: Receiver, new_receiver: Callable[[], Receiver]
) -> None:
    other = new_receiver()
    merchant.add_endpoint(other.url)
    receiver.replies.append(status(503))
    merchant.deliver(merchant.message())
    merchant.owner.execute("UPDATE webhook_deliveries SET tries = 5 WHERE status = 'pending'")
    receiver.replies.append(status(503))
    merchant.clock.advance(seconds=2)
    merchant.deliver_due()
    (letter,) = merchant.graves.letters
    receiver.replies.append(status(500))
    merchant.deliver(Message("redriven", letter.body))
    assert len(other.received) == 1
    failed = next(each for each in merchant.deliveries() if each["status"] != "delivered")
    assert (failed["status"], failed["attempts"], failed["tries"]) == ("pending", 3, 1)
    merchant.clock.advance(seconds=2)
    merchant.deliver_due()
    assert {each["status"] for each in merchant.deliveries()} == {"delivered"}
    merchant.deliver(Message("redriven again", letter.body))
    assert (len(receiver.received), len(other.received)) == (4, 1)


@pytest.mark.parametrize(("code", "becomes"), [(500, "failed"), (200, "delivered")])
def test_an_environment_that_was_paused_brings_nothing_back_that_is_buried(
    merchant: Merchant, receiver: Receiver, code: int, becomes: str
) -> None:
    thaws = threading.Event()

    def late(handler: BaseHTTPRequestHandler) -> None:
        thaws.wait(_LIMIT_S)
        status(code)(handler)

    receiver.replies.extend([status(503), late, status(503)])
    merchant.deliver(merchant.message())
    merchant.clock.advance(seconds=2)
    paused = merchant.due(timeout_s=_LIMIT_S)
    paused.step()
    merchant.owner.execute("UPDATE webhook_deliveries SET tries = 5")
    merchant.clock.advance(seconds=LEASE_S + 1)
    until(lambda: len(receiver.received) == 2)
    merchant.deliver_due()
    assert len(merchant.graves.letters) == 1
    thaws.set()
    finish(paused, _LIMIT_S)
    assert [each["status"] for each in merchant.deliveries()] == [becomes]
    assert merchant.waiting() == []
