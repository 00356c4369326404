"""However much waits for an endpoint, a look at what is due reads little of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from paywright.db import Database
from paywright.db.connection import Parameters, Row
from paywright.webhooks.due import AT_ONCE_EACH
from paywright.webhooks.store import PostgresDeliveryStore
from tests.integration.webhooks.conftest import PII_KEY, Merchant

_MANY = 3_000
_FEW = 100


class _Explaining(Database):
    """Says how many rows of what waits a query reads, instead of its answer."""

    def __init__(self, merchant: Merchant) -> None:
        self._merchant = merchant
        self.read = 0.0

    def all(self, sql: bytes, parameters: Parameters) -> list[Row]:
        explained = b"EXPLAIN (ANALYZE, FORMAT JSON) " + sql
        row = self._merchant.owner.execute(explained, parameters).fetchone()
        assert row is not None
        self.read = sum(_rows(node) for node in _nodes(row[0][0]["Plan"]))
        return []


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for each in plan.get("Plans", []):
        yield from _nodes(each)


def _rows(node: Mapping[str, Any]) -> float:
    if node.get("Relation Name") != "webhook_waiting" or node["Node Type"] == "ModifyTable":
        return 0
    names = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
    return float(sum(node.get(name, 0) for name in names) * node["Actual Loops"])


@pytest.mark.parametrize("case", ["well", "disabled", "asked for"])
def test_a_look_reads_no_more_than_it_takes(merchant: Merchant, case: str) -> None:
    endpoint = merchant.endpoint()["id"]
    merchant.owner.execute("DELETE FROM webhook_waiting")
    merchant.owner.execute(
        "INSERT INTO webhook_waiting (endpoint_id, delivery_id, merchant_id, due_at, asked_for)"
        " SELECT %s, gen_random_uuid(), %s, %s, %s FROM generate_series(1, %s)",
        [endpoint, merchant.id, merchant.clock.now(), case == "asked for", _MANY],
    )
    merchant.owner.execute(  # the last of all is owed a dead letter
        "INSERT INTO webhook_waiting (endpoint_id, delivery_id, merchant_id, due_at, dead_letter)"
        " VALUES (%s, gen_random_uuid(), %s, %s, true)",
        [endpoint, merchant.id, merchant.clock.now()],
    )
    merchant.owner.execute("ANALYZE webhook_waiting")
    merchant.set_endpoint(enabled=case != "disabled")
    database = _Explaining(merchant)
    store = PostgresDeliveryStore(database, merchant.store._ids, merchant.clock, PII_KEY)
    store.take(
        limit=64,
        for_the_ill=32,
        for_the_new=16,
        at_once=AT_ONCE_EACH,
        under_way=[],
        lease_s=60,
    )
    assert 0 < database.read < _FEW
    taken = [each for each in merchant.waiting() if each["due_at"] > merchant.clock.now()]
    assert len(taken) == (1 if case == "disabled" else AT_ONCE_EACH)
