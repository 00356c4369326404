"""What the platform takes of a capture: a share and a fixed amount."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from paywright.money import Currency, Money


@dataclass(frozen=True, slots=True)
class FeePlan:
    """`basis_points` are hundredths of a percent; `fixed_amount` is in the minor unit.

    `currency` is the one it holds for, or `*` for every currency without a plan of its own. With
    `returned_on_refund` a refund gives back its part of the share; the fixed amount stays.
    """

    method_type: str
    currency: str
    basis_points: int
    fixed_amount: int
    returned_on_refund: bool = False


PLATFORM_PLAN = FeePlan("card", "*", 290, 0)
"""What a merchant pays who has agreed on nothing else: 2.9 %."""


def fee_of(
    settled: Money, plans: Sequence[FeePlan], method_type: str, *, at_most: Money | None = None
) -> Money:
    """The fee on an amount in the merchant's currency, never more than `at_most` or the amount."""
    plan = _plan(settled, plans, method_type)
    share = settled.share(plan.basis_points)
    most = settled if at_most is None else at_most
    return Money(min(share.amount + plan.fixed_amount, most.amount), settled.currency)


def fee_returned(refunded: Money, plans: Sequence[FeePlan], method_type: str) -> Money:
    """What of the fee goes back for all that was refunded of a payment so far."""
    plan = _plan(refunded, plans, method_type)
    if not plan.returned_on_refund:
        return Money(0, refunded.currency)
    return refunded.share(plan.basis_points)


def fixed_fee(currency: Currency, plans: Sequence[FeePlan], method_type: str) -> Money:
    """The fixed amount of a plan, nothing where there is none: what an incident costs."""
    plan = _agreed(currency, plans, method_type)
    return Money(0 if plan is None else plan.fixed_amount, currency)


def _plan(settled: Money, plans: Sequence[FeePlan], method_type: str) -> FeePlan:
    return _agreed(settled.currency, plans, method_type) or PLATFORM_PLAN


def _agreed(currency: Currency, plans: Sequence[FeePlan], method_type: str) -> FeePlan | None:
    for wanted in (currency.code, "*"):
        for plan in plans:
            if plan.method_type == method_type and plan.currency == wanted:
                return plan
    return None
