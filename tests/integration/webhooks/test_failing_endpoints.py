"""Endpoints that fail: they rest, are disabled, or are taken away, and what waits for them ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from paywright.ids import typeid
from paywright.webhooks.deliveries import judge
from paywright.webhooks.message import event_of
from paywright.webhooks.sender import Answer
from tests.integration.webhooks.conftest import Merchant, finish
from tests.receivers import Receiver, status


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


def test_410_on_a_retry_disables_the_endpoint(merchant: Merchant, receiver: Receiver) -> None:
    receiver.replies.extend([status(500), status(410)])
    merchant.deliver(merchant.message())
    merchant.clock.advance(seconds=2)
    merchant.deliver_due()
    assert not merchant.endpoint()["enabled"]
    assert [each["status"] for each in merchant.deliveries()] == ["failed"]
    assert [each["type"] for each in merchant.events()] == ["merchant.webhook_endpoint_disabled"]
    assert merchant.graves.letters == []


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


def test_what_somebody_asked_for_ends_a_rest_and_goes_first(
    merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.extend([status(500)] * 5)
    merchant.deliver(*[merchant.message() for _ in range(5)])
    merchant.clock.advance(seconds=2)
    merchant.deliver_due()
    assert len(receiver.received) == 5, "it rests"
    asked_for = merchant.message(endpoint_id=typeid("whe", merchant.endpoint()["id"]))
    merchant.deliver(asked_for)
    assert len(receiver.received) == 5, "nobody waits for it in the first function"
    receiver.replies.append(status(500))
    merchant.deliver_due()
    assert receiver.received[5].headers["webhook-id"] == event_of(asked_for).public_id
    assert len(receiver.received) == 6
    merchant.clock.advance(seconds=2)
    merchant.deliver_due()
    assert len(receiver.received) == 6, "its retries wait for the next rest"


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


def test_what_waits_in_vain_ends_beside_what_is_sent_and_holds_it_up_little(
    merchant: Merchant,
    receiver: Receiver,
    new_merchant: Callable[[str], Merchant],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("paywright.webhooks.store._MOST_CLOSED", 2)
    gone = new_merchant(receiver.url)
    for each in (gone, merchant):
        each.set_endpoint(slow=True)
    gone.deliver(*[gone.message() for _ in range(3)])
    gone.set_endpoint(enabled=False)
    due = merchant.due()
    for closed in (2, 3):
        merchant.deliver(merchant.message())
        due._look_at = 0
        due.step()
        assert [each["status"] for each in gone.deliveries()].count("failed") == closed
    finish(due, 5)
    assert len(receiver.received) == 2
    assert [each["status"] for each in merchant.deliveries()] == ["delivered"] * 2
