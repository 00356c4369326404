"""What answers, and their absence, say of an endpoint, and what they do not."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler

from paywright.webhooks.deliver import PATIENCE_S
from paywright.webhooks.queue import DeadLetter
from paywright.webhooks.retries import MAX_ATTEMPTS
from tests.integration.webhooks.conftest import Merchant, finish
from tests.receivers import Receiver, Reply, status

_PROVEN = datetime(2026, 1, 1, tzinfo=UTC)
_LIMIT_S = 60.0


def once(go_on: threading.Event) -> Reply:
    """Answer when the test says so."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        go_on.wait(_LIMIT_S)
        status(200)(handler)

    return reply


def test_one_that_fails_and_hangs_in_one_batch_is_known_for_both(
    merchant: Merchant, receiver: Receiver
) -> None:
    go_on = threading.Event()
    receiver.replies.extend([status(500), once(go_on)])
    messages = [merchant.message(), merchant.message()]
    sending = threading.Thread(
        target=merchant.deliver, args=messages, kwargs={"timeout_s": _LIMIT_S}
    )
    sending.start()
    try:
        until = time.monotonic() + _LIMIT_S
        while (known := merchant.endpoint())["failing_since"] is None and not known["slow"]:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert sending.is_alive()
        assert (known["failures"], known["slow"]) == (1, True)
    finally:
        go_on.set()
        sending.join()


def test_what_a_former_receiver_answers_says_nothing_of_the_present_one(
    merchant: Merchant, receiver: Receiver
) -> None:
    def move_away(handler: BaseHTTPRequestHandler) -> None:
        merchant.set_endpoint(url=f"{receiver.url}/elsewhere")
        status(500)(handler)

    receiver.replies.append(move_away)
    merchant.deliver(merchant.message())
    assert [each["status_code"] for each in merchant.attempts()] == [500]
    assert merchant.endpoint()["failing_since"] is None


def test_a_delivery_that_is_sent_again_while_it_is_buried_is_not_lost(
    merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.extend([status(503)] * MAX_ATTEMPTS)
    merchant.deliver(merchant.message())
    merchant.owner.execute(
        "UPDATE webhook_deliveries SET tries = %s WHERE merchant_id = %s",
        [MAX_ATTEMPTS - 1, merchant.id],
    )
    put = merchant.graves.put

    def put_while_somebody_resends(letter: DeadLetter) -> bool:
        merchant.owner.execute(
            "UPDATE webhook_deliveries SET status = 'pending', tries = 0 WHERE merchant_id = %s",
            [merchant.id],
        )
        return put(letter)

    merchant.graves.put = put_while_somebody_resends  # type: ignore[method-assign]
    merchant.clock.advance(seconds=2)
    merchant.deliver_due()
    assert len(merchant.graves.letters) == 1
    assert len(merchant.waiting()) == 1
    receiver.replies.clear()
    merchant.clock.advance(seconds=120)
    merchant.deliver_due()
    assert [each["status"] for each in merchant.deliveries()] == ["delivered"]


def test_one_that_begins_to_hang_is_a_slow_one_before_its_answer_is_over(
    merchant: Merchant, receiver: Receiver
) -> None:
    go_on = threading.Event()
    receiver.replies.extend([status(500), once(go_on)])
    merchant.deliver(merchant.message())
    merchant.set_endpoint(answered_at=_PROVEN, failing_since=None, failures=0)
    merchant.clock.advance(seconds=2)
    due = merchant.due(timeout_s=_LIMIT_S)
    due.step()
    try:
        time.sleep(PATIENCE_S + 0.2)
        due.step()
        assert merchant.endpoint()["slow"]
        assert len(merchant.attempts()) == 1  # of the other nothing is known yet
    finally:
        go_on.set()
        finish(due, _LIMIT_S)
