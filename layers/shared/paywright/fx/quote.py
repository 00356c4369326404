"""A quote: a rate that a merchant may count on until a moment. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from paywright.clock import rfc3339
from paywright.errors import FxQuoteExpired, FxQuoteMismatch
from paywright.fx.rates import Rate
from paywright.ids import typeid
from paywright.money import Currency

MAX_LOCK_S = 3_600
DEFAULT_LOCK_S = 900


@dataclass(frozen=True, slots=True)
class Quote:
    """A rate that is locked for a while, with the spread that goes with it."""

    id: UUID
    livemode: bool
    base: Currency
    quote: Currency
    rate: Rate
    spread_bps: int
    created_at: datetime
    expires_at: datetime

    def check(self, base: Currency, quote: Currency, now: datetime) -> None:
        """Raise FxQuoteMismatch for another pair, FxQuoteExpired from `expires_at` on."""
        quote_id = typeid("fxq", self.id)
        if (base, quote) != (self.base, self.quote):
            raise FxQuoteMismatch(
                f"{quote_id} is from {self.base.code} to {self.quote.code}; this payment is from "
                f"{base.code} to {quote.code}.",
                param="fx_quote_id",
            )
        if now >= self.expires_at:
            raise FxQuoteExpired(
                f"{quote_id} expired at {rfc3339(self.expires_at)}; ask for a new one.",
                param="fx_quote_id",
            )

    def as_json(self) -> dict[str, Any]:
        """The quote object of the API."""
        return {
            "id": typeid("fxq", self.id),
            "object": "fx_quote",
            "from_currency": self.base.code,
            "to_currency": self.quote.code,
            "rate": f"{self.rate.value:f}",
            "rate_source": self.rate.source,
            "rate_at": rfc3339(self.rate.at),
            "spread_bps": self.spread_bps,
            "expires_at": rfc3339(self.expires_at),
            "created_at": rfc3339(self.created_at),
            "livemode": self.livemode,
        }
