"""The webhook URL of a merchant's profile, the simple way to an endpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from paywright.wiring import Platform
from tests.api import Api
from tests.integration.webhooks.endpoints import (
    PATH,
    URL,
    Owner,
    audited,
    fail,
    is_failing,
    listed,
    made,
    refused,
    secrets_of,
)
from tests.platform import api, new_merchant, owner, platform, settings

__all__ = ["api", "new_merchant", "owner", "platform", "settings"]

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
    api = Api(new_merchant(webhook_url=URL, allow_loopback=True))
    assert api.get(ME).json["webhook_url"] == URL
    (endpoint_id,) = listed(api)
    assert secrets_of(owner, endpoint_id)[0] == api.merchant.webhook_secret
    assert "webhook_secret" not in api.patch(ME, {"webhook_url": URL + "/2"}).json
    assert listed(api) == [endpoint_id]


def test_setting_the_url_again_enables_what_was_disabled(api: Api, owner: Owner) -> None:
    api.patch(ME, {"webhook_url": URL})
    (endpoint_id,) = listed(api)
    fail(owner, endpoint_id)
    assert api.get(ME).json["webhook_url"] is None
    assert api.patch(ME, {"webhook_url": URL}).json["webhook_url"] == URL
    assert api.get(f"{PATH}/{endpoint_id}").json["enabled"] is True
    assert not is_failing(owner, endpoint_id)


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
