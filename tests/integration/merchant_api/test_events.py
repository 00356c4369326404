"""GET /v1/events: what is committed is there, wherever it is on its way, for thirty days."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from paywright.clock import SystemClock
from paywright.db import Database
from paywright.events.bus import Outcome
from paywright.events.relay import Relay
from paywright.housekeeping import forget_events
from paywright.http import lists
from paywright.ids import parse_typeid, typeid
from paywright.wiring import Platform
from tests.api import Api
from tests.integration.merchant_api.test_lists import ids, listed, walk
from tests.services import Servers

PATH = "/v1/events"


class _Taking:
    """A bus that takes everything."""

    def put(self, entries: Any) -> Outcome:
        return Outcome(accepted=[entry.id for entry in entries])


@pytest.fixture
def relay(platform: Platform) -> Callable[[], None]:
    """Moves what waits out of the outbox."""

    def run() -> None:
        while Relay(platform.database, _Taking(), platform.clock).run_once():
            pass

    return run


def types(page: Any) -> list[str]:
    return [each["type"] for each in page["data"]]


@pytest.fixture
def story(api: Api) -> dict[str, str]:
    """A hold that is captured, a sale that is refunded, a decline; ids by what they are."""
    card = api.card()
    held = api.pay(card, 500, capture=False).json["id"]
    api.post(f"/v1/payments/{held}/capture")
    sold = api.pay(card, 700).json["id"]
    refund = api.post(f"/v1/payments/{sold}/refund", {}).json["refund"]["id"]
    failed = api.pay(api.card("4000000000000002")).json["error"]["payment_id"]
    return {"held": held, "sold": sold, "refund": refund, "failed": failed}


ALL = [
    "payment.failed",
    "refund.succeeded",
    "refund.created",
    "payment.captured",
    "payment.captured",
    "payment.authorized",
    "merchant.api_key_created",
]


def test_events_are_there_before_and_after_they_are_relayed(
    api: Api, story: dict[str, str], relay: Callable[[], None], owner: psycopg.Connection[Any]
) -> None:
    waiting = listed(api, PATH)
    assert {name: waiting[name] for name in waiting if name != "data"} == {
        "object": "list",
        "url": PATH,
        "has_more": False,
        "next_cursor": None,
    }
    assert types(waiting) == ALL
    relay()
    merchant = parse_typeid("mer", api.merchant.id)
    left = owner.execute("SELECT count(*) FROM outbox WHERE merchant_id = %s", [merchant])
    assert left.fetchone() == (0,)
    assert listed(api, PATH) == waiting
    api.pay(api.card(), 100)
    both = listed(api, PATH)
    assert types(both) == ["payment.captured", *ALL]
    assert both["data"][1:] == waiting["data"]


def test_one_that_is_relayed_again_is_there_once(
    api: Api, story: dict[str, str], relay: Callable[[], None], owner: psycopg.Connection[Any]
) -> None:
    relay()
    owner.execute(
        "INSERT INTO outbox (id, merchant_id, livemode, type, object_id, sequence, payload,"
        " created_at) SELECT id, merchant_id, livemode, type, object_id, sequence, payload,"
        " created_at FROM events WHERE merchant_id = %s",
        [parse_typeid("mer", api.merchant.id)],
    )
    assert types(listed(api, PATH)) == ALL
    assert types(listed(api, PATH, object_id=story["held"])) == ALL[4:-1]
    found = listed(api, PATH)["data"][0]
    assert api.get(f"{PATH}/{found['id']}").json == found


def test_an_event_is_shown_byte_for_byte(
    api: Api, story: dict[str, str], relay: Callable[[], None], owner: psycopg.Connection[Any]
) -> None:
    uuid_ = parse_typeid("re", story["refund"])
    texts = owner.execute(
        "SELECT id, payload::text FROM outbox WHERE object_id = %s ORDER BY id", [uuid_]
    ).fetchall()
    assert len(texts) == 2
    for is_relayed in (False, True):
        if is_relayed:
            relay()
        for event_id, text in texts:
            assert api.get(f"{PATH}/{typeid('evt', event_id)}").text == text
    event = json.loads(texts[0][1])
    assert (event["object"], event["api_version"]) == ("event", "2026-11-01")
    assert event["data"]["object"]["id"] == story["refund"]


@pytest.mark.parametrize("is_relayed", [False, True])
def test_filters(
    api: Api, story: dict[str, str], relay: Callable[[], None], is_relayed: bool
) -> None:
    if is_relayed:
        relay()

    def found(**query: Any) -> list[str]:
        return types(listed(api, PATH, **query))

    assert found(type="refund.created") == ["refund.created"]
    assert found(type="payment.*") == ["payment.failed", *ALL[3:-1]]
    assert found(type="*") == ALL
    assert found(type="payment.expired") == []
    assert found(object_id=story["held"]) == ["payment.captured", "payment.authorized"]
    assert found(object_id=story["refund"]) == ["refund.succeeded", "refund.created"]
    assert found(object_id=story["held"], type="payment.captured") == ["payment.captured"]
    assert found(object_id=typeid("txn", uuid.UUID(int=1))) == []
    newest = listed(api, PATH)["data"][0]
    assert len(found(**{"created[gte]": newest["created_at"]})) >= 1
    assert found(**{"created[gt]": newest["created_at"]}) == []


@pytest.mark.parametrize("is_relayed", [False, True])
def test_pages_lead_through_all_in_both_directions(
    api: Api, story: dict[str, str], relay: Callable[[], None], is_relayed: bool
) -> None:
    everything = ids(listed(api, PATH))
    if is_relayed:
        relay()
        api.pay(api.card(), 100)
        everything = ids(listed(api, PATH))
    down = [ids(page) for page in walk(api, PATH, "starting_after", None, limit=2)]
    assert [each for page in down for each in page] == everything
    up = [ids(page) for page in walk(api, PATH, "ending_before", everything[-1], limit=4)]
    assert [each for page in reversed(up) for each in page] == everything[:-1]
    of_one = ids(listed(api, PATH, object_id=story["held"]))
    first = listed(api, PATH, object_id=story["held"], limit=1)
    assert (ids(first), first["next_cursor"]) == (of_one[:1], of_one[0])
    rest = listed(api, PATH, object_id=story["held"], limit=1, starting_after=of_one[0])
    assert (ids(rest), rest["has_more"]) == (of_one[1:], False)
    before = listed(api, PATH, object_id=story["held"], ending_before=of_one[1])
    assert ids(before) == of_one[:1]


def test_a_filter_that_nothing_passes_has_a_bounded_cost(
    api: Api, story: dict[str, str], relay: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = ids(listed(api, PATH))
    relay()
    monkeypatch.setattr(lists, "MAX_SCANNED", 4)
    pages = list(walk(api, PATH, "starting_after", None, type="payment.expired"))
    assert [page["data"] for page in pages] == [[], []]
    assert pages[0]["next_cursor"] == everything[3]


def test_others_see_nothing_of_them(api: Api, story: dict[str, str], new_merchant: Any) -> None:
    event_id = listed(api, PATH)["data"][0]["id"]
    other = Api(new_merchant())
    assert types(listed(other, PATH)) == ["merchant.api_key_created"]
    assert listed(other, PATH, object_id=story["held"])["data"] == []
    assert other.get(f"{PATH}/{event_id}").status == 404
    assert other.get(f"{PATH}/evt_nonsense").status == 404


def test_after_thirty_days_they_are_not_shown_and_then_deleted(
    api: Api,
    story: dict[str, str],
    relay: Callable[[], None],
    owner: psycopg.Connection[Any],
    servers: Servers,
    database_url: str,
) -> None:
    relay()
    merchant = parse_typeid("mer", api.merchant.id)
    assert merchant is not None
    newest, *others = listed(api, PATH)["data"]
    _age(owner, merchant, newest["id"], days=31)
    _age(owner, merchant, others[0]["id"], days=29)
    assert listed(api, PATH)["data"] == others
    assert listed(api, PATH, type="payment.failed")["data"] == []
    assert listed(api, PATH, object_id=story["failed"])["data"] == []
    assert api.get(f"{PATH}/{newest['id']}").status == 404
    assert api.get(f"{PATH}/{others[0]['id']}").status == 200

    housekeeping = Database(servers.housekeeping_url(database_url))
    assert forget_events(housekeeping, SystemClock().now()) >= 1
    rows = owner.execute("SELECT id FROM events WHERE merchant_id = %s", [merchant]).fetchall()
    assert {typeid("evt", each) for (each,) in rows} == {each["id"] for each in others}
    assert forget_events(housekeeping, SystemClock().now()) == 0
    housekeeping.close()


def _age(owner: psycopg.Connection[Any], merchant: UUID, event_id: str, *, days: int) -> None:
    """Let it have happened so long ago."""
    back = timedelta(days=days)
    changed = owner.execute(
        "UPDATE events SET created_at = created_at - %s, relayed_at = relayed_at - %s"
        " WHERE merchant_id = %s AND id = %s",
        [back, back, merchant, parse_typeid("evt", event_id)],
    )
    assert changed.rowcount == 1


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("type=payment", "type"),
        ("type=payment.nonsense", "type"),
        ("type=nonsense.*", "type"),
        ("type=**", "type"),
        ("type=", "type"),
        ("object_id=order-1", "object_id"),
        ("object_id=evt_01k8nkrkaye008000000000003", "object_id"),
        ("object_id=", "object_id"),
        ("limit=101", "limit"),
        ("starting_after=txn_01k8nkrkaye008000000000003", "starting_after"),
        ("status=paid", "status"),
        ("created[gt]=yesterday", "created[gt]"),
    ],
)
def test_what_is_asked_for_wrongly_is_told(api: Api, query: str, param: str) -> None:
    reply = api.get(f"{PATH}?{query}")
    assert reply.status == 400
    error = reply.json["error"]
    assert (error["code"], error["param"]) == ("invalid_field", param)
    if param == "type":
        assert "payment.captured" in error["message"]
        assert "payment.*" in error["message"]
