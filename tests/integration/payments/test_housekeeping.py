"""Events that got lost between the bus and an endpoint come again, a few times at most."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from paywright import housekeeping
from paywright.db import Database
from paywright.housekeeping import keep_house, relay_again, tell_lost
from paywright.ids import parse_typeid, typeid, uuid_floor
from paywright.merchants.create import NewMerchant
from paywright.webhooks.filters import FOR_PEOPLE
from paywright.wiring import Platform
from tests.api import Api


@pytest.fixture
def paid(platform: Platform, new_merchant: Any, owner: psycopg.Connection[Any]) -> Any:
    """A payment whose event is on the bus, and nowhere else."""
    merchant: NewMerchant = new_merchant(
        webhook_url="http://127.0.0.1:9/webhooks", allow_loopback=True
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


def deliver(owner: psycopg.Connection[Any], payment: Any, status: str) -> None:
    """Have a delivery of the payment's event."""
    owner.execute(
        "INSERT INTO webhook_deliveries (merchant_id, id, livemode, event_id, endpoint_id,"
        " status, created_at) SELECT e.merchant_id, e.id, false, e.id, w.id, %s, e.created_at"
        " FROM events e"
        " JOIN webhook_endpoints w USING (merchant_id) WHERE e.object_id = %s",
        [status, payment],
    )


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


@pytest.mark.parametrize("status", ["delivered", "failed", "pending"])
def test_an_event_with_a_delivery_is_in_good_hands(
    status: str, platform: Platform, paid: Any, owner: psycopg.Connection[Any]
) -> None:
    deliver(owner, paid, status)
    relay_again(platform.database, platform.clock.now() + timedelta(minutes=3))
    assert waiting(owner, paid) == 0


@pytest.mark.parametrize(
    ("wanted", "again"), [(["refund.*"], 0), (["payment.*"], 1), (["payment.captured"], 1), ([], 0)]
)
def test_an_event_that_nobody_wants_does_not_come_again(
    wanted: list[str],
    again: int,
    platform: Platform,
    paid: Any,
    owner: psycopg.Connection[Any],
) -> None:
    owner.execute(
        "UPDATE webhook_endpoints w SET event_types = %s FROM events e"
        " WHERE w.merchant_id = e.merchant_id AND e.object_id = %s",
        [wanted, paid],
    )
    relay_again(platform.database, platform.clock.now() + timedelta(minutes=2))
    assert waiting(owner, paid) == again


@pytest.mark.parametrize("event_type", FOR_PEOPLE)
def test_an_event_for_people_does_not_come_again(
    event_type: str, platform: Platform, paid: Any, owner: psycopg.Connection[Any]
) -> None:
    owner.execute("UPDATE events SET type = %s WHERE object_id = %s", [event_type, paid])
    relay_again(platform.database, platform.clock.now() + timedelta(minutes=2))
    assert waiting(owner, paid) == 0


def test_deliveries_are_kept_for_30_days_with_their_attempts(
    platform: Platform,
    paid: Any,
    owner: psycopg.Connection[Any],
    housekeeping_database_url: str,
) -> None:
    now, day = platform.clock.now(), timedelta(days=1)
    old, fresh = (uuid_floor(now - days * day) for days in (31, 29))
    for delivery in (old, fresh):
        owner.execute(
            "WITH new AS (INSERT INTO webhook_deliveries (merchant_id, id, livemode, event_id,"
            " endpoint_id, status, created_at)"
            " SELECT e.merchant_id, %(id)s, false, %(id)s, e.id, 'failed', now()"
            " FROM events e WHERE e.object_id = %(payment)s RETURNING *), waiting AS ("
            " INSERT INTO webhook_waiting (merchant_id, endpoint_id, delivery_id, due_at)"
            " SELECT merchant_id, endpoint_id, id, now() FROM new)"
            " INSERT INTO webhook_attempts (merchant_id, delivery_id, number, endpoint_id, at,"
            " duration_ms) SELECT merchant_id, id, 1, endpoint_id, now(), 1 FROM new",
            {"id": delivery, "payment": paid},
        )
    database = Database(housekeeping_database_url)
    assert keep_house(platform.payments, database, for_s=0)["deliveries_forgotten"] == 1
    database.close()
    for table, column in {
        "webhook_deliveries": "id",
        "webhook_attempts": "delivery_id",
        "webhook_waiting": "delivery_id",
    }.items():
        sql = f"SELECT {column} FROM {table} WHERE {column} IN (%s, %s)"
        assert owner.execute(sql.encode(), [old, fresh]).fetchall() == [(fresh,)]
    owner.execute("DELETE FROM webhook_waiting WHERE delivery_id = %s", [fresh])


