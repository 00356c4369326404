"""What the platform takes of a capture: a share and a fixed amount."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from paywright.money import Money


@dataclass(frozen=True, slots=True)
class FeePlan:
    """`basis_points` are hundredths of a percent; `fixed_amount` is in the minor unit.

    `currency` is the one it holds for, or `*` for every currency without a plan of its own.
    """

    method_type: str
    currency: str
    basis_points: int
    fixed_amount: int


PLATFORM_PLAN = FeePlan("card", "*", 290, 0)
"""What a merchant pays who has agreed on nothing else: 2.9 %."""


def fee_of(settled: Money, plans: Sequence[FeePlan], method_type: str) -> Money:
    """The fee on an amount in the merchant's currency, never more than the amount itself."""
    for wanted in (settled.currency.code, "*"):
        for plan in plans:
            if plan.method_type == method_type and plan.currency == wanted:
                return _apply(plan, settled)
    return _apply(PLATFORM_PLAN, settled)


def _apply(plan: FeePlan, settled: Money) -> Money:
    share = settled.share(plan.basis_points)
    return Money(min(share.amount + plan.fixed_amount, settled.amount), settled.currency)
