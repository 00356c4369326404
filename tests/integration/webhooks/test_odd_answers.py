"""Answers in words that the database does not take: kept without, and nothing waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from paywright.ids import typeid
from paywright.webhooks.deliver import deliver_batch
from paywright.webhooks.deliveries import UNTELLABLE
from paywright.webhooks.due import DueDeliveries
from paywright.webhooks.sender import Answer
from tests.integration.webhooks.conftest import Merchant, finish
from tests.receivers import Receiver, status

_ODD = ["a NUL: \x00", "half a character: \ud800"]


class Saying:
    """Sends nothing: the answers are these, one after the other."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        return self._answers.pop(0)


@pytest.mark.parametrize("words", _ODD)
def test_an_odd_answer_holds_up_no_other(
    words: str, merchant: Merchant, caplog: pytest.LogCaptureFixture
) -> None:
    messages = [merchant.message() for _ in range(3)]
    sender = Saying(Answer(200, excerpt="thanks"), Answer(200, excerpt=words), Answer(None, words))
    means = replace(merchant.means, sender=sender)
    assert deliver_batch(messages, means, time_left_s=9) == []
    kept = {(each["status_code"], each["error"], each["excerpt"]) for each in merchant.attempts()}
    assert kept == {
        (200, None, "thanks"),
        (200, None, UNTELLABLE),
        (None, UNTELLABLE, None),
    }
    statuses = sorted(each["status"] for each in merchant.deliveries())
    assert statuses == ["delivered", "delivered", "pending"]
    assert merchant.endpoint()["failures"] == 1
    named = [
        vars(each)["delivery"]
        for each in caplog.records
        if (each.levelname, each.message) == ("WARNING", "What a receiver said cannot be kept")
    ]
    odd = {each["delivery_id"] for each in merchant.attempts() if UNTELLABLE in each.values()}
    assert sorted(named) == sorted(typeid("whd", each) for each in odd)


@pytest.mark.parametrize("words", _ODD)
def test_an_odd_answer_to_the_last_attempt_is_the_last(
    words: str, merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.append(status(500))
    merchant.deliver(merchant.message())
    merchant.owner.execute(
        "UPDATE webhook_deliveries SET tries = 5 WHERE merchant_id = %s", [merchant.id]
    )
    merchant.clock.advance(seconds=2)
    sender = Saying(Answer(None, words))
    due = DueDeliveries(
        merchant.store, sender, merchant.graves, merchant.clock, merchant.means.wall
    )
    due.step()
    finish(due, 5)
    (delivery,) = merchant.deliveries()
    assert (delivery["status"], delivery["last_error"]) == ("failed", UNTELLABLE)
    assert merchant.waiting() == []


@pytest.mark.parametrize("words", _ODD)
def test_an_odd_answer_that_says_gone_disables(merchant: Merchant, words: str) -> None:
    means = replace(merchant.means, sender=Saying(Answer(410, excerpt=words)))
    deliver_batch([merchant.message()], means, time_left_s=9)
    assert not merchant.endpoint()["enabled"]
    assert [each["excerpt"] for each in merchant.attempts()] == [UNTELLABLE]


def test_an_odd_trace_is_not_kept(merchant: Merchant, receiver: Receiver) -> None:
    receiver.replies.append(status(500))
    assert merchant.deliver(merchant.message(trace_id="a NUL: \x00")) == []
    assert [each["trace_id"] for each in merchant.waiting()] == [None]
