"""Webhook endpoints through the API: what merchants set up, and what is kept of it."""

from __future__ import annotations

import hashlib
import json
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from paywright.db import Database
from paywright.errors import MerchantNotActive, WebhookEndpointLimitReached
from paywright.event import EventType
from paywright.events.catalogue import Event
from paywright.events.entry import from_row
from paywright.housekeeping import keep_house
from paywright.ids import parse_typeid
from paywright.money import Currency
from paywright.payments.models import Caller, RequestContext
from paywright.webhooks.endpoints import MAX_ENDPOINTS, Endpoints, NewEndpoint
from paywright.webhooks.filters import EVENT_TYPES
from paywright.webhooks.message import Message, event_of
from paywright.wiring import Platform
from tests.api import Api, Reply
from tests.platform import PII_KEY, api, new_merchant, owner, platform, settings

__all__ = ["api", "new_merchant", "owner", "platform", "settings"]

PATH = "/v1/webhook_endpoints"
URL = "http://127.0.0.1:9/webhooks"
Owner = psycopg.Connection[Any]


def uuid_of(object_id: str) -> UUID:
    found = parse_typeid(object_id.partition("_")[0], object_id)
    assert found is not None
    return found


def made(api: Api, **fields: Any) -> Any:
    reply = api.post(PATH, {"url": URL, **fields})
    assert reply.status == 201, reply.text
    return reply.json


def listed(api: Api, query: str = "") -> list[str]:
    reply = api.get(PATH + query)
    assert reply.status == 200, reply.text
    return [each["id"] for each in reply.json["data"]]


def refused(reply: Reply) -> tuple[int, str, str | None]:
    error = reply.json["error"]
    return reply.status, error["code"], error.get("param")


