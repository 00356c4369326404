"""Outcomes whose record is committed while the answer to that is lost: told again, counted once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler

import pytest

from paywright import db
from paywright.webhooks.deliver import deliver_batch
from paywright.webhooks.deliveries import Delivery, Hang, Outcome, judge
from paywright.webhooks.due import DueDeliveries
from paywright.webhooks.message import event_of
from paywright.webhooks.sender import Answer
from paywright.webhooks.store import PostgresDeliveryStore
from tests.integration.webhooks.conftest import PII_KEY, Merchant, finish
from tests.receivers import Receiver, status

_LIMIT_S = 60.0


class Forgetful(PostgresDeliveryStore):
    """Commits, and loses the answer when it is told so."""

    loses = False

    def record(self, outcomes: Sequence[Outcome], hanging: Iterable[Hang] = ()) -> None:
        super().record(outcomes, hanging)
        if self.loses:
            raise db.Lost


@pytest.fixture
def store(merchant: Merchant) -> Forgetful:
    return Forgetful(merchant.store._database, merchant.store._ids, merchant.clock, PII_KEY)


def due_of(merchant: Merchant, store: PostgresDeliveryStore) -> DueDeliveries:
    means = merchant.means
    return DueDeliveries(store, means.sender, merchant.graves, merchant.clock, means.wall)


def until(is_so: Callable[[], object]) -> None:
    give_up = time.monotonic() + _LIMIT_S
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def judged(merchant: Merchant, delivery: Delivery, code: int) -> Outcome:
    return judge(
        delivery,
        Answer(code),
        at=merchant.clock.now(),
        wall_now=merchant.means.wall.now(),
        jitter=0.0,
    )


def plan(merchant: Merchant) -> list[Delivery]:
    """The deliveries of one event more."""
    return merchant.store.plan([event_of(merchant.message())])


def test_a_failure_is_counted_once(
    merchant: Merchant, receiver: Receiver, store: Forgetful
) -> None:
    receiver.replies.extend([status(500), status(502), status(503)])
    merchant.deliver(merchant.message())
    merchant.clock.advance(seconds=2)
    due = due_of(merchant, store)
    due.step()
    store.loses = True
    with pytest.raises(db.Lost):
        finish(due, 5)
    merchant.deliver(merchant.message())  # something else fails there meanwhile
    known = merchant.endpoint()
    store.loses = False
    finish(due, 5)
    assert [each["status_code"] for each in merchant.attempts()] == [500, 502, 503]
    assert [each["attempts"] for each in merchant.deliveries()] == [2, 1]
    assert known["failures"] == 3
    assert merchant.endpoint() == known
    assert len(merchant.waiting()) == 2


def test_what_may_be_known_is_told_by_itself_before_what_came_meanwhile(
    merchant: Merchant, receiver: Receiver, store: Forgetful
) -> None:
    go_on = threading.Event()

    def late(handler: BaseHTTPRequestHandler) -> None:
        assert go_on.wait(_LIMIT_S)
        status(503)(handler)

    receiver.replies.extend([status(500), status(500), status(502), late])
    merchant.deliver(merchant.message(), merchant.message())
    merchant.set_endpoint(answered_at=merchant.clock.now(), failing_since=None, failures=0)
    merchant.clock.advance(seconds=2)
    due = due_of(merchant, store)
    due.step()
    store.loses = True
    with pytest.raises(db.Lost):
        until(due.step)
    assert merchant.endpoint()["failures"] == 1
    go_on.set()
    until(lambda: len(receiver.received) == 4)
    store.loses = False
    finish(due, _LIMIT_S)
    assert merchant.endpoint()["failures"] == 2
    assert sorted(each["status_code"] for each in merchant.attempts()) == [500, 500, 502, 503]


def test_an_old_outcome_changes_nothing_that_came_after_it(
    merchant: Merchant, receiver: Receiver
) -> None:
    (delivery,) = plan(merchant)
    store = merchant.store
    first = judged(merchant, delivery, 500)
    store.record([first])
    merchant.clock.advance(seconds=2)
    store.record([judged(merchant, delivery, 502)])
    (other,) = plan(merchant)
    store.record([judged(merchant, other, 200)])
    before = merchant.deliveries(), merchant.attempts(), merchant.waiting(), merchant.endpoint()
    store.record([first])
    after = merchant.deliveries(), merchant.attempts(), merchant.waiting(), merchant.endpoint()
    assert after == before
    assert [each["status_code"] for each in merchant.attempts()] == [500, 502, 200]


def test_a_success_that_is_told_again_hides_no_failure_after_it(
    merchant: Merchant, receiver: Receiver
) -> None:
    (one,), (two,) = plan(merchant), plan(merchant)
    success = judged(merchant, one, 200)
    merchant.store.record([success])
    merchant.store.record([judged(merchant, two, 500)])
    merchant.store.record([success])
    assert merchant.endpoint()["failures"] == 1
    assert merchant.endpoint()["failing_since"] is not None


def test_a_message_that_comes_again_after_it_sends_nothing(
    merchant: Merchant, receiver: Receiver, store: Forgetful
) -> None:
    receiver.replies.extend([status(500)])
    message = merchant.message()
    store.loses = True
    with pytest.raises(db.Lost):
        deliver_batch([message], replace(merchant.means, store=store), time_left_s=9)
    assert merchant.deliver(message) == []
    assert len(receiver.received) == 1
    assert merchant.endpoint()["failures"] == 1
