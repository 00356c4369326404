"""Quotes in the database: made from the rate of now, kept as they were made."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg

from paywright.clock import Clock
from paywright.db.connection import Database, Row
from paywright.db.created import Creations
from paywright.db.sql import load
from paywright.errors import InvalidField, MerchantNotActive
from paywright.fx.quote import Quote
from paywright.fx.rates import Rate
from paywright.ids import IdSource
from paywright.money import Currency
from paywright.payments.models import Answer, Caller, RequestContext
from paywright.payments.ports import RateSource

_SQL = load(__file__)


class Quotes:
    """The quotes of all merchants."""

    def __init__(self, database: Database, rates: RateSource, clock: Clock, ids: IdSource) -> None:
        self._database = database
        self._rates = rates
        self._clock = clock
        self._ids = ids

    def create(
        self,
        caller: Caller,
        base: Currency,
        quote: Currency | None,
        lock_s: int,
        context: RequestContext,
    ) -> Answer:
        """Lock the rate of now, by default into the merchant's settlement currency.

        Raise InvalidField for a currency into itself, or FxRateUnavailable.
        """
        into = quote or caller.settlement_currency
        if base == into:
            raise InvalidField(
                f"from_currency: {base.code} needs no conversion into {into.code}.",
                param="from_currency",
            )
        creations = Creations(self._database, self._clock, self._ids)
        if replayed := creations.replayed(caller, context):
            return replayed
        now = self._clock.now()
        made = Quote(
            id=self._ids.new(),
            livemode=caller.livemode,
            base=base,
            quote=into,
            rate=self._rates.rate(base, into),
            spread_bps=caller.fx_spread_bps,
            created_at=now,
            expires_at=now + timedelta(seconds=lock_s),
        )

        def insert(connection: psycopg.Connection[Row], values: dict[str, Any]) -> dict[str, Any]:
            if connection.execute(_SQL["insert_quote"], values).rowcount == 0:
                raise MerchantNotActive
            return made.as_json()

        return creations.write(caller, context, _parameters(made), insert)

    def find_quote(self, merchant_id: UUID, livemode: bool, quote_id: UUID) -> Quote | None:
        """A quote of that merchant and mode."""
        row = self._database.one(
            _SQL["find_quote"], {"merchant_id": merchant_id, "livemode": livemode, "id": quote_id}
        )
        if row is None:
            return None
        return Quote(
            id=row["id"],
            livemode=row["livemode"],
            base=Currency.of(row["from_currency"]),
            quote=Currency.of(row["to_currency"]),
            rate=Rate(row["rate"], row["rate_source"], row["rate_at"]),
            spread_bps=row["spread_bps"],
            created_at=row["created_at"],
            expires_at=row["expires_at"],
        )


def _parameters(made: Quote) -> dict[str, Any]:
    return {
        "id": made.id,
        "entity_type": "fx_quote",
        "from_currency": made.base.code,
        "to_currency": made.quote.code,
        "rate": made.rate.value,
        "rate_source": made.rate.source,
        "rate_at": made.rate.at,
        "spread_bps": made.spread_bps,
        "created_at": made.created_at,
        "expires_at": made.expires_at,
    }
