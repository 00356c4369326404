"""Exchange rates as data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from paywright.ledger.postings import Conversion
from paywright.money import Currency, Money


@dataclass(frozen=True, slots=True)
class Rate:
    """`value` units of the quote currency for one of the base, as `source` had it at `at`."""

    value: Decimal
    source: str
    at: datetime


def convert(captured: Money, into: Currency, rate: Rate) -> Conversion:
    """What a capture is worth at a rate, without a spread."""
    settled = captured.convert(rate.value, into)
    return Conversion(rate=rate.value, settled=settled, spread=Money(0, into))
