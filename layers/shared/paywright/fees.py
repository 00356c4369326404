"""What the platform takes of a capture, and what its processor does: a share, a fixed amount."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

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


PLATFORM_PLANS = (FeePlan("card", "*", 290, 0), FeePlan("bank_account", "*", 100, 0))
"""What a merchant pays who has agreed on nothing else: 2.9 % of cards, 1 % of bank accounts."""


@dataclass(frozen=True, slots=True)
class CostPlan:
    """What a processor keeps of a capture, as a FeePlan; `at_most` is in the minor unit.

    `currency` is the capture's, or `*` for every currency without a plan of its own.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}  # settings bring them

    processor: str
    method_type: str
    currency: str = "*"
    basis_points: int = 0
    fixed_amount: int = 0
    at_most: int | None = None


SIMULATED_COSTS = (
    CostPlan("simulator", "card", basis_points=180),
    CostPlan("bank_transfer", "bank_account", "usd", basis_points=80, at_most=500),
    CostPlan("bank_transfer", "bank_account", "eur", basis_points=80, at_most=500),
)
"""What the simulated processors keep."""

PlanT = TypeVar("PlanT", FeePlan, CostPlan)


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


def cost_of(captured: Money, plans: Sequence[CostPlan], processor: str, method_type: str) -> Money:
    """What the processor keeps of a capture, never more than it; nothing where no plan says."""
    of_processor = [plan for plan in plans if plan.processor == processor]
    plan = _agreed(captured.currency, of_processor, method_type)
    if plan is None:
        return Money(0, captured.currency)
    cost = captured.share(plan.basis_points).amount + plan.fixed_amount
    most = captured.amount if plan.at_most is None else min(plan.at_most, captured.amount)
    return Money(min(cost, most), captured.currency)


def _plan(settled: Money, plans: Sequence[FeePlan], method_type: str) -> FeePlan:
    plan = _agreed(settled.currency, plans, method_type)
    plan = plan or _agreed(settled.currency, PLATFORM_PLANS, method_type)
    assert plan is not None, "there is one for whatever can be paid with"
    return plan


def _agreed(currency: Currency, plans: Sequence[PlanT], method_type: str) -> PlanT | None:
    for wanted in (currency.code, "*"):
        for plan in plans:
            if plan.method_type == method_type and plan.currency == wanted:
                return plan
    return None
