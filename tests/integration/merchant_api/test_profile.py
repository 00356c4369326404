"""The merchant's own profile: what it is told by e-mail, and where."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from paywright.ids import parse_typeid
from tests.api import Api, Reply

ALL_ON = {
    "email": None,
    "endpoint_disabled": True,
    "dispute_opened": True,
    "settlement_ready": True,
    "api_key_created": True,
}


def patch(api: Api, body: Any) -> Reply:
    return api._call(
        "PATCH", "/v1/merchants/me", json.dumps(body), {"content-type": "application/json"}
    )


def test_notifications_are_all_on_and_each_can_be_changed(api: Api) -> None:
    assert api.get("/v1/merchants/me").json["notifications"] == ALL_ON
    wanted = {"email": "ops@example.org", "settlement_ready": False}
    reply = patch(api, {"notifications": wanted})
    assert (reply.status, reply.json["notifications"]) == (200, ALL_ON | wanted)
    assert api.get("/v1/merchants/me").json == reply.json
    again = patch(api, {"notifications": {"settlement_ready": True}}).json["notifications"]
    assert again == ALL_ON | {"email": "ops@example.org"}
    assert patch(api, {"notifications": {"email": None}}).json["notifications"] == ALL_ON
    assert patch(api, {}).json["notifications"] == ALL_ON
    own = api.get("/v1/merchants/me").json["email"]
    assert patch(api, {"notifications": {"email": own}}).json["notifications"] == ALL_ON


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"notifications": {"email": "nobody"}}, "notifications.email"),
        ({"notifications": {"email": "a@b\u0000"}}, "notifications.email"),
        ({"notifications": {"dispute_opened": "no"}}, "notifications.dispute_opened"),
        ({"notifications": {"surprise": True}}, "notifications.surprise"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_what_cannot_be_is_refused(api: Api, body: Any, param: str) -> None:
    reply = patch(api, body)
    assert (reply.status, reply.json["error"]["param"]) == (400, param)
    assert api.get("/v1/merchants/me").json["notifications"] == ALL_ON


@pytest.mark.parametrize("field", ["name", "email", "notification_email"])
@pytest.mark.parametrize("how", ["another key", "garbage"])
def test_what_cannot_be_read_is_null_and_keeps_nothing_else(
    field: str,
    how: str,
    api: Api,
    owner: psycopg.Connection[Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    patch(api, {"notifications": {"email": "ops@example.org"}})
    before = api.get("/v1/merchants/me").json
    damaged = "pgp_sym_encrypt('a@b.example', 'another-key')" if "key" in how else "'no PGP'::bytea"
    owner.execute(
        f"UPDATE merchants SET {field}_encrypted = {damaged} WHERE id = %s".encode(),
        [parse_typeid("mer", api.merchant.id)],
    )
    if field == "notification_email":
        lacking = before | {"notifications": ALL_ON}
    else:
        lacking = before | {field: None}
    reply = api.get("/v1/merchants/me")
    assert (reply.status, reply.json) == (200, lacking)
    assert patch(api, {}).json == lacking
    line, again = [vars(each) for each in caplog.records if each.levelname == "ERROR"]
    assert line["message"] == again["message"]
    assert (line["merchant"], line["field"]) == (api.merchant.id, field)
    assert "@" not in str(line)
