"""The rules that score a payment, pure: facts in, a score and its reasons out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

DECLINE_ABOVE = 80
UNAVAILABLE_SCORE = 50


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a payment when it is scored."""

    amount_major: int
    card_payments_last_hour: int
    card_risk: str


@dataclass(frozen=True, slots=True)
class Assessment:
    """A score of 0 (harmless) to 100, and the names of the rules that raised it."""

    score: int
    flags: tuple[str, ...]

    @property
    def declines(self) -> bool:
        """Whether the payment is refused without asking the processor."""
        return self.score > DECLINE_ABOVE


UNAVAILABLE = Assessment(UNAVAILABLE_SCORE, ("scoring_unavailable",))
"""What a payment gets when it cannot be scored in time: accepted, and looked at later."""


_FOR_REVIEW = frozenset(
    {
        *UNAVAILABLE.flags,
        "card_elevated_risk",
        "amount_very_large",
    }
)


def needs_review(flags: Iterable[str]) -> bool:
    """Whether somebody should look at a payment that was accepted with these flags.

    Those that are left out are common and harmless by themselves, never accepted or, as a card's
    velocity, would say the same of payment after payment.
    """
    return not _FOR_REVIEW.isdisjoint(flags)


def assess(facts: Facts) -> Assessment:
    """Add up the rules that apply."""
    applying = [
        (flag, points)
        for flag, points, applies in (
            ("card_highest_risk", 95, facts.card_risk == "highest"),
            ("card_elevated_risk", 40, facts.card_risk == "elevated"),
            ("card_velocity_high", 60, facts.card_payments_last_hour > 100),
            ("card_velocity", 20, 20 < facts.card_payments_last_hour <= 100),
            ("amount_very_large", 30, facts.amount_major >= 100_000),
            ("amount_large", 10, 5_000 <= facts.amount_major < 100_000),
        )
        if applies
    ]
    score = min(100, 5 + sum(points for _, points in applying))
    return Assessment(score, tuple(flag for flag, _ in applying))
