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


@dataclass(frozen=True, slots=True)
class Fee:
    """What is taken of a capture: `share` is the part of `total` that a refund may give back."""

    total: Money
    share: Money


def fee_of(
    settled: Money, plans: Sequence[FeePlan], method_type: str, *, at_most: Money | None = None
) -> Fee:
    """The fee on an amount in the merchant's currency, never more than `at_most` or the amount."""
    plan = _plan(settled, plans, method_type)
    most = (settled if at_most is None else at_most).amount
    share = min(settled.share(plan.basis_points).amount, most)
    total = min(share + plan.fixed_amount, most)
    return Fee(Money(total, settled.currency), Money(share, settled.currency))


def gives_back(settled: Money, plans: Sequence[FeePlan], method_type: str) -> bool:
    """Whether a refund gives back its part of the share that was taken."""
    return _plan(settled, plans, method_type).returned_on_refund


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