def secrets_of(owner: Owner, endpoint_id: str) -> tuple[str | None, str | None]:
    row = owner.execute(
        "SELECT pgp_sym_decrypt(secret_encrypted, %(key)s),"
        " pgp_sym_decrypt(previous_secret_encrypted, %(key)s)"
        " FROM webhook_endpoints WHERE id = %(id)s",
        {"key": PII_KEY, "id": uuid_of(endpoint_id)},
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def audited(owner: Owner, endpoint_id: str) -> list[tuple[str, Any]]:
    return owner.execute(
        "SELECT action, changes FROM audit_log WHERE entity_type = 'webhook_endpoint'"
        " AND entity_id = %s ORDER BY id",
        [uuid_of(endpoint_id)],
    ).fetchall()


def test_an_endpoint_shows_its_secret_once(api: Api, owner: Owner) -> None:
    created = made(api)
    secret = created.pop("secret")
    assert created == {
        "id": created["id"],
        "object": "webhook_endpoint",
        "url": URL,
        "event_types": ["*"],
        "enabled": True,
        "description": None,
        "api_version": "2026-11-01",
        "disabled_reason": None,
        "disabled_at": None,
        "previous_secret_expires_at": None,
        "created_at": created["created_at"],
        "updated_at": created["created_at"],
        "livemode": False,
    }
    assert api.get(f"{PATH}/{created['id']}").json == created
    assert api.get(PATH).json["data"] == [created]
    assert secrets_of(owner, created["id"]) == (secret, None)
    assert audited(owner, created["id"]) == [("created", {})]


def test_fields_are_kept_and_changed(api: Api, owner: Owner) -> None:
    created = made(
        api,
        event_types=["payment.*", "refund.failed", "payment.*"],
        description="Order desk ☕",
        enabled=False,
        api_version="2026-11-01",
    )
    path = f"{PATH}/{created['id']}"
    assert created["event_types"] == ["payment.*", "refund.failed"]
    assert created["description"] == "Order desk ☕"
    assert (created["enabled"], created["disabled_reason"]) == (False, "disabled by request")
    assert created["disabled_at"] == created["created_at"]
    changed = api.patch(path, {"url": URL + "/2", "description": None, "event_types": ["*"]})
    assert changed.status == 200, changed.text
    assert {name: changed.json[name] for name in ("url", "description", "event_types")} == {
        "url": URL + "/2",
        "description": None,
        "event_types": ["*"],
    }
    assert changed.json["disabled_at"] == created["disabled_at"]
    assert api.get(path).json == changed.json
    assert api.patch(path, {}).json | {"updated_at": 0} == changed.json | {"updated_at": 0}
    assert audited(owner, created["id"])[1] == (
        "updated",
        {
            "url": [URL, URL + "/2"],
            "description": ["Order desk ☕", None],
            "event_types": [["payment.*", "refund.failed"], ["*"]],
        },
    )


def _fail(owner: Owner, endpoint_id: str) -> None:
    owner.execute(
        "UPDATE webhook_endpoints SET failing_since = now() - interval '5 days', enabled = false,"
        " disabled_reason = 'only failures', disabled_at = now() WHERE id = %s",
        [uuid_of(endpoint_id)],
    )


def _failing(owner: Owner, endpoint_id: str) -> bool:
    row = owner.execute(
        "SELECT failing_since IS NOT NULL FROM webhook_endpoints WHERE id = %s",
        [uuid_of(endpoint_id)],
    ).fetchone()
    assert row is not None
    return bool(row[0])


def test_one_that_is_enabled_again_begins_without_its_failures(api: Api, owner: Owner) -> None:
    created = made(api)
    path = f"{PATH}/{created['id']}"
    _fail(owner, created["id"])
    shown = api.patch(path, {"description": "it is coming back"}).json
    assert (shown["enabled"], shown["disabled_reason"]) == (False, "only failures")
    assert _failing(owner, created["id"])
    shown = api.patch(path, {"enabled": True}).json
    assert (shown["enabled"], shown["disabled_reason"], shown["disabled_at"]) == (True, None, None)
    assert not _failing(owner, created["id"])


def test_one_that_gets_another_url_begins_without_its_failures(api: Api, owner: Owner) -> None:
    created = made(api)
    owner.execute(
        "UPDATE webhook_endpoints SET failing_since = now() WHERE id = %s", [uuid_of(created["id"])]
    )
    api.patch(f"{PATH}/{created['id']}", {"url": URL, "enabled": True})
    assert _failing(owner, created["id"])
    api.patch(f"{PATH}/{created['id']}", {"url": URL + "/2"})
    assert not _failing(owner, created["id"])


def test_a_deleted_endpoint_is_gone_with_its_secrets(api: Api, owner: Owner) -> None:
    created = made(api)
    path = f"{PATH}/{created['id']}"
    api.post(f"{path}/rotate_secret")
    reply = api.delete(path)
    assert (reply.status, reply.json) == (
        200,
        {"id": created["id"], "object": "webhook_endpoint", "deleted": True},
    )
    assert listed(api) == []
    assert secrets_of(owner, created["id"]) == (None, None)
    for again in (
        api.get(path),
        api.patch(path, {"enabled": True}),
        api.delete(path),
        api.post(f"{path}/rotate_secret"),
        api.post(f"{path}/test"),
    ):
        assert refused(again) == (404, "not_found", None)
    assert [action for action, _ in audited(owner, created["id"])][:3] == [
        "created",
        "secret_rotated",
        "deleted",
    ]


def test_what_was_deleted_is_forgotten_after_its_deliveries(
    api: Api, owner: Owner, platform: Platform, housekeeping_database_url: str
) -> None:
    ids = [made(api)["id"] for _ in range(3)]
    for endpoint_id, days in zip(ids, (32, 30), strict=False):
        api.delete(f"{PATH}/{endpoint_id}")
        owner.execute(
            "UPDATE webhook_endpoints SET deleted_at = now() - %s WHERE id = %s",
            [timedelta(days=days), uuid_of(endpoint_id)],
        )
    database = Database(housekeeping_database_url)
    keep_house(platform.payments, database, for_s=0)
    database.close()
    left = owner.execute(
        "SELECT id FROM webhook_endpoints WHERE merchant_id = %s ORDER BY id",
        [uuid_of(api.merchant.id)],
    )
    assert [row[0] for row in left] == [uuid_of(each) for each in ids[1:]]


def test_refused_changes_are_audited(api: Api, owner: Owner) -> None:
    created = made(api)
    reply = api.patch(f"{PATH}/{created['id']}", {"event_types": ["nothing.*"]})
    assert refused(reply) == (400, "invalid_field", "event_types.0")
    assert audited(owner, created["id"])[1] == (
        "request_refused",
        {
            "request": f"PATCH {PATH}/{created['id']}",
            "code": "invalid_field",
            "param": "event_types.0",
        },
    )


def test_others_and_the_other_mode_see_nothing(api: Api, new_merchant: Callable[..., Any]) -> None:
    created = made(api)
    path = f"{PATH}/{created['id']}"
    stranger = Api(new_merchant())
    for reply in (
        stranger.get(path),
        stranger.patch(path, {"enabled": False}),
        stranger.delete(path),
        stranger.post(f"{path}/rotate_secret"),
        stranger.post(f"{path}/test"),
    ):
        assert refused(reply) == (404, "not_found", None)
    assert listed(stranger) == []
    assert api.get(path).json["enabled"] is True


def test_live_and_test_endpoints_are_apart(
    platform: Platform, api: Api, owner: Owner, new_merchant: Callable[..., Any]
) -> None:
    live = Api(new_merchant(livemode=True))
    owner.execute(
        "UPDATE api_keys SET merchant_id = %s WHERE merchant_id = %s",
        [uuid_of(api.merchant.id), uuid_of(live.merchant.id)],
    )
    ours, theirs = made(api), made(live)
    assert (ours["livemode"], theirs["livemode"]) == (False, True)
    assert (listed(api), listed(live)) == ([ours["id"]], [theirs["id"]])
    assert live.get(f"{PATH}/{ours['id']}").status == 404
    assert api.delete(f"{PATH}/{theirs['id']}").status == 404


def test_lists_are_paged_and_filtered(api: Api) -> None:
    ids = [made(api, enabled=number % 2 == 0)["id"] for number in range(5)][::-1]
    assert listed(api) == ids
    assert listed(api, "?limit=2") == ids[:2]
    assert listed(api, f"?limit=2&starting_after={ids[1]}") == ids[2:4]
    assert listed(api, f"?limit=2&ending_before={ids[4]}") == ids[2:4]
    assert listed(api, "?enabled=true") == ids[0::2]
    assert listed(api, "?enabled=false") == ids[1::2]
    assert listed(api, "?created[lt]=2020-01-01T00:00:00Z") == []
    assert refused(api.get(f"{PATH}?enabled=yes")) == (400, "invalid_field", "enabled")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"url": None}, "url"),
        ({"url": 7}, "url"),
        ({"url": ""}, "url"),
        ({"url": "ftp://example.com/"}, "url"),
        ({"url": "https://user:pass@example.com/"}, "url"),
        ({"url": "https://example.com/" + "a" * 2048}, "url"),
        ({"event_types": []}, "event_types"),
        ({"event_types": "*"}, "event_types"),
        ({"event_types": ["*"] * 51}, "event_types"),
        ({"event_types": ["payment.*", "payments.*"]}, "event_types.1"),
        ({"event_types": ["payment"]}, "event_types.0"),
        ({"event_types": ["payment.capture*"]}, "event_types.0"),
        ({"event_types": ["*.captured"]}, "event_types.0"),
        ({"event_types": [""]}, "event_types.0"),
        ({"event_types": ["webhook_endpoint.*"]}, "event_types.0"),  # sent without being asked for
        ({"event_types": ["payment.captured\x00"]}, "event_types.0"),
        ({"event_types": [None]}, "event_types.0"),
        ({"description": "x" * 501}, "description"),
        ({"description": "a\x00b"}, "description"),
        ({"enabled": "yes"}, "enabled"),
        ({"enabled": None}, "enabled"),
        ({"api_version": "2020-01-01"}, "api_version"),
        ({"secret": "whsec_mine"}, "secret"),
        ({"id": "whe_1"}, "id"),
    ],
)
def test_wrong_fields_are_named(api: Api, fields: dict[str, Any], param: str) -> None:
    assert refused(api.post(PATH, {"url": URL, **fields})) == (400, "invalid_field", param)
    created = made(api)
    assert refused(api.patch(f"{PATH}/{created['id']}", fields)) == (400, "invalid_field", param)
    assert api.get(f"{PATH}/{created['id']}").json == {
        name: value for name, value in created.items() if name != "secret"
    }


