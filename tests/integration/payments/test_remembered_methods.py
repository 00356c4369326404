"""A payment method is charged from what Valkey remembers of it, and else from PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

from paywright.ids import parse_typeid
from paywright.merchants.create import NewMerchant
from paywright.payments.models import to_json
from paywright.wiring import Platform
from tests.api import Api


def _key(platform: Platform, api: Api, method: str) -> str:
    merchant_id, method_id = parse_typeid("mer", api.merchant.id), parse_typeid("pm", method)
    assert merchant_id is not None
    assert method_id is not None
    return platform.cache.merchant_key(merchant_id, "method", "test", method_id.hex)


def _delete(owner: psycopg.Connection[Any], method: str) -> None:
    """What the platform never does: it shows who was asked."""
    owner.execute("DELETE FROM payment_methods WHERE id = %s", [parse_typeid("pm", method)])


def test_a_method_that_was_added_is_charged_without_asking_the_database(
    api: Api, owner: psycopg.Connection[Any]
) -> None:
    method = api.card("4000000000009995")
    _delete(owner, method)
    reply = api.pay(method)
    assert reply.json["error"]["decline_code"] == "insufficient_funds"


def test_a_method_that_was_forgotten_is_found_in_the_database_and_remembered(
    api: Api, owner: psycopg.Connection[Any], platform: Platform
) -> None:
    method = api.card()
    platform.cache.send(("DEL", _key(platform, api, method)))
    assert api.pay(method).status == 201
    _delete(owner, method)
    assert api.pay(method).status == 201
    platform.cache.send(("DEL", _key(platform, api, method)))
    assert api.pay(method).json["error"]["param"] == "payment_method_id"


def test_what_another_version_remembered_counts_for_nothing(api: Api, platform: Platform) -> None:
    method = api.card()
    key = _key(platform, api, method)
    platform.cache.set(key, to_json({"id": "0", "token": "of another shape"}), ttl_ms=60_000)
    assert api.pay(method).status == 201


def test_a_remembered_method_is_its_merchants_alone(
    api: Api, new_merchant: Callable[..., NewMerchant]
) -> None:
    method = api.card()
    assert api.pay(method).status == 201
    reply = Api(new_merchant()).pay(method)
    assert reply.json["error"]["param"] == "payment_method_id"
