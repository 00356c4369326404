"""Webhook endpoints for tests: made and listed through the API, and what is kept of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg

from paywright.ids import parse_typeid
from paywright.money import Currency
from paywright.payments.models import Caller
from tests.api import Api, Reply
from tests.platform import PII_KEY

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


def fail(owner: Owner, endpoint_id: str) -> None:
    owner.execute(
        "UPDATE webhook_endpoints SET failing_since = now() - interval '5 days', enabled = false,"
        " disabled_reason = 'only failures', disabled_at = now() WHERE id = %s",
        [uuid_of(endpoint_id)],
    )


def is_failing(owner: Owner, endpoint_id: str) -> bool:
    row = owner.execute(
        "SELECT failing_since IS NOT NULL FROM webhook_endpoints WHERE id = %s",
        [uuid_of(endpoint_id)],
    ).fetchone()
    assert row is not None
    return bool(row[0])


def caller_of(owner: Owner, api: Api) -> Caller:
    merchant_id = uuid_of(api.merchant.id)
    key = owner.execute("SELECT id FROM api_keys WHERE merchant_id = %s", [merchant_id]).fetchone()
    assert key is not None
    return Caller(merchant_id, key[0], False, Currency.of("usd"), None, ())
