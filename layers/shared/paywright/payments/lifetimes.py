"""How long a hold lasts before the card's issuer lets it go.

Figures: Stripe's documentation, "Place a hold on a payment method", validity windows for payments
made online; a payment without the customer present (`off_session`) is held for less by Visa.
"""

from __future__ import annotations

from datetime import timedelta

DEFAULT = timedelta(days=7)
BY_BRAND: dict[tuple[str, bool], timedelta] = {
    ("visa", True): timedelta(days=5),
}
"""By the card's brand and whether the customer was absent."""


def authorization_lifetime(brand: str | None, *, off_session: bool) -> timedelta:
    """The time until a hold on a card of this brand expires."""
    return BY_BRAND.get((brand or "", off_session), DEFAULT)
