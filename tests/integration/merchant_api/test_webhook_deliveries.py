"""Deliveries over the API: what merchants see of them, and how they have them sent again."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from paywright.clock import rfc3339
from paywright.ids import UuidSource, parse_typeid, typeid, uuid_floor
from paywright.webhooks import history
from paywright.wiring import Platform
from tests.api import Api

LIST = "/v1/webhook_deliveries"
Deliver = Callable[..., uuid.UUID]


@pytest.fixture
def merchant(platform: Platform, new_merchant: Any) -> Api:
    return Api(new_merchant(webhook_url="http://127.0.0.1:9/webhooks", allow_loopback=True))


@pytest.fixture
def deliver(platform: Platform, merchant: Api, owner: psycopg.Connection[Any]) -> Iterator[Deliver]:
    """Makes a delivery of an event with the attempts that it is said to have."""
    ids = UuidSource(platform.clock)

    def make(
        status: str = "failed", attempts: int = 1, *, at: datetime | None = None, **columns: Any
    ) -> uuid.UUID:
        made = at or platform.clock.now()
        id_ = ids.new() if at is None else uuid.UUID(int=uuid_floor(at).int | ids.new().int % 2**62)
        values = {
            "id": id_,
            "merchant_id": parse_typeid("mer", merchant.merchant.id),
            "event_id": ids.new(),
            "status": status,
            "attempts": attempts,
            "livemode": False,
            "at": made,
            **columns,
        }
        owner.execute(
            "INSERT INTO events (merchant_id, id, livemode, type, object_id, sequence, payload,"
            " created_at, relayed_at) VALUES (%(merchant_id)s, %(event_id)s, false,"
            " 'payment.captured', %(event_id)s, 1, '{}', %(at)s, %(at)s)",
            values,
        )
        owner.execute(
            "INSERT INTO webhook_deliveries (merchant_id, id, livemode, event_id, endpoint_id,"
            " status, attempts, tries, last_attempt_at, last_response_code, created_at)"
            " SELECT merchant_id, %(id)s, %(livemode)s, %(event_id)s, id, %(status)s, %(attempts)s,"
            " %(attempts)s, %(at)s, 500, %(at)s FROM webhook_endpoints"
            " WHERE merchant_id = %(merchant_id)s",
            values,
        )
        for number in range(1, attempts + 1):
            owner.execute(
                "INSERT INTO webhook_attempts (merchant_id, delivery_id, number, endpoint_id, at,"
                " status_code, duration_ms, excerpt) SELECT merchant_id, id, %(number)s,"
                " endpoint_id, %(at)s, 500, 12, 'sorry' FROM webhook_deliveries WHERE id = %(id)s",
                values | {"number": number, "at": made - timedelta(seconds=attempts - number)},
            )
        return id_

    yield make
    owner.execute("DELETE FROM webhook_waiting")


def endpoint_of(merchant: Api, owner: psycopg.Connection[Any]) -> str:
    row = owner.execute(
        "SELECT id FROM webhook_endpoints WHERE merchant_id = %s",
        [parse_typeid("mer", merchant.merchant.id)],
    ).fetchone()
    assert row is not None
    return typeid("whe", row[0])


def waiting(owner: psycopg.Connection[Any]) -> set[uuid.UUID]:
    return {row[0] for row in owner.execute("SELECT delivery_id FROM webhook_waiting").fetchall()}


def test_a_delivery_is_shown_with_its_attempts(
    merchant: Api, deliver: Deliver, owner: psycopg.Connection[Any]
) -> None:
    delivery_id = typeid("whd", deliver(attempts=2))
    shown = merchant.get(f"{LIST}/{delivery_id}").json
    assert (shown["id"], shown["object"]) == (delivery_id, "webhook_delivery")
    assert (shown["status"], shown["attempts"], shown["last_status_code"]) == ("failed", 2, 500)
    assert shown["webhook_endpoint_id"] == endpoint_of(merchant, owner)
    assert (shown["next_attempt_at"], shown["livemode"]) == (None, False)
    attempts = merchant.get(f"{LIST}/{delivery_id}/attempts").json
    assert attempts["object"] == "list"
    assert [each["number"] for each in attempts["data"]] == [2, 1]
    assert attempts["data"][0] | {"created_at": ""} == {
        "object": "webhook_attempt",
        "webhook_delivery_id": delivery_id,
        "number": 2,
        "status_code": 500,
        "error": None,
        "duration_ms": 12,
        "response": "sorry",
        "created_at": "",
        "livemode": False,
    }


def test_only_the_newest_attempts_are_shown_which_says_so(
    merchant: Api, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MOST_ATTEMPTS_SHOWN", 2)
    for attempts, has_more in ((2, False), (3, True)):
        path = f"{LIST}/{typeid('whd', deliver(attempts=attempts))}/attempts"
        listed = merchant.get(path).json
        assert [each["number"] for each in listed["data"]] == [attempts, attempts - 1]
        assert listed["has_more"] is has_more


def test_deliveries_are_listed_newest_first_and_filtered(
    merchant: Api, deliver: Deliver, owner: psycopg.Connection[Any]
) -> None:
    ids = [typeid("whd", deliver(status)) for status in ("delivered", "failed", "failed")]
    deliver("failed", livemode=True)
    listed = merchant.get(LIST).json
    assert [each["id"] for each in listed["data"]] == ids[::-1]
    event_id = listed["data"][0]["event_id"]
    endpoint_id = endpoint_of(merchant, owner)
    for query, expected in {
        "status=failed": ids[:0:-1],
        f"webhook_endpoint_id={endpoint_id}": ids[::-1],
        "webhook_endpoint_id=whe_01k8nkrkaye008000000000001": [],
        f"event_id={event_id}": ids[2:],
        "limit=1": ids[2:],
        f"starting_after={ids[1]}": ids[:1],
        f"ending_before={ids[0]}&limit=1": ids[1:2],
    }.items():
        found = merchant.get(f"{LIST}?{query}").json
        assert [each["id"] for each in found["data"]] == expected, query


def test_deliveries_of_others_are_not_there(platform: Platform, api: Api, deliver: Deliver) -> None:
    delivery_id = typeid("whd", deliver())
    assert api.get(LIST).json["data"] == []
    for path in (f"{LIST}/{delivery_id}", f"{LIST}/{delivery_id}/attempts"):
        assert api.get(path).status == 404
    assert api.post(f"{LIST}/{delivery_id}/resend").status == 404
    assert api.get(f"{LIST}/whd_nonsense").status == 404


@pytest.mark.parametrize(
    "query",
    ["status=lost", "webhook_endpoint_id=txn_01k8nkrkaye008000000000001", "event_id=1", "a=b"],
)
def test_a_filter_that_is_none_is_named(merchant: Api, query: str) -> None:
    reply = merchant.get(f"{LIST}?{query}")
    assert (reply.status, reply.json["error"]["param"]) == (400, query.partition("=")[0])


@pytest.mark.parametrize("status", ["delivered", "failed", "pending"])
def test_any_delivery_can_be_sent_again(
    status: str, merchant: Api, deliver: Deliver, owner: psycopg.Connection[Any]
) -> None:
    id_ = deliver(status, attempts=6)
    reply = merchant.post(f"{LIST}/{typeid('whd', id_)}/resend")
    assert reply.status == 200, reply.text
    assert (reply.json["status"], reply.json["attempts"]) == ("pending", 6)
    assert reply.json["next_attempt_at"] is not None
    row = owner.execute("SELECT tries FROM webhook_deliveries WHERE id = %s", [id_]).fetchone()
    assert row == (0,), "all its attempts are before it again"
    assert waiting(owner) == {id_}
    audited = owner.execute(
        "SELECT entity_type, action FROM audit_log WHERE entity_id = %s", [id_]
    ).fetchall()
    assert audited == [("webhook_delivery", "resent")]


@pytest.mark.parametrize("is_one", [True, False], ids=["one", "all that failed"])
def test_an_endpoint_that_rests_says_so_and_is_tried_when_something_is_sent_again(
    is_one: bool,
    merchant: Api,
    deliver: Deliver,
    owner: psycopg.Connection[Any],
    platform: Platform,
) -> None:
    endpoint = f"/v1/webhook_endpoints/{endpoint_of(merchant, owner)}"
    waiting_id, failed_id = typeid("whd", deliver("pending")), typeid("whd", deliver("failed"))
    owner.execute("UPDATE webhook_deliveries SET last_error = 'the endpoint is disabled'")
    now = platform.clock.now()
    until = rfc3339(now + timedelta(seconds=250))
    mine = parse_typeid("mer", merchant.merchant.id)
    owner.execute(
        "UPDATE webhook_deliveries SET next_retry_at = %s WHERE status = 'pending'"
        " AND merchant_id = %s",
        [now, mine],
    )
    owner.execute(
        "UPDATE webhook_endpoints SET failing_since = %s, failures = 9, rest_until = %s"
        " WHERE merchant_id = %s",
        [now, until, mine],
    )
    assert merchant.get(endpoint).json["resting_until"] == until
    assert merchant.get(f"{LIST}/{waiting_id}").json["next_attempt_at"] == until
    listed = {each["id"]: each["next_attempt_at"] for each in merchant.get(LIST).json["data"]}
    assert listed == {waiting_id: until, failed_id: None}
    if is_one:
        reply = merchant.post(f"{LIST}/{failed_id}/resend")
        assert reply.json["next_attempt_at"] < until
    else:
        reply = merchant.post(f"{endpoint}/resend", {"since": rfc3339(now - timedelta(hours=1))})
        assert reply.json["resent"] == 1
    assert merchant.get(endpoint).json["resting_until"] is None
    for each in (waiting_id, failed_id):
        assert merchant.get(f"{LIST}/{each}").json["next_attempt_at"] < until
    assert merchant.get(f"{LIST}/{failed_id}").json["last_error"] is None


def test_a_key_sends_again_once(
    merchant: Api, deliver: Deliver, owner: psycopg.Connection[Any]
) -> None:
    path = f"{LIST}/{typeid('whd', deliver())}/resend"
    first = merchant.post(path, key="again")
    owner.execute("DELETE FROM webhook_waiting")
    second = merchant.post(path, key="again")
    assert (second.status, second.text) == (200, first.text)
    assert second.headers["idempotent-replayed"] == "true"
    assert waiting(owner) == set()


def test_nothing_is_sent_again_to_an_endpoint_that_is_disabled_or_gone(
    merchant: Api, deliver: Deliver, owner: psycopg.Connection[Any]
) -> None:
    id_ = deliver()
    endpoint_id = endpoint_of(merchant, owner)
    mine = [parse_typeid("mer", merchant.merchant.id)]
    since = {"since": "2026-11-01T00:00:00Z"}
    owner.execute("UPDATE webhook_endpoints SET enabled = false WHERE merchant_id = %s", mine)
    for path, body in (
        (f"{LIST}/{typeid('whd', id_)}/resend", None),
        (f"/v1/webhook_endpoints/{endpoint_id}/resend", since),
    ):
        reply = merchant.post(path, body)
        assert (reply.status, reply.json["error"]["code"]) == (409, "webhook_endpoint_disabled")
    owner.execute(
        "UPDATE webhook_endpoints SET deleted_at = now(), secret_encrypted = NULL"
        " WHERE merchant_id = %s",
        mine,
    )
    assert merchant.post(f"{LIST}/{typeid('whd', id_)}/resend").status == 404
    assert merchant.post(f"/v1/webhook_endpoints/{endpoint_id}/resend", since).status == 404
    assert waiting(owner) == set()


def test_an_event_that_is_kept_no_longer_is_not_sent_again(
    merchant: Api, deliver: Deliver, owner: psycopg.Connection[Any]
) -> None:
    id_ = deliver()
    owner.execute(
        "DELETE FROM events WHERE merchant_id = %s", [parse_typeid("mer", merchant.merchant.id)]
    )
    reply = merchant.post(f"{LIST}/{typeid('whd', id_)}/resend")
    assert (reply.status, reply.json["error"]["code"]) == (409, "event_not_kept")


def test_what_failed_at_an_endpoint_since_a_time_is_sent_again(
    merchant: Api,
    platform: Platform,
    deliver: Deliver,
    owner: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = platform.clock.now()
    deliver(at=now - timedelta(hours=3))
    failed = {deliver(at=now - timedelta(hours=hours)) for hours in (1, 2)}
    deliver("delivered")
    deliver("pending")
    path = f"/v1/webhook_endpoints/{endpoint_of(merchant, owner)}/resend"
    body = {"since": rfc3339(now - timedelta(hours=2, minutes=30))}
    monkeypatch.setattr(history, "MOST_RESENT", 1)
    first = merchant.post(path, body).json
    assert (first["resent"], first["has_more"], first["since"]) == (1, True, body["since"])
    monkeypatch.setattr(history, "MOST_RESENT", 10)
    second = merchant.post(path, body).json
    assert (second["object"], second["resent"], second["has_more"]) == ("webhook_resend", 1, False)
    assert waiting(owner) == failed
    assert merchant.post(path, body).json["resent"] == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"since": "yesterday"},
        {"since": "2026-11-25T10:00:00"},
        {"since": "2020-01-01T00:00:00Z"},
        {"since": 1},
    ],
)
def test_a_time_that_is_none_or_too_long_ago_is_refused(
    merchant: Api, owner: psycopg.Connection[Any], body: dict[str, Any]
) -> None:
    reply = merchant.post(f"/v1/webhook_endpoints/{endpoint_of(merchant, owner)}/resend", body)
    assert (reply.status, reply.json["error"]["param"]) == (400, "since")
