"""What the fields of an endpoint may say, and what is told of those that are wrong."""

from __future__ import annotations

from typing import Any

import pytest

from paywright.webhooks.filters import EVENT_TYPES
from tests.api import Api
from tests.integration.webhooks.endpoints import PATH, URL, made, refused
from tests.platform import api, new_merchant, owner, platform, settings

__all__ = ["api", "new_merchant", "owner", "platform", "settings"]


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
