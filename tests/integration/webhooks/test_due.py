"""Retries, and what waits for endpoints that are slow, broken, disabled or gone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from standardwebhooks import Webhook

from paywright import background, db
from paywright.ids import typeid
from paywright.webhooks.deliveries import judge
from paywright.webhooks.due import AT_ONCE_EACH, FOR_THE_ILL, DueDeliveries
from paywright.webhooks.message import Message, event_of
from paywright.webhooks.retries import MAX_ATTEMPTS
from paywright.webhooks.sender import Answer
from paywright.webhooks.store import PostgresDeliveryStore
from tests.api import LambdaContext, load_function
from tests.integration.webhooks.conftest import PII_KEY, Merchant
from tests.receivers import Receiver, status


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


def test_delays_grow_and_the_last_attempt_ends_in_the_dead_letters(
    merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.extend([status(503)] * MAX_ATTEMPTS)
    message = merchant.message()
    merchant.deliver(message)
    waits = []
    for _ in range(MAX_ATTEMPTS - 1):
        (delivery,) = merchant.deliveries()
        waits.append(delivery["next_retry_at"] - delivery["last_attempt_at"])
        merchant.clock.advance(seconds=waits[-1].total_seconds())
        merchant.deliver_due()
    assert [wait.total_seconds() for wait in waits] == [1, 5, 30, 120, 600]
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


def test_an_endpoint_that_keeps_failing_rests_longer_and_longer_and_is_then_tried_once(
    merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.extend([status(500)] * 20)
    merchant.deliver(*[merchant.message() for _ in range(6)])
    assert merchant.endpoint()["failures"] == 6
    merchant.clock.advance(seconds=10)
    merchant.deliver_due()
    assert len(receiver.received) == 6, "it rests"
    merchant.deliver(merchant.message())
    assert len(receiver.received) == 6, "from new ones as well"
    merchant.clock.advance(seconds=21)
    merchant.deliver_due()
    assert len(receiver.received) == 7, "one tries"
    endpoint = merchant.endpoint()
    assert endpoint["rest_s"] == 60
    merchant.clock.advance(seconds=50)
    merchant.deliver_due()
    assert len(receiver.received) == 7
    receiver.replies.clear()
    merchant.clock.advance(seconds=11)
    merchant.deliver_due()
    endpoint = merchant.endpoint()
    assert (endpoint["failures"], endpoint["failing_since"], endpoint["rest_until"]) == (
        0,
        None,
        None,
    )
    merchant.deliver_due()
    assert len(receiver.received) == 14, "and once it answers, the others go, some at a time"
    assert {each["status"] for each in merchant.deliveries()} == {"delivered"}


def test_five_days_of_failures_disable_an_endpoint_and_close_what_waits(
    merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.extend([status(500)] * 20)
    merchant.deliver(*[merchant.message() for _ in range(5)])
    assert merchant.endpoint()["enabled"]
    merchant.clock.advance(days=4.9)
    merchant.deliver_due()
    assert merchant.endpoint()["enabled"]
    merchant.clock.advance(days=0.2)
    merchant.deliver_due()
    endpoint = merchant.endpoint()
    assert not endpoint["enabled"]
    assert endpoint["disabled_reason"] == "nothing but failures for 5 days"
    (event,) = merchant.events()
    shown = event["payload"]["data"]["object"]
    assert (shown["id"], shown["last_status_code"]) == (typeid("whe", endpoint["id"]), 500)
    assert shown["failing_since"] is not None
    sent = len(receiver.received)
    merchant.deliver_due()
    assert len(receiver.received) == sent
    assert {(each["status"], each["last_error"]) for each in merchant.deliveries()} == {
        ("failed", "the endpoint is disabled")
    }
    assert merchant.waiting() == []
    assert merchant.graves.letters == []


def test_one_answer_in_five_days_keeps_an_endpoint(merchant: Merchant, receiver: Receiver) -> None:
    receiver.replies.extend([status(500)] * 6)
    merchant.deliver(*[merchant.message() for _ in range(6)])
    merchant.clock.advance(days=4)
    merchant.deliver_due()
    assert merchant.endpoint()["failing_since"] is None
    receiver.replies.extend([status(500)] * 20)
    merchant.clock.advance(days=2)
    merchant.deliver(*[merchant.message() for _ in range(6)])
    merchant.deliver_due()
    assert merchant.endpoint()["enabled"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE webhook_endpoints SET enabled = false", "the endpoint is disabled"),
        (
            "UPDATE webhook_endpoints SET enabled = false, deleted_at = now(),"
            " secret_encrypted = NULL",
            "the endpoint was deleted",
        ),
        ("DELETE FROM webhook_endpoints", "the endpoint was deleted"),
    ],
)
def test_what_waits_for_an_endpoint_that_is_taken_away_fails(
    merchant: Merchant, receiver: Receiver, change: str, reason: str
) -> None:
    receiver.replies.append(status(500))
    merchant.deliver(merchant.message())
    merchant.owner.execute(f"{change} WHERE merchant_id = %s".encode(), [merchant.id])
    merchant.clock.advance(seconds=5)
    merchant.deliver_due()
    (delivery,) = merchant.deliveries()
    assert (delivery["status"], delivery["last_error"]) == ("failed", reason)
    assert delivery["next_retry_at"] is None
    assert len(receiver.received) == 1
    assert merchant.waiting() == []


def test_410_on_a_retry_disables_the_endpoint(merchant: Merchant, receiver: Receiver) -> None:
    receiver.replies.extend([status(500), status(410)])
    merchant.deliver(merchant.message())
    merchant.clock.advance(seconds=2)
    merchant.deliver_due()
    assert not merchant.endpoint()["enabled"]
    assert [each["status"] for each in merchant.deliveries()] == ["failed"]
    assert [each["type"] for each in merchant.events()] == ["merchant.webhook_endpoint_disabled"]
    assert merchant.graves.letters == []


@pytest.mark.parametrize(
    ("code", "meanwhile"),
    [
        (410, {"url": "https://example.com/new"}),
        (500, {"url": "https://example.com/new"}),
        (500, {"failing_since": None, "failures": 0}),
    ],
)
def test_an_answer_from_before_a_change_disables_nothing(
    merchant: Merchant, code: int, meanwhile: dict[str, object]
) -> None:
    merchant.set_endpoint(failing_since=merchant.clock.now() - timedelta(days=6), failures=9)
    (planned,) = merchant.store.plan([event_of(merchant.message())])
    merchant.set_endpoint(**meanwhile)
    now = merchant.clock.now()
    outcome = judge(planned, Answer(code), at=now, wall_now=now, jitter=0)
    merchant.store.record([outcome])
    assert merchant.endpoint()["enabled"]
    assert merchant.events() == []


def test_an_endpoint_of_which_nothing_is_known_has_one_request_at_a_time(
    merchant: Merchant, receiver: Receiver
) -> None:
    merchant.set_endpoint(slow=True)
    merchant.deliver(*[merchant.message() for _ in range(5)])
    found = _take(merchant)
    assert len(found) == 1
    assert _take(merchant, {merchant.endpoint()["id"]: 1}) == []
    merchant.clock.advance(seconds=100)
    assert len(_take(merchant)) == 1, "should nobody tell what came of it"


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


def test_what_one_has_taken_no_other_takes(merchant: Merchant, receiver: Receiver) -> None:
    merchant.set_endpoint(slow=True, answered_at=merchant.clock.now())
    merchant.deliver(*[merchant.message() for _ in range(3)])
    assert len(_take(merchant, limit=2)) == 2
    assert len(_take(merchant)) == 1
    assert _take(merchant) == []


def test_one_that_answers_has_several(merchant: Merchant, receiver: Receiver) -> None:
    merchant.set_endpoint(slow=True, answered_at=merchant.clock.now())
    merchant.deliver(*[merchant.message() for _ in range(12)])
    assert len(_take(merchant, {merchant.endpoint()["id"]: 3})) == AT_ONCE_EACH - 3


def test_those_that_fail_do_not_take_all_there_is(
    merchant: Merchant, receiver: Receiver, new_merchant: Callable[[str], Merchant]
) -> None:
    broken = [new_merchant(receiver.url) for _ in range(3)]
    for each in broken:
        each.set_endpoint(slow=True)
        each.deliver(each.message())
    merchant.set_endpoint(slow=True, answered_at=merchant.clock.now())
    merchant.deliver(merchant.message())
    merchant.set_endpoint(slow=False)
    merchant.clock.advance(seconds=1)
    first = _take(merchant, limit=3, for_the_ill=2)
    assert len(first) == 3
    assert first[0].delivery.event.merchant_id in {merchant.id, *(each.id for each in broken)}
    assert merchant.id in {each.delivery.event.merchant_id for each in first}


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
    other.deliver(other.message(), other.message())
    for each in (merchant, other):
        each.set_endpoint(slow=slow)
    taken = _take(merchant, limit=4, for_the_ill=4)
    assert other.id in {each.delivery.event.merchant_id for each in taken}
    busy = {row["endpoint_id"]: 1 for row in merchant.waiting()}
    (first,) = _take(merchant, busy, limit=1)
    assert first.delivery.event.merchant_id == other.id, "who has nothing under way comes first"


def _take(
    merchant: Merchant,
    busy: dict[Any, int] | None = None,
    *,
    limit: int = 64,
    for_the_ill: int = FOR_THE_ILL,
) -> list[Any]:
    return merchant.store.take(
        limit=limit, for_the_ill=for_the_ill, at_once=AT_ONCE_EACH, busy=busy or {}, lease_s=60
    )


def test_a_receiver_that_hangs_delays_no_other(
    merchant: Merchant,
    receiver: Receiver,
    new_merchant: Callable[[str], Merchant],
    new_receiver: Callable[[], Receiver],
) -> None:
    hung_receiver = new_receiver()
    answered = threading.Event()

    def until_the_other_has_it(handler: Any) -> None:
        answered.wait(10)
        status(200)(handler)

    hung_receiver.replies.append(until_the_other_has_it)
    hung = new_merchant(hung_receiver.url)
    hung.set_endpoint(slow=True)
    hung.deliver(hung.message())
    receiver.replies.append(status(500))
    merchant.deliver(merchant.message())
    merchant.clock.advance(seconds=2)
    due = merchant.due(timeout_s=10)
    due.step()
    while [each["status"] for each in merchant.deliveries()] != ["delivered"]:
        due.rest(0.1)
        due.step()
    assert [each["status"] for each in hung.deliveries()] == ["pending"]
    answered.set()
    due.finish(10)
    assert [each["status"] for each in hung.deliveries()] == ["delivered"]


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
    due.finish(10)
    assert len(receiver.received) == 1
    assert [each["status"] for each in merchant.deliveries()] == ["delivered"]


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
        due.finish(5)
    store.away = False
    due.step()
    assert [each["status"] for each in merchant.deliveries()] == ["delivered"]
    assert len(receiver.received) == 2


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


class _Never:
    """Name resolution that knows no deadline."""

    def post(self, *_: object) -> Answer:
        threading.Event().wait(1.5)
        return Answer(200)


def test_what_nobody_answers_is_given_up(
    merchant: Merchant, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paywright.webhooks.due._GIVE_UP_S", 0.0)
    merchant.set_endpoint(slow=True)
    merchant.deliver(merchant.message())
    due = DueDeliveries(
        merchant.store, _Never(), merchant.graves, merchant.clock, merchant.means.wall
    )
    due.step()
    due.step()
    assert [each["last_error"] for each in merchant.deliveries()] == ["no answer in time"]


@pytest.fixture
def due_function(
    monkeypatch: pytest.MonkeyPatch, app_database_url: str, aws_endpoint_url: str
) -> Iterator[Any]:
    sqs = boto3.client("sqs", endpoint_url=aws_endpoint_url)
    url = sqs.create_queue(QueueName="due-function-dlq")["QueueUrl"]
    for name, value in {
        "ENVIRONMENT": "local",
        "DATABASE_URL": app_database_url,
        "VALKEY_URL": "redis://127.0.0.1:1/0",
        "PII_KEY": PII_KEY,
        "WEBHOOK_DEAD_LETTER_QUEUE_URL": url,
        "WEBHOOK_ALLOW_PRIVATE_ADDRESSES": "true",
        "AWS_ENDPOINT_URL": aws_endpoint_url,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(background, "FINISH_S", 9.0)
    app = load_function("webhook_due")
    app._parts.cache_clear()
    yield app
    app._parts()[0]._store._database.close()
    app._parts.cache_clear()
    sqs.close()


def test_the_function_delivers_what_is_due(
    due_function: Any, merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.append(status(500, Retry_After="0.1"))
    merchant.deliver(merchant.message())
    merchant.owner.execute("UPDATE webhook_waiting SET due_at = now()")
    due_function.handler({}, LambdaContext())
    assert len(receiver.received) == 2
    assert [each["status"] for each in merchant.deliveries()] == ["delivered"]
