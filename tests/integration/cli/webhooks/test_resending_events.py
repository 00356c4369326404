"""`paywright webhooks resend` of events that got lost on their way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cli import webhooks
from paywright.ids import typeid
from tests.integration.cli.test_ledger_command import Command
from tests.integration.cli.webhooks.conftest import CLOCK, IDS, OPERATOR, Merchant, audited


def test_an_event_that_got_lost_is_put_on_the_bus_again(
    command: Command, merchant: Merchant
) -> None:
    event = merchant.event()
    merchant.connection.execute("UPDATE events SET relays = 5, lost = true WHERE id = %s", [event])
    given = typeid("evt", event)
    done = command.run("webhooks", "resend", given)
    assert done.stdout == f"{given} is sent to 1 endpoint that wanted it and has not got it.\n"
    merchant.add_endpoint("payment.*")
    merchant.add_endpoint("refund.*")
    assert command.json("webhooks", "resend", given) == {"event_id": given, "endpoints": 2}
    rows = merchant.connection.execute(
        "SELECT e.relays, e.lost, o.payload = e.payload::jsonb"
        "  FROM (SELECT id, payload::jsonb FROM outbox) AS o JOIN events AS e USING (id)"
        " WHERE id = %s",
        [event],
    ).fetchall()
    assert rows == [(0, None, True)]
    assert audited(merchant, "event") == [("resent", *OPERATOR)] * 2


@pytest.mark.parametrize(
    ("change", "endpoints"),
    [
        ("UPDATE webhook_deliveries SET status = 'delivered'", 0),
        ("UPDATE webhook_deliveries SET status = 'pending'", 0),
        ("UPDATE webhook_deliveries SET status = 'failed'", 1),
        ("UPDATE webhook_endpoints SET enabled = false", 0),
        ("UPDATE webhook_endpoints SET event_types = '{refund.*}'", 0),
        ("UPDATE webhook_endpoints SET created_at = created_at + interval '1 hour'", 0),
        ("UPDATE events SET type = 'merchant.api_key_created'", 0),
        ("UPDATE events SET type = 'webhook_endpoint.test'", 0),
    ],
)
def test_an_event_that_nobody_lacks_is_not_put_on_the_bus(
    command: Command, merchant: Merchant, change: str, endpoints: int
) -> None:
    merchant.delivery("failed", 500)
    given = command.json("webhooks", "list")[0]["event_id"]
    merchant.connection.execute(change.encode())
    if change.startswith(("UPDATE webhook_endpoints", "UPDATE events")):
        merchant.connection.execute("DELETE FROM webhook_deliveries")
    if not endpoints:
        done = command.run("webhooks", "resend", given)
        said = f"No endpoint is left that wanted {given} and has not got it: nothing is sent.\n"
        assert (done.returncode, done.stdout) == (0, said)
    assert command.json("webhooks", "resend", given) == {"event_id": given, "endpoints": endpoints}
    row = merchant.connection.execute("SELECT count(*) FROM outbox WHERE type LIKE 'payment.%'")
    assert row.fetchone() == (endpoints,)
    assert len(audited(merchant, "event")) == endpoints


def test_a_test_event_is_put_on_the_bus_for_its_endpoint_alone(
    command: Command, merchant: Merchant
) -> None:
    merchant.add_endpoint("*")
    event = merchant.event()
    merchant.connection.execute(
        "UPDATE events SET type = 'webhook_endpoint.test', payload = %s WHERE id = %s",
        [json.dumps({"data": {"object": {"id": merchant.endpoint_id}}}), event],
    )
    given = typeid("evt", event)
    assert command.json("webhooks", "resend", given) == {"event_id": given, "endpoints": 1}


def test_an_event_is_found_among_those_of_its_merchant(
    command: Command, merchant: Merchant, new_merchant: Callable[[], Merchant]
) -> None:
    event, other = merchant.event(), new_merchant()
    arguments = ("webhooks", "resend", typeid("evt", event), "--merchant")
    assert "There is no event" in command.refused(*arguments, other.public_id)
    assert audited(merchant, "event") == []
    done = command.json(*arguments, merchant.public_id)
    assert done == {"event_id": typeid("evt", event), "endpoints": 1}
    assert audited(merchant, "event") == [("resent", *OPERATOR)]


@pytest.mark.parametrize("name", ["merchant_of_event", "relay_again"])
def test_an_event_is_found_by_an_index_however_many_there_are(
    name: str, merchant: Merchant
) -> None:
    merchant.connection.execute(
        "INSERT INTO events (merchant_id, id, livemode, type, object_id, sequence, payload,"
        " created_at, relayed_at) SELECT %s, gen_random_uuid(), false, 'payment.captured',"
        " gen_random_uuid(), 1, '{}', now(), now() FROM generate_series(1, 5000)",
        [merchant.id],
    )
    merchant.connection.execute("ANALYZE events, merchants")
    parameters = {
        "id": merchant.event(),
        "merchant_id": merchant.id,
        "audit_id": IDS.new(),
        "operator": "tests",
        "now": CLOCK.now(),
    }
    explain = b"EXPLAIN (ANALYZE, FORMAT JSON) " + webhooks._QUERIES[name]
    row = merchant.connection.execute(explain, parameters).fetchone()
    assert row is not None
    scans = [each for each in _nodes(row[0][0]["Plan"]) if each.get("Relation Name") == "events"]
    of_keys = [each for each in scans if each["Node Type"] != "ModifyTable"]
    assert [each["Index Name"] for each in of_keys] == ["events_pkey"]
    assert of_keys[0]["Actual Rows"] == 1


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from _nodes(part)
