"""An endpoint is sent what it wanted when it happened: nothing of before, and all of since."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest

from paywright.db import Database
from paywright.housekeeping import relay_again
from paywright.ids import UuidSource
from paywright.money import Currency
from paywright.payments.models import Caller, RequestContext
from paywright.webhooks.deliveries import parked
from paywright.webhooks.endpoints import Endpoints, NewEndpoint
from paywright.webhooks.history import Deliveries
from paywright.webhooks.message import Message, body_for, event_of
from paywright.webhooks.store import PostgresDeliveryStore
from tests.integration.webhooks.conftest import PII_KEY, Merchant
from tests.integration.webhooks.endpoints import uuid_of
from tests.receivers import Receiver, status

CONTEXT = RequestContext(None, b"", "trace-1", None, "tests")


class Thorough(Merchant):
    """One whose new endpoints get their events as well, which `webhook` leaves to `webhook_due`."""

    def deliver(
        self, *messages: Message, timeout_s: float = 2, left_s: float = 20
    ) -> list[Message]:
        undone = super().deliver(*messages, timeout_s=timeout_s, left_s=left_s)
        for _ in messages:
            self.deliver_due()
        return undone


@dataclass
class Desk:
    """A merchant that makes and changes endpoints while its clock goes on."""

    merchant: Merchant
    endpoints: Endpoints
    caller: Caller
    database: Database

    def make(self, url: str, *event_types: str, enabled: bool = True) -> str:
        new = NewEndpoint(url, list(event_types) or ["*"], enabled=enabled)
        answer = self.endpoints.create(self.caller, new, CONTEXT)
        return str(json.loads(answer.body)["id"])

    def change(self, endpoint_id: str, **changes: Any) -> None:
        self.endpoints.change(self.caller, uuid_of(endpoint_id), changes, CONTEXT)

    def resend(self, delivery_id: UUID) -> None:
        clock = self.merchant.clock
        service = Deliveries(self.database, clock, UuidSource(clock))
        service.resend(self.caller, delivery_id, CONTEXT)

    def is_looked_for(self, message: Message) -> bool:
        """Whether it is put on the bus again, should it be lost on its way."""
        merchant = self.merchant
        now = merchant.clock.now()
        merchant.owner.execute(
            "UPDATE events SET relayed_at = %s WHERE id = %s",
            [now, event_of(message).id],
        )
        merchant.clock.advance(seconds=61)
        relay_again(self.database, merchant.clock.now())
        return event_of(message).id in {each["id"] for each in merchant.events()}


@pytest.fixture
def desk(new_merchant: Callable[[str], Merchant], app_database: Database) -> Iterator[Desk]:
    merchant = Thorough(**vars(new_merchant("http://127.0.0.1:9/hooks")))
    merchant.owner.execute("DELETE FROM webhook_endpoints WHERE merchant_id = %s", [merchant.id])
    row = merchant.owner.execute(
        "SELECT id FROM api_keys WHERE merchant_id = %s", [merchant.id]
    ).fetchone()
    assert row is not None
    ids = UuidSource(merchant.clock)
    yield Desk(
        merchant,
        Endpoints(app_database, PII_KEY, merchant.clock, ids, lambda _: None),
        Caller(merchant.id, row[0], False, Currency.of("usd"), None, ()),
        app_database,
    )
    merchant.owner.execute("DELETE FROM outbox WHERE merchant_id = %s", [merchant.id])


def test_a_new_endpoint_is_sent_nothing_of_before_however_late_it_comes(
    desk: Desk, receiver: Receiver
) -> None:
    before = desk.merchant.message()
    desk.merchant.clock.advance(seconds=5)
    desk.make(receiver.url)
    desk.merchant.deliver(before)
    assert receiver.received == []
    assert not desk.is_looked_for(before)
    since = desk.merchant.message()
    assert desk.is_looked_for(since)
    desk.merchant.deliver(since)
    assert len(receiver.received) == 1


def test_an_event_of_the_same_moment_is_not_missed(desk: Desk, receiver: Receiver) -> None:
    desk.make(receiver.url)
    desk.merchant.clock.advance(seconds=-0.5)  # made where the clock is behind
    message = desk.merchant.message()
    desk.merchant.clock.advance(seconds=0.5)
    assert desk.is_looked_for(message)
    desk.merchant.deliver(message)
    assert len(receiver.received) == 1


def test_an_event_is_delivered_however_far_the_clock_jumps_meanwhile(
    desk: Desk, receiver: Receiver
) -> None:
    endpoint_id = desk.make(receiver.url, "payment.*")
    message = desk.merchant.message()
    desk.merchant.clock.advance(days=7)
    desk.change(endpoint_id, event_types=["*"])
    assert desk.is_looked_for(message)
    desk.merchant.deliver(message)
    assert len(receiver.received) == 1


@pytest.mark.parametrize("is_of_profile", [False, True])
def test_one_that_is_enabled_is_sent_nothing_of_before(
    is_of_profile: bool, desk: Desk, receiver: Receiver
) -> None:
    if is_of_profile:
        desk.endpoints.set_profile_url(desk.caller, receiver.url, CONTEXT)
        desk.merchant.set_endpoint(enabled=False)
    else:
        endpoint_id = desk.make(receiver.url, enabled=False)
    before = desk.merchant.message()
    desk.merchant.clock.advance(seconds=5)
    if is_of_profile:
        desk.endpoints.set_profile_url(desk.caller, receiver.url, CONTEXT)
    else:
        desk.change(endpoint_id, enabled=True)
    assert not desk.is_looked_for(before)
    desk.merchant.deliver(before)
    assert receiver.received == []
    desk.merchant.deliver(desk.merchant.message())
    assert len(receiver.received) == 1


def test_a_wider_filter_is_of_what_happens_from_then_on(desk: Desk, receiver: Receiver) -> None:
    endpoint_id = desk.make(receiver.url, "payment.captured", "refund.*")
    always = [desk.merchant.message(), desk.merchant.message("refund.failed")]
    not_yet = desk.merchant.message("payment.failed")
    desk.merchant.clock.advance(seconds=5)
    desk.change(endpoint_id, event_types=["payment.*", "refund.failed"])
    assert not desk.is_looked_for(not_yet)
    assert all(desk.is_looked_for(each) for each in always)
    desk.merchant.deliver(*always, not_yet)
    assert len(receiver.received) == 2
    desk.merchant.deliver(desk.merchant.message("payment.failed"))
    assert len(receiver.received) == 3


def test_other_changes_miss_nothing(desk: Desk, receiver: Receiver) -> None:
    endpoint_id = desk.make("http://127.0.0.1:9/hooks")
    message = desk.merchant.message()
    desk.merchant.clock.advance(seconds=5)
    desk.change(endpoint_id, url=receiver.url, description="moved", enabled=True)
    assert desk.is_looked_for(message)
    desk.merchant.deliver(message)
    assert len(receiver.received) == 1


def test_what_is_for_one_endpoint_alone_is_sent_whenever_it_was_made(
    desk: Desk, receiver: Receiver
) -> None:
    before = event_of(desk.merchant.message())
    desk.merchant.clock.advance(seconds=5)
    endpoint_id = uuid_of(desk.make(receiver.url, "refund.*"))
    alone = Message("redriven", body_for(replace(before, endpoint_id=endpoint_id), endpoint_id))
    desk.merchant.deliver(alone)
    assert len(receiver.received) == 1


def fails_first(desk: Desk, receiver: Receiver) -> None:
    """An event whose first attempt has failed, and whose second is due."""
    receiver.replies.append(status(500))
    desk.merchant.deliver(desk.merchant.message())
    assert len(receiver.received) == 1
    desk.merchant.clock.advance(seconds=2)


def is_not_sent(desk: Desk, receiver: Receiver) -> bool:
    """Whether what is due ends, without another request and without a dead letter."""
    desk.merchant.deliver_due()
    (delivery,) = desk.merchant.deliveries()
    assert desk.merchant.waiting() == []
    assert desk.merchant.graves.letters == []
    assert len(receiver.received) == 1
    return (delivery["status"], delivery["next_retry_at"]) == ("failed", None) and delivery[
        "last_error"
    ].startswith("no longer wanted: ")


def test_a_retry_is_not_sent_that_is_wanted_no_longer(desk: Desk, receiver: Receiver) -> None:
    endpoint_id = desk.make(receiver.url, "payment.*")
    fails_first(desk, receiver)
    desk.change(endpoint_id, event_types=["refund.*"])
    assert is_not_sent(desk, receiver)


def test_a_retry_is_not_sent_that_is_of_before_its_endpoint_was_enabled_again(
    desk: Desk, receiver: Receiver
) -> None:
    endpoint_id = desk.make(receiver.url)
    fails_first(desk, receiver)
    desk.change(endpoint_id, enabled=False)
    desk.change(endpoint_id, enabled=True)
    assert is_not_sent(desk, receiver)


def test_a_retry_is_sent_that_passes_the_filter_before_and_after(
    desk: Desk, receiver: Receiver
) -> None:
    endpoint_id = desk.make(receiver.url)
    fails_first(desk, receiver)
    desk.change(endpoint_id, event_types=["payment.captured"], description="narrower")
    desk.merchant.deliver_due()
    assert [each["status"] for each in desk.merchant.deliveries()] == ["delivered"]


def test_what_is_asked_for_is_tried_again_whatever_the_filter(
    desk: Desk, receiver: Receiver
) -> None:
    event = event_of(desk.merchant.message())
    endpoint_id = uuid_of(desk.make(receiver.url, "refund.*"))
    receiver.replies.extend([status(500)] * 3)
    desk.merchant.deliver(Message("redriven", body_for(event, endpoint_id)))
    for _ in range(2):
        desk.merchant.clock.advance(seconds=6)
        desk.merchant.deliver_due()
    assert len(receiver.received) == 3
    (delivery,) = desk.merchant.deliveries()
    desk.resend(delivery["id"])
    desk.merchant.deliver_due()
    assert len(receiver.received) == 4
    assert [each["status"] for each in desk.merchant.deliveries()] == ["delivered"]


def test_what_was_not_sent_is_sent_again_with_its_retries(desk: Desk, receiver: Receiver) -> None:
    endpoint_id = desk.make(receiver.url, "payment.*")
    fails_first(desk, receiver)
    desk.change(endpoint_id, event_types=["refund.*"])
    assert is_not_sent(desk, receiver)
    (delivery,) = desk.merchant.deliveries()
    receiver.replies.append(status(500))
    desk.resend(delivery["id"])
    for _ in range(2):
        desk.merchant.deliver_due()
        desk.merchant.clock.advance(seconds=2)
    assert [each["status"] for each in desk.merchant.deliveries()] == ["delivered"]


def test_what_is_sent_again_at_the_moment_at_which_it_ends_is_sent(
    desk: Desk, receiver: Receiver
) -> None:
    class LateStore(PostgresDeliveryStore):
        def _give_up(self, *of: Any) -> None:
            desk.resend(desk.merchant.deliveries()[0]["id"])
            super()._give_up(*of)

    endpoint_id = desk.make(receiver.url, "payment.*")
    fails_first(desk, receiver)
    desk.change(endpoint_id, event_types=["refund.*"])
    ids, clock = desk.merchant.store._ids, desk.merchant.clock
    store = LateStore(desk.database, ids, clock, PII_KEY)
    places = {"limit": 9, "for_the_ill": 9, "for_the_new": 9, "at_once": 9}
    assert store.take(**places, under_way=[], lease_s=60) == []
    desk.merchant.deliver_due()
    assert [each["status"] for each in desk.merchant.deliveries()] == ["delivered"]


def test_what_ends_so_holds_up_nothing_behind_it(desk: Desk, receiver: Receiver) -> None:
    endpoint_id, store = desk.make(receiver.url), desk.merchant.store

    def wait() -> None:
        (delivery,) = store.plan([event_of(desk.merchant.message())])
        store.record([parked(delivery, desk.merchant.clock.now())])

    for _ in range(10):  # one at a time is what an endpoint gets that is new
        wait()
    desk.merchant.clock.advance(seconds=2)
    desk.change(endpoint_id, enabled=False)
    desk.change(endpoint_id, enabled=True)
    wait()
    desk.merchant.deliver_due()
    assert [each["status"] for each in desk.merchant.deliveries()] == ["failed"] * 10 + [
        "delivered"
    ]
