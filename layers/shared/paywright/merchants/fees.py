"""What has been agreed with a merchant: its fee plans, by method and currency."""

from __future__ import annotations

from dataclasses import asdict
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

from paywright.cache import Cache
from paywright.clock import Clock
from paywright.db.sql import load
from paywright.errors import InvalidField, NotFound, UnknownCurrency
from paywright.fees import FeePlan
from paywright.ids import IdSource
from paywright.money import MAX_AMOUNT_MINOR, Currency

METHOD_TYPES = ("card", "bank_account", "bank_return")
"""What a plan can be for; of `bank_return`, a transfer that came back, the fixed amount counts."""

_SQL = load(__file__)


def fee_plans(connection: psycopg.Connection[TupleRow], merchant_id: UUID) -> list[FeePlan]:
    """A merchant's plans by method and currency; raise NotFound for an unknown merchant."""
    _require(connection, merchant_id)
    rows = connection.execute(_SQL["plans"], {"merchant_id": merchant_id})
    return [FeePlan(*row) for row in rows]


def set_fee_plan(
    connection: psycopg.Connection[TupleRow],
    merchant_id: UUID,
    plan: FeePlan,
    *,
    clock: Clock,
    ids: IdSource,
    actor: str,
) -> None:
    """Agree on a plan, in the place of one for the same method and currency; `actor` is noted.

    It holds for captures from then on. Raise InvalidField, UnknownCurrency or NotFound.
    """
    _check(plan)
    _require(connection, merchant_id)
    audit = {"merchant_id": merchant_id, "audit_id": ids.new(), "now": clock.now(), "actor": actor}
    connection.execute(_SQL["set"], asdict(plan) | audit)


def forget_callers(
    connection: psycopg.Connection[TupleRow], merchant_id: UUID, cache: Cache
) -> None:
    """Let the merchant's next request read its plans anew; raise `cache.Away`."""
    hashes = connection.execute(_SQL["key_hashes"], {"merchant_id": merchant_id}).fetchall()
    keys = [cache.key("caller", bytes(row[0]).hex()) for row in hashes]
    if keys:
        cache.send(("DEL", *keys))


def _require(connection: psycopg.Connection[TupleRow], merchant_id: UUID) -> None:
    row = connection.execute(_SQL["known"], {"merchant_id": merchant_id}).fetchone()
    if row is None or not row[0]:
        raise NotFound("There is no such merchant.")


def _check(plan: FeePlan) -> None:
    if plan.method_type not in METHOD_TYPES:
        raise InvalidField(f"method: one of {', '.join(METHOD_TYPES)}.", param="method")
    if not 0 <= plan.basis_points <= 10_000:
        raise InvalidField("percent: 0 to 100.", param="percent")
    if not 0 <= plan.fixed_amount <= MAX_AMOUNT_MINOR:
        raise InvalidField(f"fixed: 0 to {MAX_AMOUNT_MINOR}.", param="fixed")
    if plan.currency == "*":
        if plan.fixed_amount:
            # 30 would be $0.30 and ¥30 and 0.030 dinars at once.
            raise InvalidField("fixed: needs a currency; * has a percentage only.", param="fixed")
        return
    try:
        is_lower = Currency.of(plan.currency).code == plan.currency
    except ValueError as error:
        raise UnknownCurrency(param="currency") from error
    assert is_lower, "a plan's currency is a code as the platform writes it"
