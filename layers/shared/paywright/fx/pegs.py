"""Currencies that their central bank keeps at a published, fixed rate to the US dollar.

Data, not a forecast: a peg that is given up is taken out here, and from then on the currency has
only the rates that a provider lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final


@dataclass(frozen=True, slots=True)
class Peg:
    """`units` of the currency are worth `dollars`, as `source` published it."""

    code: str
    units: Decimal
    dollars: Decimal
    source: str


_PEGS: Final = (
    # Both figures as they were published: a dollar has a price in all of them but the rial.
    ("aed", "3.6725", "1", "Central Bank of the UAE: 3.6725 dirhams a dollar since 1997"),
    ("sar", "3.75", "1", "Saudi Central Bank (SAMA): 3.75 riyals a dollar since June 1986"),
    ("qar", "3.64", "1", "Qatar Central Bank: 3.64 riyals a dollar, Amiri Decree 34 of 2001"),
    ("omr", "1", "2.6008", "Central Bank of Oman: 2.6008 dollars a rial since 1986"),
    ("bhd", "0.376", "1", "Central Bank of Bahrain: 0.376 dinars a dollar since 2001"),
    ("jod", "0.709", "1", "Central Bank of Jordan: 0.709 dinars a dollar since November 1995"),
)

PEGS: Final[Mapping[str, Peg]] = {
    code: Peg(code, Decimal(units), Decimal(dollars), source)
    for code, units, dollars, source in _PEGS
}
"""By currency code."""
