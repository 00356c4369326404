"""Until when a quote holds, and for what."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from paywright.errors import FxQuoteExpired, FxQuoteMismatch
from paywright.fx.quote import Quote
from paywright.fx.rates import Rate
from paywright.money import Currency

EUR, USD = Currency.of("eur"), Currency.of("usd")
MADE = datetime(2026, 11, 26, 12, tzinfo=UTC)
UNTIL = datetime(2026, 11, 26, 12, 15, tzinfo=UTC)
QUOTE = Quote(
    id=uuid.UUID(int=1),
    livemode=False,
    base=EUR,
    quote=USD,
    rate=Rate(Decimal("1.1172"), "ecb", MADE),
    spread_bps=50,
    created_at=MADE,
    expires_at=UNTIL,
)


def test_a_quote_holds_up_to_the_moment_at_which_it_expires() -> None:
    QUOTE.check(EUR, USD, UNTIL - timedelta(microseconds=1))
    with pytest.raises(FxQuoteExpired, match=r"expired at 2026-11-26T12:15:00.000Z"):
        QUOTE.check(EUR, USD, UNTIL)


def test_a_quote_is_for_one_direction() -> None:
    with pytest.raises(FxQuoteMismatch):
        QUOTE.check(USD, EUR, MADE)
