"""Deliveries that nobody answers in time: what they hold up, and what comes of them."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from paywright.cache import Cache
from paywright.webhooks.deliver import LATE
from paywright.webhooks.due import DueDeliveries
from paywright.webhooks.message import Message
from paywright.webhooks.places import Places
from paywright.webhooks.sender import Answer
from tests.integration.webhooks.conftest import Merchant, finish, hang
from tests.receivers import Receiver, status

_LIMIT_S = 60.0


def test_what_is_not_answered_in_the_functions_time_is_left_to_the_next(
    merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.append(hang)
    assert merchant.deliver(merchant.message(), timeout_s=8, left_s=0.2) == []
    (waiting,) = merchant.waiting()
    assert waiting["due_at"] <= merchant.clock.now()
    assert [each["attempts"] for each in merchant.deliveries()] == [0], "it had no full attempt"
    merchant.deliver_due()
    assert [each["status_code"] for each in merchant.attempts()] == [200]
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


@pytest.mark.parametrize("is_soon", [True, False], ids=["by and by", "never"])
def test_what_is_not_answered_soon_has_its_full_time_elsewhere(
    merchant: Merchant, receiver: Receiver, is_soon: bool
) -> None:
    receiver.replies.extend([hang, status(200) if is_soon else hang])
    merchant.deliver(merchant.message(), timeout_s=1.2)
    assert merchant.endpoint()["slow"]
    assert merchant.endpoint()["failures"] == 0
    assert merchant.attempts() == []
    merchant.deliver_due(timeout_s=20 if is_soon else 0.5)
    (delivery,), (attempt,) = merchant.deliveries(), merchant.attempts()
    assert (delivery["status"], attempt["number"], attempt["error"]) == (
        ("delivered", 1, None) if is_soon else ("pending", 1, "no answer within 0.5 s")
    )
    assert merchant.endpoint()["failures"] == (0 if is_soon else 1)


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
    assert {(each["status"], each["attempts"]) for each in merchant.deliveries()} == {
        ("pending", 0)
    }
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
        until = time.monotonic() + _LIMIT_S
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
    merchant.deliver(merchant.message(), Message("theirs", hung.message().body), timeout_s=_LIMIT_S)
    cache.close()
    connection.close()
    assert known_slow == [True], "others learn of it before it has answered"
    assert gone_on.is_set()
    assert seen == ["delivered"]
    assert free == {endpoint}, "nor is its place kept"
    assert [delivery["status"] for delivery in hung.deliveries()] == ["delivered"]
    assert hung.endpoint()["slow"]
    assert len(receiver.received) == 1


def test_one_environment_at_a_time_waits_for_what_is_late(
    merchant: Merchant, receiver: Receiver, valkey: Cache
) -> None:
    elsewhere = Places(valkey, lease_s=35)
    assert elsewhere.take({LATE: False})
    is_over, is_answered = threading.Event(), threading.Event()
    was_over: list[bool] = []

    def late(handler: Any) -> None:
        was_over.append(is_over.wait(10))
        status(200)(handler)
        is_answered.set()

    receiver.replies.append(late)
    assert merchant.deliver(merchant.message(), timeout_s=15) == []
    is_over.set()
    assert is_answered.wait(20)
    assert was_over == [True]
    assert merchant.endpoint()["slow"]
    merchant.deliver_due()
    assert [each["status"] for each in merchant.deliveries()] == ["delivered"]
    assert len(receiver.received) == 2

    elsewhere.leave({LATE})
    receiver.replies.append(hang)
    merchant.set_endpoint(slow=False)
    merchant.deliver(merchant.message(), timeout_s=1.2)
    assert elsewhere.take({LATE: False}), "whoever has waited keeps no place"
    elsewhere.leave({LATE})


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
        until = time.monotonic() + _LIMIT_S
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


def test_a_receiver_that_hangs_delays_no_other(
    merchant: Merchant,
    receiver: Receiver,
    new_merchant: Callable[[str], Merchant],
    new_receiver: Callable[[], Receiver],
) -> None:
    hung_receiver = new_receiver()
    answered = threading.Event()

    def until_the_other_has_it(handler: Any) -> None:
        answered.wait(_LIMIT_S)
        status(200)(handler)

    hung_receiver.replies.append(until_the_other_has_it)
    hung = new_merchant(hung_receiver.url)
    hung.set_endpoint(slow=True)
    hung.deliver(hung.message())
    receiver.replies.append(status(500))
    merchant.deliver(merchant.message())
    merchant.clock.advance(seconds=2)
    due = merchant.due(timeout_s=_LIMIT_S)
    due.step()
    while [each["status"] for each in merchant.deliveries()] != ["delivered"]:
        due.rest(0.1)
        due.step()
    assert [each["status"] for each in hung.deliveries()] == ["pending"]
    answered.set()
    finish(due, _LIMIT_S)
    assert [each["status"] for each in hung.deliveries()] == ["delivered"]


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


def test_an_answer_that_came_while_the_environment_was_paused_counts(
    merchant: Merchant, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PATIENCE_S": 0.0,
        "_GIVE_UP_S": 0.0,
        "_PAUSED_S": 0.0,
        "_MOMENT_S": _LIMIT_S,
    }.items():
        monkeypatch.setattr(f"paywright.webhooks.due.{name}", value)
    thaws = threading.Event()

    def answer(handler: Any) -> None:
        thaws.wait(_LIMIT_S)
        status(200)(handler)

    merchant.set_endpoint(slow=True)
    merchant.deliver(merchant.message())
    receiver.replies.append(answer)
    due = merchant.due(timeout_s=_LIMIT_S)
    due.step()
    thread = threading.Timer(0.1, thaws.set)
    thread.start()
    due.step()
    thread.join()
    assert [each["status"] for each in merchant.deliveries()] == ["delivered"]
    assert [each["error"] for each in merchant.attempts()] == [None]