def test_every_type_and_group_of_events_can_be_asked_for(api: Api) -> None:
    groups = sorted({f"{each.partition('.')[0]}.*" for each in EVENT_TYPES})
    assert made(api, event_types=[*EVENT_TYPES, *groups])["event_types"] == [*EVENT_TYPES, *groups]


def test_a_wrong_filter_is_told_what_there_is(api: Api) -> None:
    reply = api.post(PATH, {"url": URL, "event_types": ["payments.*"]})
    assert "payment.*" in reply.json["error"]["message"]
    assert "refund.created" in reply.json["error"]["message"]


def test_a_key_makes_one_endpoint_and_tells_its_secret_again(
    api: Api, owner: Owner, platform: Platform
) -> None:
    key = uuid.uuid4().hex
    first, second = (api.post(PATH, {"url": URL}, key=key) for _ in range(2))
    assert (first.status, second.status) == (201, 201)
    assert first.text == second.text
    assert second.headers["idempotent-replayed"] == "true"
    assert listed(api) == [first.json["id"]]
    other = api.post(PATH, {"url": URL + "/2"}, key=key)
    assert refused(other) == (400, "idempotency_key_reused", None)
    kept = owner.execute("SELECT response_body FROM idempotency_keys WHERE key = %s", [key])
    ((body,),) = kept.fetchall()
    secret = first.json["secret"]
    assert body.startswith("sealed:")
    assert secret not in body
    digest = hashlib.sha256(key.encode()).hexdigest()
    merchant_id = uuid_of(api.merchant.id)
    cached = platform.cache.merchant_key(merchant_id, "idempotency", "test", digest)
    assert platform.cache.get(cached) is None


