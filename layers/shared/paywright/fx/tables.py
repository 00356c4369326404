"""Tables of rates against one currency: read strictly, crossed into any pair. Pure.

The JSON form is what docs/fx.md asks of a provider, and what Valkey keeps.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any

from paywright.clock import rfc3339
from paywright.fx.pegs import PEGS
from paywright.fx.rates import Rate
from paywright.money import MAX_AMOUNT_MINOR, Currency

_EXACT = Context(prec=34)
_ROUNDED = Context(prec=12, rounding=ROUND_HALF_EVEN)
_DOLLAR = "usd"
_LEAST, _MOST = Decimal("1e-9"), Decimal("1e9")
_MOST_RATES = 1_000
_AHEAD = timedelta(days=1)  # a day that has begun east of Greenwich, and clocks that are not exact
_MOST_MINOR = (2**63 - 1) // MAX_AMOUNT_MINOR - 1
"""Minor units for one, beyond which the largest payment would not fit a bigint."""


class InvalidTable(ValueError):
    """What was given is no table of rates; the message says why and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class RateTable:
    """How many units of each currency one of `base` was worth, as `source` had it at `at`."""

    base: Currency
    units: Mapping[str, Decimal]
    source: str
    at: datetime

    def to_json(self) -> str:
        """The table in the form that `parse` reads."""
        rates = {code: str(units) for code, units in self.units.items()}
        return json.dumps({"base": self.base.code, "at": rfc3339(self.at), "rates": rates})

    def cross(self, base: Currency, quote: Currency, now: datetime) -> Rate | None:
        """The rate of a pair to 12 significant digits, or None where the table does not reach.

        A currency that is not listed goes by its peg to the dollar. Between pegs and the dollar
        nothing of the table is needed: such a rate is as of now.
        """
        if self._by_peg(base) and self._by_peg(quote):
            value = _EXACT.divide(_pegged(quote), _pegged(base))
            source, at = "peg", now
        else:
            one, other = self._units(base), self._units(quote)
            if one is None or other is None:
                return None
            pegged = not (self._lists(base) and self._lists(quote))
            value = _EXACT.divide(other, one)
            source, at = f"{self.source}+peg" if pegged else self.source, self.at
        if value.scaleb(quote.exponent - base.exponent) > _MOST_MINOR:
            return None
        return Rate(_ROUNDED.plus(value).normalize(_ROUNDED), source, at)

    def _lists(self, currency: Currency) -> bool:
        return currency == self.base or currency.code in self.units

    def _by_peg(self, currency: Currency) -> bool:
        return currency.code == _DOLLAR or (currency.code in PEGS and not self._lists(currency))

    def _units(self, currency: Currency) -> Decimal | None:
        if currency == self.base:
            return Decimal(1)
        if currency.code in self.units or currency.code not in PEGS:
            return self.units.get(currency.code)
        dollars = self._units(Currency.of(_DOLLAR))
        return None if dollars is None else _EXACT.multiply(dollars, _pegged(currency))


def parse(text: str | bytes, *, source: str, now: datetime) -> RateTable:
    """Read a table; raise InvalidTable. Codes that are no ISO 4217 tender are left out."""
    try:
        document = json.loads(text, parse_float=Decimal, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InvalidTable("it is not JSON") from error
    if not isinstance(document, dict):
        raise InvalidTable("it is no JSON object")
    base = _currency(document.get("base"))
    if base is None:
        raise InvalidTable("`base` is no ISO 4217 code")
    at = _moment(document)
    if at > now + _AHEAD:
        raise InvalidTable("its time is in the future")
    return RateTable(base, _rates(document.get("rates"), base), source, at)


def _rates(given: Any, base: Currency) -> dict[str, Decimal]:
    if not isinstance(given, dict) or not given:
        raise InvalidTable("`rates` is no object with rates")
    if len(given) > _MOST_RATES:
        raise InvalidTable(f"`rates` has more than {_MOST_RATES} entries")
    found: dict[str, Decimal] = {}
    for code, value in given.items():
        currency = _currency(code)
        if currency is None:
            continue
        if currency.code in found:
            raise InvalidTable(f"{currency.code} is listed twice")
        found[currency.code] = _positive(value, currency)
    if found.pop(base.code, Decimal(1)) != 1:
        raise InvalidTable("the rate of `base` to itself is not 1")
    return found


def _positive(value: Any, currency: Currency) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        raise InvalidTable(f"the rate of {currency.code} is no number")
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise InvalidTable(f"the rate of {currency.code} is no number") from error
    if not (number.is_finite() and _LEAST <= number <= _MOST):
        raise InvalidTable(f"the rate of {currency.code} is not between {_LEAST:f} and {_MOST:f}")
    return number


def _moment(document: dict[str, Any]) -> datetime:
    at, seconds, day = (document.get(name) for name in ("at", "timestamp", "date"))
    try:
        if isinstance(at, str):
            moment = datetime.fromisoformat(at)
            if moment.tzinfo is None:
                raise InvalidTable("`at` has no time zone")
            return moment.astimezone(UTC)
        if isinstance(seconds, int) and not isinstance(seconds, bool):
            return datetime.fromtimestamp(seconds, UTC)
        if isinstance(day, str):
            return datetime.combine(date.fromisoformat(day), time(), UTC)
    except (ValueError, OverflowError, OSError) as error:
        if isinstance(error, InvalidTable):
            raise
        raise InvalidTable("its time cannot be read") from error
    raise InvalidTable("it has neither `at` nor `timestamp` nor `date`")


def _currency(code: Any) -> Currency | None:
    try:
        return Currency.of(code) if isinstance(code, str) else None
    except ValueError:
        return None


def _pegged(currency: Currency) -> Decimal:
    """Units of a pegged currency, or of the dollar itself, for one dollar."""
    if currency.code == _DOLLAR:
        return Decimal(1)
    peg = PEGS[currency.code]
    return _EXACT.divide(peg.units, peg.dollars)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
