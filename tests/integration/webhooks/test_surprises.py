"""What nobody thought of, in one delivery: it is that one's failure, and holds up no other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from paywright.webhooks.attempts import UNJUDGED
from paywright.webhooks.deliver import deliver_batch
from paywright.webhooks.due import DueDeliveries
from paywright.webhooks.message import Message
from paywright.webhooks.sender import Answer
from tests.integration.webhooks.conftest import Merchant
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
    due.finish(9)
    assert sorted(each["status"] for each in merchant.deliveries()) == ["delivered", "pending"]
    assert len(receiver.received) == 3
    merchant.clock.advance(seconds=6)
    due._look_at = 0
    due.step()
    due.finish(9)
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


def test_a_first_attempt_that_cannot_be_recorded_comes_again_alone(
    merchant: Merchant, receiver: Receiver
) -> None:
    messages = [merchant.message() for _ in range(3)]
    sender = Surprising(merchant, Answer(_NO_STATUS_OF_HTTP))
    undone = deliver_batch(messages, replace(merchant.means, sender=sender), time_left_s=9)
    assert len(undone) == 1
    assert [each["status"] for each in merchant.deliveries()] == ["delivered"] * 2
    assert merchant.deliver(*undone) == []
    assert [each["status"] for each in merchant.deliveries()] == ["delivered"] * 3
    assert len(receiver.received) == 3


def test_a_retry_that_cannot_be_recorded_comes_again_alone(
    merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.extend([status(500)] * 2)
    merchant.deliver(merchant.message(), Message("second", merchant.message().body))
    merchant.set_endpoint(answered_at=merchant.clock.now(), failing_since=None, failures=0)
    merchant.clock.advance(seconds=2)
    due = due_of(merchant, Answer(_NO_STATUS_OF_HTTP))
    due.step()
    due.finish(9)
    assert sorted(each["status"] for each in merchant.deliveries()) == ["delivered", "pending"]
    merchant.clock.advance(seconds=61)  # it was taken for a minute
    due._look_at = 0
    due.step()
    due.finish(9)
    assert {each["status"] for each in merchant.deliveries()} == {"delivered"}
