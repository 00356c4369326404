"""Sends what is refused, and looks at what that leaves in the database."""

from __future__ import annotations

from typing import Any

import psycopg

from paywright.ids import parse_typeid
from tests.api import Api, Reply

_TABLES = (
    "transactions",
    "payment_operations",
    "pending_operations",
    "refunds",
    "journals",
    "ledger_entries",
    "outbox",
    "idempotency_keys",
    "authorization_expiries",
    "ledger_unsequenced",
)


def contents(owner: psycopg.Connection[Any]) -> dict[str, Any]:
    """Everything that a payment's operations write."""
    found = {}
    for table in _TABLES:
        sql = f"SELECT count(*), md5(string_agg(t::text, '' ORDER BY t::text)) FROM {table} t"
        found[table] = owner.execute(sql.encode()).fetchone()
    return found


def refused(
    api: Api,
    owner: psycopg.Connection[Any],
    path: str,
    body: dict[str, Any],
    expected: tuple[int, str],
    about: str,
) -> Reply:
    """Send it: it is answered with that status and code, and leaves one audit row about that id."""
    before, rows = contents(owner), refusals(owner, about)
    reply: Reply = api.post(path, body, key="refused")
    assert (reply.status, reply.json["error"]["code"]) == expected
    assert contents(owner) == before, "nothing else is written"
    after = refusals(owner, about)
    assert len(after) == len(rows) + 1
    assert after[-1]["code"] == expected[1]
    assert after[-1]["request"] == f"POST {path}"
    assert after[-1].get("param") == reply.json["error"].get("param")
    return reply


def refusals(owner: psycopg.Connection[Any], about: str) -> list[dict[str, str]]:
    """What the audit log says of refused requests about an id, the latest last."""
    uuid = parse_typeid(about.partition("_")[0], about)
    rows = owner.execute(
        "SELECT changes FROM audit_log WHERE entity_id = %s AND action = 'request_refused'"
        " ORDER BY id",
        [uuid],
    ).fetchall()
    return [changes for (changes,) in rows]
