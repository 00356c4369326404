"""What every payment operation is given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from paywright.clock import Clock
from paywright.errors import AmountOutOfRange, ProcessorUnavailable
from paywright.fees import CostPlan
from paywright.fx.rates import Rate
from paywright.ids import IdSource
from paywright.money import Money
from paywright.payments.models import Payment
from paywright.payments.ports import (
    FraudScorer,
    MethodSource,
    PaymentStore,
    QuoteStore,
    RateSource,
    Trouble,
)
from paywright.processors.base import Unavailable
from paywright.processors.registry import Guarded, Processors


@dataclass(frozen=True, slots=True)
class Services:
    """What every payment operation is given."""

    store: PaymentStore
    methods: MethodSource
    processors: Processors
    fraud: FraudScorer
    rates: RateSource
    quotes: QuoteStore
    cost_plans: tuple[CostPlan, ...]
    clock: Clock
    ids: IdSource
    recovery_delay: timedelta  # until an undecided operation is looked up
    trouble: Trouble


def rate_for(services: Services, payment: Payment) -> Rate | None:
    """The rate into the merchant's currency; None where no conversion is needed.

    It is that of the payment's quote, which may have expired since, or else the rate of now; raise
    FxRateUnavailable.
    """
    if payment.currency == payment.settlement_currency:
        return None
    if payment.fx_quote_id is None:
        return services.rates.rate(payment.currency, payment.settlement_currency)
    assert payment.fx_rate is not None, "a quote's rate is stored with the payment that takes it"
    assert payment.fx_rate_source is not None
    assert payment.fx_rate_at is not None
    return Rate(payment.fx_rate, payment.fx_rate_source, payment.fx_rate_at)


def rate_to_capture(services: Services, payment: Payment, amount: Money) -> Rate | None:
    """The rate to capture an amount at; raise AmountOutOfRange where that is worth nothing."""
    rate = rate_for(services, payment)
    if rate is not None:
        refuse_worthless(payment, amount, rate)
    return rate


def refuse_worthless(payment: Payment, amount: Money, rate: Rate) -> None:
    """Raise AmountOutOfRange for what is rounded to nothing: the merchant would be given that."""
    if amount.convert(rate.value, payment.settlement_currency).amount == 0:
        raise AmountOutOfRange(
            f"{amount} is rounded to {Money(0, payment.settlement_currency)} at the rate of "
            f"{rate.value:f}: the merchant would be given nothing. Charge more.",
            param="amount",
        )


def available(processor: Guarded) -> Guarded:
    """The processor, refused early, before anything is written, while its breaker is open."""
    try:
        processor.check()
    except Unavailable as error:
        raise ProcessorUnavailable from error
    return processor
