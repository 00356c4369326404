"""How many endpoints a merchant may have, and no more, whoever asks at the same moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg

from paywright.db import Database
from paywright.errors import WebhookEndpointLimitReached
from paywright.payments.models import RequestContext
from paywright.webhooks.endpoints import MAX_ENDPOINTS, Endpoints, NewEndpoint
from paywright.wiring import Platform
from tests.api import Api
from tests.integration.webhooks.endpoints import PATH, URL, Owner, caller_of, listed, made, refused
from tests.platform import PII_KEY, api, new_merchant, owner, platform, settings

__all__ = ["api", "new_merchant", "owner", "platform", "settings"]


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
    caller, context = caller_of(owner, api), RequestContext(None, b"", "trace", None, None)
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
