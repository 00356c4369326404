"""Test events, which a merchant has sent to one endpoint."""

from __future__ import annotations

import json
import uuid

import psycopg

from paywright.event import EventType
from paywright.events.catalogue import Event
from paywright.events.entry import from_row
from paywright.webhooks.message import Message, event_of
from tests.api import Api
from tests.integration.webhooks.endpoints import PATH, Owner, made, refused, uuid_of
from tests.platform import api, new_merchant, owner, platform, settings

__all__ = ["api", "new_merchant", "owner", "platform", "settings"]


def test_a_test_event_goes_the_way_of_all_events_to_one_endpoint(api: Api, owner: Owner) -> None:
    wanted, other = made(api, event_types=["refund.*"]), made(api)
    replies = [api.post(f"{PATH}/{wanted['id']}/test") for _ in range(2)]
    assert [reply.status for reply in replies] == [201, 201]
    assert [reply.json["sequence"] for reply in replies] == [1, 2]
    event = replies[0].json
    rows = owner.cursor(row_factory=psycopg.rows.dict_row)
    rows.execute(
        "SELECT *, payload::text AS payload FROM outbox WHERE object_id = %s ORDER BY sequence",
        [uuid_of(wanted["id"])],
    )
    row = rows.fetchone()
    assert row is not None
    assert row["payload"] == replies[0].text
    assert Event.model_validate_json(row["payload"]).root.type is EventType.ENDPOINT_TEST
    assert event["type"] == row["type"] == "webhook_endpoint.test"
    assert event["data"]["object"] == api.get(f"{PATH}/{wanted['id']}").json
    entry = from_row(row)
    body = json.dumps({"detail-type": entry.detail_type, "detail": json.loads(entry.detail)})
    handed = event_of(Message("m", body))
    assert handed.endpoint_id == uuid_of(wanted["id"]) != uuid_of(other["id"])


def test_a_key_sends_one_test_event(api: Api, owner: Owner) -> None:
    created, key = made(api), uuid.uuid4().hex
    first, second = (api.post(f"{PATH}/{created['id']}/test", key=key) for _ in range(2))
    assert (first.text, second.headers["idempotent-replayed"]) == (second.text, "true")
    count = owner.execute(
        "SELECT count(*) FROM outbox WHERE object_id = %s", [uuid_of(created["id"])]
    ).fetchone()
    assert count == (1,)


def test_a_disabled_endpoint_gets_no_test_event(api: Api, owner: Owner) -> None:
    created = made(api, enabled=False)
    reply = api.post(f"{PATH}/{created['id']}/test")
    assert refused(reply) == (409, "webhook_endpoint_disabled", None)
    row = owner.execute(
        "SELECT sequence FROM webhook_endpoints WHERE id = %s", [uuid_of(created["id"])]
    ).fetchone()
    assert row == (0,)
