"""Currencies and amounts: whole minor units, never floats.

The table is ISO 4217 (active codes with a defined minor unit, February 2026). Codes are lower-case
throughout, as the API returns them.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

_CODES_BY_EXPONENT = {
    0: "bif clp djf gnf isk jpy kmf krw pyg rwf ugx uyi vnd vuv xaf xof xpf",
    2: (
        "aed afn all amd aoa ars aud awg azn bam bbd bdt bmd bnd bob bov brl bsd btn bwp byn "
        "bzd cad cdf che chf chw cny cop cou crc cup cve czk dkk dop dzd egp ern etb eur fjd "
        "fkp gbp gel ghs gip gmd gtq gyd hkd hnl htg huf idr ils inr irr jmd kes kgs khr kpw "
        "kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mru mur mvr mwk mxn mxv myr "
        "mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd rub sar sbd scr sdg "
        "sek sgd shp sle sos srd ssp stn svc syp szl thb tjs tmt top try ttd twd tzs uah usd "
        "usn uyu uzs ved ves wst xad xcd xcg yer zar zmw zwg"
    ),
    3: "bhd iqd jod kwd lyd omr tnd",
    4: "clf uyw",
}
_EXPONENTS = {
    code: exponent for exponent, codes in _CODES_BY_EXPONENT.items() for code in codes.split()
}

MAX_AMOUNT_MINOR = 99_999_999_999
"""The largest amount of one payment: what card networks carry in 12 digits is not exceeded."""


@dataclass(frozen=True, slots=True)
class Currency:
    """An ISO 4217 currency; `exponent` is how many decimals its minor unit has."""

    code: str
    exponent: int

    @classmethod
    def of(cls, code: str) -> Currency:
        """The currency of a code in any case; raise ValueError when there is none."""
        folded = code.lower()
        exponent = _EXPONENTS.get(folded)
        if exponent is None:
            raise ValueError(f"{code!r} is not an ISO 4217 currency that can be charged")
        return cls(folded, exponent)


def all_currencies() -> tuple[Currency, ...]:
    """Every currency that can be charged, by code."""
    return tuple(Currency(code, _EXPONENTS[code]) for code in sorted(_EXPONENTS))


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in the minor unit of a currency: 1099 usd is $10.99, 1099 jpy is ¥1099."""

    amount: int
    currency: Currency

    def __add__(self, other: Money) -> Money:
        """Add an amount of the same currency; raise ValueError for another one."""
        self._same(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: Money) -> Money:
        """Subtract an amount of the same currency; raise ValueError for another one."""
        self._same(other)
        return Money(self.amount - other.amount, self.currency)

    def __str__(self) -> str:
        """The amount in major units with its code, `10.99 usd`."""
        return f"{major_units(self.amount, self.currency)} {self.currency.code}"

    def share(self, basis_points: int) -> Money:
        """The part of this that `basis_points` (hundredths of a percent) make, half-even."""
        exact = Decimal(self.amount) * basis_points / 10_000
        return Money(int(exact.to_integral_value(ROUND_HALF_EVEN)), self.currency)

    def split(self, parts: int) -> tuple[Money, ...]:
        """Equal parts that sum to the whole: the remainder goes to the first ones."""
        if parts < 1:
            raise ValueError("parts must be at least 1")
        each, rest = divmod(self.amount, parts)
        return tuple(Money(each + (index < rest), self.currency) for index in range(parts))

    def convert(self, rate: Decimal, into: Currency) -> Money:
        """The value in another currency at `rate` (units of `into` per unit), half-even, once."""
        if not rate.is_finite() or rate <= 0:
            raise ValueError("a rate must be positive")
        exact = (Decimal(self.amount) * rate).scaleb(into.exponent - self.currency.exponent)
        return Money(int(exact.to_integral_value(ROUND_HALF_EVEN)), into)

    def _same(self, other: Money) -> None:
        if other.currency != self.currency:
            raise ValueError(f"{other.currency.code} does not add up with {self.currency.code}")


def major_units(amount: int, currency: Currency) -> str:
    """An amount as people write it, with the currency's decimals: 5 usd cents are `0.05`."""
    return f"{Decimal(amount).scaleb(-currency.exponent):f}"
