"""What nobody thought of, in one delivery: it is that one's failure, and holds up no other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from paywright.ids import typeid
from paywright.webhooks.attempts import UNJUDGED
from paywright.webhooks.deliver import deliver_batch
from paywright.webhooks.deliveries import Hang, Outcome
from paywright.webhooks.due import DueDeliveries
from paywright.webhooks.message import event_of
from paywright.webhooks.retries import MAX_ATTEMPTS
from paywright.webhooks.sender import Answer
from paywright.webhooks.store import PostgresDeliveryStore
from tests.integration.webhooks.conftest import PII_KEY, Merchant, finish
from tests.receivers import Receiver, status

_NO_STATUS_OF_HTTP = 70_000
"""More than the database takes."""

_FAR = "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"


class Odd(Exception):
    """Nobody has thought of it."""


class Surprising:
    """Sends, but for the first request: that raises, or has an answer that cannot be."""

    def __init__(self, merchant: Merchant, surprise: BaseException | Answer) -> None:
        self._sender = merchant.means.sender
        self._surprises = [surprise]

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if not self._surprises:
            return self._sender.post(url, headers, body)
        surprise = self._surprises.pop()
        if isinstance(surprise, Answer):
            return surprise
        raise surprise


_SURPRISES = [
    pytest.param(Odd("boo"), id="sending raises"),
    pytest.param(SystemExit(1), id="sending ends the thread"),
    pytest.param(Answer(503, retry_after=5j), id="judging raises"),  # type: ignore[arg-type]
]


def due_of(merchant: Merchant, surprise: BaseException | Answer) -> DueDeliveries:
    means, sender = merchant.means, Surprising(merchant, surprise)
    return DueDeliveries(merchant.store, sender, merchant.graves, merchant.clock, means.wall)


@pytest.mark.parametrize("surprise", _SURPRISES)
def test_a_surprise_is_one_failed_first_attempt(
    merchant: Merchant, receiver: Receiver, surprise: Any
) -> None:
    messages = [merchant.message() for _ in range(3)]
    means = replace(merchant.means, sender=Surprising(merchant, surprise))
    assert deliver_batch(messages, means, time_left_s=9) == []
    assert sorted(each["status"] for each in merchant.deliveries()) == [
        "delivered",
        "delivered",
        "pending",
    ]
    assert {each["error"] for each in merchant.attempts()} == {None, UNJUDGED}
    merchant.clock.advance(seconds=2)
    merchant.deliver_due()
    assert {each["status"] for each in merchant.deliveries()} == {"delivered"}
    assert len(receiver.received) == 3


@pytest.mark.parametrize("surprise", _SURPRISES)
def test_a_surprise_is_one_failed_retry(
    merchant: Merchant, receiver: Receiver, surprise: Any
) -> None:
    receiver.replies.extend([status(500)] * 2)
    merchant.deliver(merchant.message(), merchant.message())
    merchant.set_endpoint(answered_at=merchant.clock.now(), failing_since=None, failures=0)
    merchant.clock.advance(seconds=2)
    due = due_of(merchant, surprise)
    due.step()
    finish(due, 9)
    assert sorted(each["status"] for each in merchant.deliveries()) == ["delivered", "pending"]
    assert len(receiver.received) == 3
    merchant.clock.advance(seconds=6)
    due._look_at = 0
    due.step()
    finish(due, 9)
    assert {each["status"] for each in merchant.deliveries()} == {"delivered"}
    assert [each["error"] for each in merchant.attempts()].count(UNJUDGED) == 1


def test_a_moment_beyond_all_years_is_no_retry_after(
    merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.append(status(503, Retry_After=_FAR))
    merchant.deliver(merchant.message())
    (attempt,) = merchant.attempts()
    assert (attempt["status_code"], attempt["error"]) == (503, None)
    receiver.replies.append(status(503, Retry_After=_FAR))
    merchant.clock.advance(seconds=2)
    merchant.deliver_due()
    assert [each["status_code"] for each in merchant.attempts()] == [503, 503]


def test_a_first_attempt_that_cannot_be_kept_counts_and_holds_up_no_other(
    merchant: Merchant, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    messages = [merchant.message() for _ in range(3)]
    sender = Surprising(merchant, Answer(_NO_STATUS_OF_HTTP))
    assert deliver_batch(messages, replace(merchant.means, sender=sender), time_left_s=9) == []
    (owed,) = [each for each in merchant.deliveries() if each["status"] != "delivered"]
    assert (owed["status"], owed["tries"], owed["attempts"]) == ("pending", 1, 0)
    (line,) = [vars(each) for each in caplog.records if each.levelname == "ERROR"]
    assert line["delivery"] == typeid("whd", owed["id"])
    merchant.clock.advance(seconds=2)
    merchant.deliver_due()
    assert [each["status"] for each in merchant.deliveries()] == ["delivered"] * 3
    assert len(receiver.received) == 3


def test_attempts_that_cannot_be_kept_come_to_an_end(
    merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.append(status(500))
    merchant.deliver(merchant.message())
    for tries in range(1, MAX_ATTEMPTS):
        assert [(each["status"], each["tries"]) for each in merchant.deliveries()] == [
            ("pending", tries)
        ]
        (waiting,) = merchant.waiting()
        merchant.clock.ahead += waiting["due_at"] - merchant.clock.now()
        due = due_of(merchant, Answer(_NO_STATUS_OF_HTTP))
        due.step()
        finish(due, 9)
    assert [each["status"] for each in merchant.deliveries()] == ["failed"]
    assert len(merchant.graves.letters) == 1
    assert merchant.waiting() == []


class Refusing(PostgresDeliveryStore):
    """Takes nothing of one event, whatever is said of it."""

    refused: UUID | None = None

    def record(self, outcomes: Sequence[Outcome], hanging: Iterable[Hang] = ()) -> None:
        if self.refused in [each.delivery.event.id for each in outcomes]:
            raise Odd
        super().record(outcomes, hanging)


@pytest.fixture
def refusing(merchant: Merchant) -> Refusing:
    return Refusing(merchant.store._database, merchant.store._ids, merchant.clock, PII_KEY)


def test_a_first_attempt_of_which_nothing_can_be_kept_comes_again_alone(
    merchant: Merchant, receiver: Receiver, refusing: Refusing
) -> None:
    messages = [merchant.message() for _ in range(3)]
    refusing.refused = event_of(messages[1]).id
    means = replace(merchant.means, store=refusing)
    assert deliver_batch(messages, means, time_left_s=9) == [messages[1]]
    assert [each["status"] for each in merchant.deliveries()] == ["delivered"] * 2
    refusing.refused = None
    assert deliver_batch([messages[1]], means, time_left_s=9) == []
    assert [each["status"] for each in merchant.deliveries()] == ["delivered"] * 3
    assert len(receiver.received) == 4


def test_a_retry_of_which_nothing_can_be_kept_is_due_again_alone(
    merchant: Merchant, receiver: Receiver, refusing: Refusing
) -> None:
    receiver.replies.extend([status(500)] * 2)
    messages = [merchant.message() for _ in range(2)]
    merchant.deliver(*messages)
    merchant.set_endpoint(answered_at=merchant.clock.now(), failing_since=None, failures=0)
    merchant.clock.advance(seconds=2)
    means = merchant.means
    due = DueDeliveries(refusing, means.sender, merchant.graves, merchant.clock, means.wall)
    refusing.refused = event_of(messages[0]).id
    due.step()
    finish(due, 9)
    assert sorted(each["status"] for each in merchant.deliveries()) == ["delivered", "pending"]
    refusing.refused = None
    merchant.clock.advance(seconds=61)  # it was taken for a minute
    due._look_at = 0
    due.step()
    finish(due, 9)
    assert {each["status"] for each in merchant.deliveries()} == {"delivered"}