def test_it_ends_after_a_few_times_and_says_so_once(
    platform: Platform,
    paid: Any,
    owner: psycopg.Connection[Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    owner.execute("UPDATE events SET relays = 5 WHERE object_id = %s", [paid])
    now = platform.clock.now()
    relay_again(platform.database, now + timedelta(minutes=2))
    assert waiting(owner, paid) == 0
    assert tell_lost(platform.database, now + timedelta(minutes=29)) == 0, "it may be on its way"
    assert tell_lost(platform.database, now + timedelta(minutes=31)) == 1
    (line,) = [vars(each) for each in caplog.records if each.levelname == "ERROR"]
    row = owner.execute(
        "SELECT id, lost, merchant_id FROM events WHERE object_id = %s", [paid]
    ).fetchone()
    assert row is not None
    event_id, merchant_id = typeid("evt", row[0]), typeid("mer", row[2])
    assert row[1] is True
    assert line["event"] == event_id
    again = f"paywright webhooks resend {event_id} --merchant {merchant_id}"
    assert line["send_it_again"] == again
    assert tell_lost(platform.database, now + timedelta(minutes=31)) == 0


@pytest.mark.parametrize("why", ["it has a delivery", "nobody wants it", "it may come again"])
def test_what_is_not_lost_is_not_told_of(
    why: str, platform: Platform, paid: Any, owner: psycopg.Connection[Any]
) -> None:
    relays = 4 if why == "it may come again" else 5
    owner.execute("UPDATE events SET relays = %s WHERE object_id = %s", [relays, paid])
    if why == "it has a delivery":
        deliver(owner, paid, "pending")
    if why == "nobody wants it":
        owner.execute(
            "UPDATE webhook_endpoints w SET event_types = '{refund.*}' FROM events e"
            " WHERE w.merchant_id = e.merchant_id AND e.object_id = %s",
            [paid],
        )
    assert tell_lost(platform.database, platform.clock.now() + timedelta(minutes=31)) == 0


def test_a_round_of_housekeeping(platform: Platform, housekeeping_database_url: str) -> None:
    database = Database(housekeeping_database_url)
    done = keep_house(platform.payments, database, for_s=0)
    database.close()
    assert done["partitions"] == 0, "the migrations made them"


def test_all_keys_whose_time_is_over_are_forgotten_a_batch_in_each_round(
    platform: Platform,
    new_merchant: Any,
    owner: psycopg.Connection[Any],
    housekeeping_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    merchant = parse_typeid("mer", new_merchant().id)
    owner.execute(
        "INSERT INTO idempotency_keys (merchant_id, livemode, key, fingerprint, created_at,"
        " expires_at) SELECT %s, false, number, repeat('f', 32)::bytea, now() - interval '2 days',"
        " CASE WHEN number = 3 THEN now() + interval '1 hour' WHEN number <> 4 THEN now() END"
        " FROM generate_series(1, 27) AS number",
        [merchant],
    )
    left: list[int] = []

    class Enough(Exception):
        pass

    def rest(_: float) -> None:
        row = owner.execute(
            "SELECT count(*) FROM idempotency_keys WHERE merchant_id = %s", [merchant]
        ).fetchone()
        assert row is not None
        left.append(row[0])
        if len(left) == 4:
            raise Enough

    monkeypatch.setattr(housekeeping, "_KEYS_AT_ONCE", 10)
    database = Database(housekeeping_database_url)
    with pytest.raises(Enough):
        keep_house(platform.payments, database, for_s=600, sleep=rest)
    database.close()
    assert left == [17, 7, 2, 2], "what is undecided or may still be asked for stays"


def test_what_was_relayed_longer_ago_than_asked_for_is_left(
    platform: Platform, paid: Any, owner: psycopg.Connection[Any]
) -> None:
    now = platform.clock.now() + timedelta(minutes=4)
    relay_again(platform.database, now, back=timedelta(minutes=2))
    assert waiting(owner, paid) == 0
    relay_again(platform.database, now)
    assert waiting(owner, paid) == 1
