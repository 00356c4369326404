"""Events that got lost between the bus and an endpoint come again, a few times at most."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from paywright.housekeeping import keep_house, relay_again
from paywright.ids import parse_typeid
from paywright.merchants.create import NewMerchant
from paywright.wiring import Platform
from tests.api import Api


@pytest.fixture
def paid(platform: Platform, new_merchant: Any, owner: psycopg.Connection[Any]) -> Any:
    """A payment whose event is on the bus, and nowhere else."""
    merchant: NewMerchant = new_merchant(
        webhook_url="http://127.0.0.1:9/webhooks", allow_private_urls=True
    )
    api = Api(merchant)
    payment = parse_typeid("txn", api.pay(api.card()).json["id"])
    owner.execute(
        "WITH gone AS (DELETE FROM outbox WHERE object_id = %s RETURNING *)"
        " INSERT INTO events (merchant_id, id, livemode, type, object_id, sequence, payload,"
        " created_at, relayed_at) SELECT merchant_id, id, livemode, type, object_id, sequence,"
        " payload, created_at, created_at FROM gone",
        [payment],
    )
    return payment


def waiting(owner: psycopg.Connection[Any], payment: Any) -> int:
    row = owner.execute("SELECT count(*) FROM outbox WHERE object_id = %s", [payment]).fetchone()
    assert row is not None
    return int(row[0])


def test_an_event_that_nobody_delivers_comes_again(
    platform: Platform, paid: Any, owner: psycopg.Connection[Any]
) -> None:
    now = platform.clock.now()
    relay_again(platform.database, now)
    assert waiting(owner, paid) == 0, "it may still be on its way"
    relay_again(platform.database, now + timedelta(minutes=2))
    assert waiting(owner, paid) == 1
    relay_again(platform.database, now + timedelta(minutes=2))
    assert waiting(owner, paid) == 1


@pytest.mark.parametrize(("status", "again"), [("delivered", 0), ("failed", 0), ("pending", 1)])
def test_an_event_with_a_delivery_comes_again_only_if_that_is_overdue(
    status: str, again: int, platform: Platform, paid: Any, owner: psycopg.Connection[Any]
) -> None:
    owner.execute(
        "INSERT INTO webhook_deliveries (merchant_id, id, event_id, endpoint_id, status,"
        " created_at) SELECT e.merchant_id, e.id, e.id, w.id, %s, e.created_at FROM events e"
        " JOIN webhook_endpoints w USING (merchant_id) WHERE e.object_id = %s",
        [status, paid],
    )
    relay_again(platform.database, platform.clock.now() + timedelta(minutes=3))
    assert waiting(owner, paid) == again


def test_it_ends_after_a_few_times(
    platform: Platform, paid: Any, owner: psycopg.Connection[Any]
) -> None:
    owner.execute("UPDATE events SET relays = 5 WHERE object_id = %s", [paid])
    relay_again(platform.database, platform.clock.now() + timedelta(minutes=2))
    assert waiting(owner, paid) == 0


def test_a_round_of_housekeeping(platform: Platform, housekeeping_database_url: str) -> None:
    from paywright.db import Database

    database = Database(housekeeping_database_url)
    done = keep_house(platform.payments, database, for_s=0)
    database.close()
    assert done["partitions"] == 0, "the migrations made them"


def test_what_was_relayed_longer_ago_than_asked_for_is_left(
    platform: Platform, paid: Any, owner: psycopg.Connection[Any]
) -> None:
    now = platform.clock.now() + timedelta(minutes=4)
    relay_again(platform.database, now, back=timedelta(minutes=2))
    assert waiting(owner, paid) == 0
    relay_again(platform.database, now)
    assert waiting(owner, paid) == 1
