"""Webhook endpoints through the API: made, changed, deleted, listed, each by its merchant alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from paywright.db import Database
from paywright.errors import MerchantNotActive
from paywright.housekeeping import keep_house
from paywright.payments.models import RequestContext
from paywright.webhooks.endpoints import Endpoints, NewEndpoint
from paywright.wiring import Platform
from tests.api import Api
from tests.integration.webhooks.endpoints import (
    PATH,
    URL,
    Owner,
    audited,
    caller_of,
    fail,
    is_failing,
    listed,
    made,
    refused,
    secrets_of,
    uuid_of,
)
from tests.platform import PII_KEY, api, new_merchant, owner, platform, settings

__all__ = ["api", "new_merchant", "owner", "platform", "settings"]


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
        "resting_until": None,
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
    assert audited(owner, created["id"])[1] == (
        "updated",
        {
            "url": [URL, URL + "/2"],
            "description": ["Order desk ☕", None],
            "event_types": [["payment.*", "refund.failed"], ["*"]],
        },
    )


def test_what_changes_nothing_is_not_written(api: Api, owner: Owner) -> None:
    fields = {"event_types": ["payment.*"], "description": "Order desk"}
    created = made(api, **fields)
    del created["secret"]
    path = f"{PATH}/{created['id']}"

    def kept() -> tuple[Any, ...] | None:
        return owner.execute(
            "SELECT e.*, e.xmin FROM webhook_endpoints e WHERE id = %s", [uuid_of(created["id"])]
        ).fetchone()

    before = kept()
    given = fields | {"url": URL, "enabled": True, "api_version": "2026-11-01"}
    for asked in ({}, given, {"enabled": True}):
        reply = api.patch(path, asked)
        assert (reply.status, reply.json) == (200, created)
    assert kept() == before
    assert len(audited(owner, created["id"])) == 1
    assert api.patch(path, given | {"description": None}).json["description"] is None
    assert kept() != before


def test_one_that_is_enabled_again_begins_without_its_failures(api: Api, owner: Owner) -> None:
    created = made(api)
    path = f"{PATH}/{created['id']}"
    fail(owner, created["id"])
    shown = api.patch(path, {"description": "it is coming back"}).json
    assert (shown["enabled"], shown["disabled_reason"]) == (False, "only failures")
    assert is_failing(owner, created["id"])
    shown = api.patch(path, {"enabled": True}).json
    assert (shown["enabled"], shown["disabled_reason"], shown["disabled_at"]) == (True, None, None)
    assert not is_failing(owner, created["id"])


def test_one_that_gets_another_url_begins_without_its_failures(api: Api, owner: Owner) -> None:
    created = made(api)
    owner.execute(
        "UPDATE webhook_endpoints SET failing_since = now() WHERE id = %s", [uuid_of(created["id"])]
    )
    api.patch(f"{PATH}/{created['id']}", {"url": URL, "enabled": True})
    assert is_failing(owner, created["id"])
    api.patch(f"{PATH}/{created['id']}", {"url": URL + "/2"})
    assert not is_failing(owner, created["id"])


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


def test_a_suspended_merchant_sets_up_nothing(api: Api, platform: Platform, owner: Owner) -> None:
    created = made(api)
    endpoints = Endpoints(platform.database, PII_KEY, platform.clock, platform.ids, lambda _: None)
    caller, context = caller_of(owner, api), RequestContext(None, b"", "trace", None, None)
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