def test_the_hundredth_endpoint_is_the_last(api: Api, new_merchant: Callable[..., Any]) -> None:
    """Of a thousand that are asked for, and of all that were deleted none counts."""
    ids = [made(api)["id"] for _ in range(MAX_ENDPOINTS)]
    for _ in range(3):
        reply = api.post(PATH, {"url": URL})
        assert refused(reply) == (409, "webhook_endpoint_limit_reached", None)
    assert str(MAX_ENDPOINTS) in reply.json["error"]["message"]
    assert refused(api.patch("/v1/merchants/me", {"webhook_url": URL}))[0] == 409
    assert len(listed(api, "?limit=100")) == MAX_ENDPOINTS
    assert Api(new_merchant()).post(PATH, {"url": URL}).status == 201
    api.delete(f"{PATH}/{ids[0]}")
    assert made(api)["id"] not in ids


def _caller(owner: Owner, api: Api) -> Caller:
    merchant_id = uuid_of(api.merchant.id)
    key = owner.execute("SELECT id FROM api_keys WHERE merchant_id = %s", [merchant_id]).fetchone()
    assert key is not None
    return Caller(merchant_id, key[0], False, Currency.of("usd"), None, ())


def _waits_for_a_lock(owner: Owner) -> bool:
    row = owner.execute(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    ).fetchone()
    assert row is not None
    return bool(row[0])


def test_the_limit_holds_against_another_at_the_same_moment(
    api: Api, platform: Platform, app_database_url: str, owner: Owner, database_url: str
) -> None:
    for _ in range(MAX_ENDPOINTS - 1):
        made(api)
    caller, context = _caller(owner, api), RequestContext(None, b"", "trace", None, None)
    refusals: list[WebhookEndpointLimitReached] = []

    def create() -> None:
        database = Database(app_database_url)
        endpoints = Endpoints(database, PII_KEY, platform.clock, platform.ids, lambda _: None)
        try:
            endpoints.create(caller, NewEndpoint(URL, ["*"]), context)
        except WebhookEndpointLimitReached as error:
            refusals.append(error)
        finally:
            database.close()

    second = threading.Thread(target=create)
    with psycopg.connect(database_url) as first, first.transaction():
        first.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('webhook endpoints ' || %s, 0))",
            [caller.merchant_id],
        )
        first.execute(
            "INSERT INTO webhook_endpoints (merchant_id, id, livemode, url, secret_encrypted,"
            " api_version, created_at, updated_at)"
            " VALUES (%s, %s, false, %s, '', '2026-11-01', now(), now())",
            [caller.merchant_id, platform.ids.new(), URL],
        )
        second.start()
        deadline = time.monotonic() + 20
        while second.is_alive() and not _waits_for_a_lock(owner):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    second.join()
    assert len(refusals) == 1
    assert len(listed(api, "?limit=100")) == MAX_ENDPOINTS


