"""When an attempt was made, and from when on its answer is on record: others change neither."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import psycopg

from tests.integration.webhooks.conftest import Merchant
from tests.receivers import Receiver, Reply, status

_LIMIT_S = 60.0


def failing_after(seconds: float, came: list[datetime]) -> Reply:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        came.append(datetime.now(UTC))
        time.sleep(seconds)
        status(500)(handler)

    return reply


def test_an_attempt_has_the_time_when_it_was_made(merchant: Merchant, receiver: Receiver) -> None:
    came: list[datetime] = []
    receiver.replies.extend([failing_after(0.3, came)] * 2)
    merchant.deliver(merchant.message())
    (first,) = merchant.attempts()
    (delivery,) = merchant.deliveries()
    lasted = timedelta(milliseconds=first["duration_ms"])
    assert first["at"] == delivery["last_attempt_at"] <= came[0]
    assert lasted > timedelta(seconds=0.2)
    assert delivery["next_retry_at"] == first["at"] + lasted + timedelta(seconds=1)
    assert merchant.endpoint()["failing_since"] == first["at"] + lasted
    merchant.owner.execute("UPDATE webhook_waiting SET due_at = %s", [merchant.clock.now()])
    merchant.deliver_due()
    (_, second), (delivery,) = merchant.attempts(), merchant.deliveries()
    lasted = timedelta(milliseconds=second["duration_ms"])
    assert first["at"] < second["at"] == delivery["last_attempt_at"] <= came[1]
    assert delivery["next_retry_at"] == second["at"] + lasted + timedelta(seconds=5)


def test_one_that_waits_for_a_thread_is_made_when_it_has_one(
    merchant: Merchant, receiver: Receiver, new_receiver: Callable[..., Receiver]
) -> None:
    came: list[datetime] = []
    receiver.replies.extend([failing_after(0.3, came)] * 33)  # one more than there are threads
    for _ in range(32):
        merchant.add_endpoint(receiver.url)
    merchant.deliver(merchant.message(), timeout_s=20)
    attempts = merchant.attempts()
    assert len(attempts) == len(came) == 33
    first_end = min(each["at"] + timedelta(milliseconds=each["duration_ms"]) for each in attempts)
    last = max(each["at"] for each in attempts)
    assert last > first_end - timedelta(milliseconds=1)  # durations are rounded


def test_what_others_answer_is_recorded_while_one_still_hangs(
    merchant: Merchant,
    new_merchant: Callable[[str], Merchant],
    new_receiver: Callable[..., Receiver],
) -> None:
    late, hung_receiver = new_receiver(), new_receiver()
    hung = new_merchant(hung_receiver.url)
    merchant.set_endpoint(url=late.url)
    dsn, password = merchant.owner.info.dsn, merchant.owner.info.password
    connection = psycopg.connect(dsn, password=password, autocommit=True)
    view, known = replace(merchant, owner=connection), threading.Event()

    def once_it_is_known_as_slow(handler: BaseHTTPRequestHandler) -> None:
        _until(lambda: view.endpoint()["slow"])
        known.set()
        status(200)(handler)

    def once_the_other_is_on_record(handler: BaseHTTPRequestHandler) -> None:
        assert known.wait(_LIMIT_S)
        _until(lambda: [each["status"] for each in view.deliveries()] == ["delivered"])
        status(200)(handler)

    late.replies.append(once_it_is_known_as_slow)
    hung_receiver.replies.append(once_the_other_is_on_record)
    merchant.deliver(merchant.message(), hung.message(), timeout_s=_LIMIT_S)
    connection.close()
    assert [each["status_code"] for each in merchant.attempts()] == [200]
    assert [each["status_code"] for each in hung.attempts()] == [200]


def _until(is_so: Callable[[], Any]) -> None:
    give_up = time.monotonic() + _LIMIT_S
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(0.05)
