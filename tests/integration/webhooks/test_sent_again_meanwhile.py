"""Deliveries that somebody has sent again while an attempt at them is under way."""

from __future__ import annotations

import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler

import pytest

from paywright.db import Database
from paywright.ids import UuidSource, typeid
from paywright.payments.models import Operator, RequestContext
from paywright.webhooks.history import Deliveries
from paywright.webhooks.retries import MAX_ATTEMPTS
from tests.integration.webhooks.conftest import Merchant, finish
from tests.receivers import Receiver, status

_LIMIT_S = 60.0


def send_again(merchant: Merchant, database: Database) -> None:
    """Its last delivery, as an operator does."""
    delivery = merchant.deliveries()[-1]
    Deliveries(database, merchant.clock, UuidSource(merchant.clock)).resend(
        Operator("Grace", merchant.id, livemode=False),
        delivery["id"],
        RequestContext(None, b"", "trace-2", None, None),
    )


@pytest.mark.parametrize("code", [500, 200])
@pytest.mark.parametrize("tries", [0, MAX_ATTEMPTS - 1], ids=["first", "last"])
def test_what_is_sent_again_during_an_attempt_is_sent_after_it_with_all_its_attempts(
    merchant: Merchant, receiver: Receiver, app_database: Database, code: int, tries: int
) -> None:
    go_on = threading.Event()

    def late(handler: BaseHTTPRequestHandler) -> None:
        go_on.wait(_LIMIT_S)
        status(code)(handler)

    receiver.replies.extend([status(500), late])
    merchant.deliver(merchant.message())
    merchant.owner.execute("UPDATE webhook_deliveries SET tries = %s", [tries])
    merchant.set_endpoint(failing_since=None)  # it may have several at a time
    merchant.clock.advance(seconds=2)
    due = merchant.due(timeout_s=_LIMIT_S)
    due.step()
    send_again(merchant, app_database)
    due._look_at = 0
    due.step()
    (asked_for,) = merchant.waiting()
    assert asked_for["due_at"] < merchant.clock.now(), (
        "it is not taken while the other is under way"
    )
    go_on.set()
    finish(due, _LIMIT_S)
    (delivery,) = merchant.deliveries()
    assert (delivery["status"], delivery["tries"], delivery["attempts"]) == ("pending", 0, 2)
    assert delivery["next_retry_at"] == asked_for["due_at"]
    assert merchant.waiting() == [asked_for]
    assert merchant.graves.letters == []
    due._look_at = 0
    due.step()
    finish(due, _LIMIT_S)
    (delivery,) = merchant.deliveries()
    assert (delivery["status"], delivery["tries"], delivery["attempts"]) == ("delivered", 1, 3)
    assert len(receiver.received) == 3
    assert merchant.waiting() == []


@pytest.mark.parametrize("is_test", [False, True], ids=["sent again", "test event"])
def test_what_began_before_somebody_asked_for_more_does_not_make_that_wait(
    merchant: Merchant,
    receiver: Receiver,
    app_database: Database,
    monkeypatch: pytest.MonkeyPatch,
    is_test: bool,
) -> None:
    monkeypatch.setattr("paywright.webhooks.due.PATIENCE_S", 0.0)
    go_on = threading.Event()

    def fail_late(handler: BaseHTTPRequestHandler) -> None:
        go_on.wait(_LIMIT_S)
        status(500)(handler)

    receiver.replies.append(fail_late)
    began = merchant.clock.now() - timedelta(seconds=60)
    merchant.set_endpoint(failing_since=began, failures=9, rest_s=60, rest_until=began)
    merchant.deliver(merchant.message(), merchant.message())
    due = merchant.due(timeout_s=_LIMIT_S)
    due.step()
    if is_test:
        endpoint_id = typeid("whe", merchant.endpoint()["id"])
        merchant.deliver(merchant.message("webhook_endpoint.test", endpoint_id=endpoint_id))
    else:
        send_again(merchant, app_database)
    due._look_at = 0
    due.step()
    hanging = merchant.endpoint()
    assert (hanging["slow"], hanging["rest_s"]) == (True, 60)
    assert hanging["rest_until"] <= merchant.clock.now()
    go_on.set()
    finish(due, _LIMIT_S)
    failed = merchant.endpoint()
    assert (failed["failures"], failed["rest_s"]) == (10, 60)
    due._look_at = 0
    due.step()
    finish(due, _LIMIT_S)
    assert len(receiver.received) == 2
    asked_for = merchant.deliveries()[-1]
    assert (asked_for["status"], asked_for["attempts"]) == ("delivered", 1)
    assert merchant.endpoint()["failing_since"] is None


def test_what_is_sent_again_owes_no_dead_letter_of_before(
    merchant: Merchant, receiver: Receiver, app_database: Database
) -> None:
    receiver.replies.extend([status(503)] * 2)
    merchant.deliver(merchant.message())
    merchant.owner.execute("UPDATE webhook_deliveries SET tries = %s", [MAX_ATTEMPTS - 1])
    merchant.clock.advance(seconds=2)
    merchant.graves.away = True
    merchant.deliver_due()
    assert [each["dead_letter"] for each in merchant.waiting()] == [True]
    send_again(merchant, app_database)
    merchant.set_endpoint(enabled=False)
    merchant.graves.away = False
    merchant.clock.advance(seconds=100)
    merchant.deliver_due()
    (delivery,) = merchant.deliveries()
    assert (delivery["status"], delivery["last_error"]) == ("failed", "the endpoint is disabled")
    assert merchant.graves.letters == []
    assert merchant.waiting() == []
    assert len(receiver.received) == 2