def test_a_suspended_merchant_sets_up_nothing(api: Api, platform: Platform, owner: Owner) -> None:
    created = made(api)
    endpoints = Endpoints(platform.database, PII_KEY, platform.clock, platform.ids, lambda _: None)
    caller, context = _caller(owner, api), RequestContext(None, b"", "trace", None, None)
    endpoint_id = uuid_of(created["id"])
    owner.execute("UPDATE merchants SET status = 'suspended' WHERE id = %s", [caller.merchant_id])
    attempts: list[Callable[[], Any]] = [
        lambda: endpoints.create(caller, NewEndpoint(URL, ["*"]), context),
        lambda: endpoints.change(caller, endpoint_id, {"enabled": False}, context),
        lambda: endpoints.delete(caller, endpoint_id, context),
        lambda: endpoints.rotate_secret(caller, endpoint_id, context),
        lambda: endpoints.send_test(caller, endpoint_id, context),
        lambda: endpoints.set_profile_url(caller, URL, context),
    ]
    for attempt in attempts:
        with pytest.raises(MerchantNotActive):
            attempt()
    assert endpoints.find(caller, endpoint_id)["enabled"] is True


def test_rotation_keeps_the_secret_before_for_a_day(api: Api, owner: Owner) -> None:
    created = made(api)
    path = f"{PATH}/{created['id']}/rotate_secret"
    first = api.post(path)
    assert first.status == 200, first.text
    assert first.json["secret"] != created["secret"]
    ends = datetime.fromisoformat(first.json["previous_secret_expires_at"])
    assert ends - datetime.fromisoformat(first.json["updated_at"]) == timedelta(hours=24)
    assert secrets_of(owner, created["id"]) == (first.json["secret"], created["secret"])
    # A second rotation ends the oldest secret at once.
    second = api.post(path, {"overlap_s": 60})
    assert secrets_of(owner, created["id"]) == (second.json["secret"], first.json["secret"])
    third = api.post(path, {"overlap_s": 0})
    assert third.json["previous_secret_expires_at"] is None
    assert secrets_of(owner, created["id"]) == (third.json["secret"], None)
    for overlap_s in (-1, 86_401, 1.5, "60", None):
        reply = api.post(path, {"overlap_s": overlap_s})
        assert refused(reply) == (400, "invalid_field", "overlap_s")
    assert "secret" not in api.get(f"{PATH}/{created['id']}").json
    actions = [action for action, _ in audited(owner, created["id"])]
    assert actions[:4] == ["created", *["secret_rotated"] * 3]


def test_a_key_rotates_once(api: Api, owner: Owner) -> None:
    created = made(api)
    path, key = f"{PATH}/{created['id']}/rotate_secret", uuid.uuid4().hex
    first, second = (api.post(path, {}, key=key) for _ in range(2))
    assert first.text == second.text
    assert secrets_of(owner, created["id"]) == (first.json["secret"], created["secret"])


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


def _attempts(owner: Owner, api: Api, endpoint_id: str, *attempts: tuple[float, Any, int]) -> None:
    """Attempts so many hours ago, each with its status or error, and its milliseconds."""
    for number, (hours, came, duration_ms) in enumerate(attempts):
        owner.execute(
            "INSERT INTO webhook_attempts (merchant_id, delivery_id, number, endpoint_id, at,"
            " status_code, error, duration_ms) VALUES (%s, %s, %s, %s, now() - %s, %s, %s, %s)",
            [
                uuid_of(api.merchant.id),
                uuid.uuid4(),
                number + 1,
                uuid_of(endpoint_id),
                timedelta(hours=hours),
                came if isinstance(came, int) else None,
                came if isinstance(came, str) else None,
                duration_ms,
            ],
        )


def test_statistics_tell_how_it_went_in_a_day_and_a_week(api: Api, owner: Owner) -> None:
    created, other = made(api), made(api)
    path = f"{PATH}/{created['id']}/stats"
    nothing = api.get(path).json
    assert nothing["last_error"] is None
    assert nothing["last_24_hours"]["attempts"] == 0
    assert nothing["last_24_hours"]["success_rate"] is None
    assert nothing["last_7_days"]["duration_p50_ms"] is None
    _attempts(owner, api, other["id"], (1, 500, 7))
    _attempts(
        owner,
        api,
        created["id"],
        (1, 200, 10),
        (2, 204, 30),
        (3, "no answer within 10 s", 10_000),
        (20, 503, 50),
        (25, 404, 900),
        (26, 200, 20),
        (7 * 24 + 1, 200, 1),
    )
    shown = api.get(path).json
    day, week = shown["last_24_hours"], shown["last_7_days"]
    begins = {name: period.pop("since") for name, period in (("day", day), ("week", week))}
    assert day == {
        "attempts": 4,
        "succeeded": 2,
        "success_rate": 0.5,
        "duration_p50_ms": 30,
        "duration_p95_ms": 50,
    }
    assert week == {
        "attempts": 6,
        "succeeded": 3,
        "success_rate": 0.5,
        "duration_p50_ms": 30,
        "duration_p95_ms": 900,
    }
    assert shown["last_error"]["message"] == "no answer within 10 s"
    assert shown["last_error"]["status_code"] is None
    ago = datetime.fromisoformat(begins["day"]) - datetime.fromisoformat(begins["week"])
    assert ago == timedelta(days=6)


