"""The simulated processors' own guard: what is left of an authorization, and what it allows."""

from __future__ import annotations

from dataclasses import dataclass

from paywright.money import Money


@dataclass(frozen=True, slots=True)
class Charge:
    """What became of an approved authorization; `scenario` is how its card or account behaves."""

    scenario: str
    currency: str
    held: int
    captured: int
    refunded: int


def why_not_captured(charge: Charge | None, amount: Money) -> str | None:
    """Why an amount cannot be captured; None when it can."""
    refused = why_not_voided(charge)
    if refused is not None or charge is None:
        return refused
    if charge.currency != amount.currency.code:
        return "currency_mismatch"
    return "amount_exceeds_hold" if amount.amount > charge.held else None


def why_not_voided(charge: Charge | None) -> str | None:
    """Why nothing can be let go of; None when something can."""
    if charge is None:
        return "charge_not_found"
    if charge.held == 0:
        return "already_captured" if charge.captured else "already_voided"
    return None


def why_not_refunded(charge: Charge | None, amount: Money) -> str | None:
    """Why an amount cannot be refunded; None when it can."""
    if charge is None:
        return "charge_not_found"
    if charge.captured == 0:
        return "not_captured"
    if charge.currency != amount.currency.code:
        return "currency_mismatch"
    return "amount_exceeds_captured" if amount.amount > charge.captured - charge.refunded else None
