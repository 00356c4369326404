"""Attempts of one delivery that are recorded at the same time, or afterwards, count once each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from paywright.db import Database
from paywright.webhooks.deliveries import Delivery, Outcome
from paywright.webhooks.message import event_of
from paywright.webhooks.store import PostgresDeliveryStore
from tests.integration.webhooks.conftest import PII_KEY, Merchant
from tests.integration.webhooks.test_lost_answers import judged, plan, until

_LIMIT_S = 20.0

AtOnce = Callable[..., None]


@pytest.fixture
def record_at_once(
    merchant: Merchant, app_database_url: str, database_url: str
) -> Iterator[AtOnce]:
    """Begin to record outcomes one after the other, while none of them can be finished."""
    with ExitStack() as closing:
        held = closing.enter_context(psycopg.connect(database_url))
        pool = closing.enter_context(ThreadPoolExecutor(8))
        closing.callback(held.rollback)

        def record(*outcomes: Outcome) -> None:
            held.execute(
                "SELECT FROM webhook_endpoints WHERE merchant_id = %s FOR UPDATE", [merchant.id]
            )
            told = []
            for outcome in outcomes:
                database = Database(app_database_url)
                closing.callback(database.close)
                ids, clock = merchant.store._ids, merchant.clock
                store = PostgresDeliveryStore(database, ids, clock, PII_KEY)
                told.append(pool.submit(store.record, [outcome]))
                until(lambda: _wait_for_locks(merchant.owner) == len(told))
            held.rollback()
            for each in told:
                each.result(_LIMIT_S)

        yield record


def _wait_for_locks(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize(("code", "failures"), [(500, 2), (200, 0)])
def test_what_is_told_again_while_it_is_still_being_recorded(
    merchant: Merchant, record_at_once: AtOnce, code: int, failures: int
) -> None:
    merchant.set_endpoint(answered_at=None)  # a success is news of one that had none
    (before,), (delivery,) = plan(merchant), plan(merchant)
    merchant.store.record([judged(merchant, before, 500)])
    outcome = judged(merchant, delivery, code)
    record_at_once(outcome, outcome)
    assert [each["status_code"] for each in merchant.attempts()] == [500, code]
    assert [each["attempts"] for each in merchant.deliveries()] == [1, 1]
    assert merchant.endpoint()["failures"] == failures
    assert len(merchant.waiting()) == max(failures, 1)


def copies(merchant: Merchant) -> list[Delivery]:
    """Two copies of one event, both about to be delivered."""
    event = event_of(merchant.message())
    return [each for _ in range(2) for each in merchant.store.plan([event])]


def test_what_is_told_again_while_a_copy_is_recorded_as_well(
    merchant: Merchant, record_at_once: AtOnce
) -> None:
    first, second = (
        judged(merchant, each, code)
        for each, code in zip(copies(merchant), (500, 502), strict=True)
    )
    record_at_once(first, second, first)
    assert [each["status_code"] for each in merchant.attempts()] == [500, 502]
    assert [each["attempts"] for each in merchant.deliveries()] == [2]
    assert merchant.endpoint()["failures"] == 2


def test_an_attempt_that_fails_after_a_copy_was_delivered_is_shown(merchant: Merchant) -> None:
    one, two = copies(merchant)
    merchant.store.record([judged(merchant, one, 200)])
    merchant.clock.advance(seconds=1)
    failure = judged(merchant, two, 500)
    for _ in range(3):
        merchant.store.record([failure])
    (delivery,) = merchant.deliveries()
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 2)
    assert (delivery["tries"], delivery["next_retry_at"]) == (1, None)
    assert [each["status_code"] for each in merchant.attempts()] == [200, 500]
    assert merchant.endpoint()["failures"] == 1
    assert merchant.waiting() == []