def test_statistics_cost_no_more_for_a_busy_endpoint(
    api: Api, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paywright.webhooks.stats.MOST_ATTEMPTS", 3)
    created = made(api)
    _attempts(owner, api, created["id"], *[(hours, 200, 1) for hours in range(1, 40)])
    _attempts(owner, api, created["id"], (30, 500, 1))
    shown = api.get(f"{PATH}/{created['id']}/stats").json
    assert shown["last_24_hours"] == shown["last_7_days"]
    assert shown["last_24_hours"]["attempts"] == 3
    since = datetime.fromisoformat(shown["last_24_hours"]["since"])
    assert timedelta(hours=2.9) < datetime.now(UTC) - since < timedelta(hours=3.1)
    assert shown["last_error"] is None


def test_statistics_of_others_are_not_found(api: Api, new_merchant: Callable[..., Any]) -> None:
    path = f"{PATH}/{made(api)['id']}/stats"
    assert refused(Api(new_merchant()).get(path)) == (404, "not_found", None)


ME = "/v1/merchants/me"


def test_the_profiles_url_is_the_simple_way_to_an_endpoint(api: Api, owner: Owner) -> None:
    assert api.get(ME).json["webhook_url"] is None
    reply = api.patch(ME, {"webhook_url": URL})
    assert reply.status == 200, reply.text
    (endpoint_id,) = listed(api)
    assert secrets_of(owner, endpoint_id)[0] == reply.json["webhook_secret"]
    assert "webhook_secret" not in api.get(ME).json
    moved = api.patch(ME, {"webhook_url": URL + "/2"}).json
    assert moved["webhook_url"] == URL + "/2"
    assert "webhook_secret" not in moved
    assert listed(api) == [endpoint_id]
    assert api.get(f"{PATH}/{endpoint_id}").json["url"] == URL + "/2"
    assert api.patch(ME, {}).json == api.get(ME).json == moved
    assert api.patch(ME, {"webhook_url": None}).json["webhook_url"] is None
    assert api.patch(ME, {"webhook_url": None}).status == 200
    assert listed(api) == []
    assert [action for action, _ in audited(owner, endpoint_id)] == [
        "created",
        "updated",
        "deleted",
    ]


def test_the_profile_leaves_other_endpoints_alone(api: Api) -> None:
    other = made(api)
    assert api.get(ME).json["webhook_url"] is None
    api.patch(ME, {"webhook_url": URL + "/2"})
    api.patch(ME, {"webhook_url": None})
    assert listed(api) == [other["id"]]


def test_the_first_endpoint_of_a_new_merchant_is_its_profiles(
    platform: Platform, new_merchant: Callable[..., Any], owner: Owner
) -> None:
    api = Api(new_merchant(webhook_url=URL, allow_private_urls=True))
    assert api.get(ME).json["webhook_url"] == URL
    (endpoint_id,) = listed(api)
    assert secrets_of(owner, endpoint_id)[0] == api.merchant.webhook_secret
    assert "webhook_secret" not in api.patch(ME, {"webhook_url": URL + "/2"}).json
    assert listed(api) == [endpoint_id]


def test_setting_the_url_again_enables_what_was_disabled(api: Api, owner: Owner) -> None:
    api.patch(ME, {"webhook_url": URL})
    (endpoint_id,) = listed(api)
    _fail(owner, endpoint_id)
    assert api.get(ME).json["webhook_url"] is None
    assert api.patch(ME, {"webhook_url": URL}).json["webhook_url"] == URL
    assert api.get(f"{PATH}/{endpoint_id}").json["enabled"] is True
    assert not _failing(owner, endpoint_id)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"webhook_url": "ftp://example.com"}, "webhook_url"),
        ({"webhook_url": 7}, "webhook_url"),
        ({"name": "Other"}, "name"),
    ],
)
def test_wrong_fields_of_the_profile_are_named(api: Api, body: Any, param: str) -> None:
    assert refused(api.patch(ME, body)) == (400, "invalid_field", param)
    assert listed(api) == []
