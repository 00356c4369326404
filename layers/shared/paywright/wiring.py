"""Puts the platform together for one execution environment: the only place that builds edges."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from paywright.cache import Cache
from paywright.clock import Clock, business_clock
from paywright.customers.remembered import RememberedMethods
from paywright.db import Database
from paywright.db.opening import open_database
from paywright.db.payments import PostgresPayments
from paywright.fees import CostPlan
from paywright.fraud.scorer import CacheScorer
from paywright.fx.current import CurrentRates
from paywright.fx.quotes import Quotes
from paywright.fx.reference import ReferenceRates
from paywright.http.admission import Gate
from paywright.ids import IdSource, UuidSource
from paywright.observability import tell_trouble
from paywright.payments.services import Services
from paywright.processors.bank_transfer import BankTransfers
from paywright.processors.base import Processor
from paywright.processors.breaker import CircuitBreaker
from paywright.processors.conduct import Conduct
from paywright.processors.registry import Guarded, Processors
from paywright.processors.shared_breaker import SharedState
from paywright.processors.simulator import Simulator
from paywright.secrets import resolve
from paywright.settings import Settings

_LONGEST_REQUEST = timedelta(seconds=30)  # the gateway's limit, and so every function's


@dataclass(frozen=True, slots=True)
class Platform:
    """Everything that a function may need, connected lazily."""

    settings: Settings
    database: Database
    cache: Cache
    clock: Clock
    ids: IdSource
    processor: Processor
    payments: Services
    methods: RememberedMethods
    quotes: Quotes
    gate: Gate
    pii_key: str


@cache
def platform() -> Platform:
    """The platform of this execution environment; raise ValueError for unsafe settings."""
    assembled = assemble(Settings())
    # What is there now stays: a collection that looks through all of it takes some 80 ms, in the
    # middle of somebody's request.
    gc.freeze()
    return assembled


def assemble(settings: Settings, *, cache_prefix: str = "") -> Platform:
    """Build the platform from settings."""
    clock = business_clock(settings.clock_file)
    ids = UuidSource(clock)
    database = open_database(settings)
    valkey_url = settings.valkey_url.get_secret_value()
    valkey = Cache(valkey_url, timeout_ms=settings.valkey_timeout_ms, prefix=cache_prefix)
    scoring = Cache(valkey_url, timeout_ms=settings.fraud_budget_ms, prefix=cache_prefix)
    pii_key = resolve(settings.pii_key, settings.pii_key_secret_arn)
    processors = _processors(settings, database, valkey, clock, pii_key)
    _check_processors(settings.processor_costs, processors)
    rates = _rates(settings, valkey, clock)
    quotes = Quotes(database, rates, clock, ids)
    store = PostgresPayments(database, clock)
    methods = RememberedMethods(valkey, store)
    services = Services(
        store=store,
        methods=methods,
        processors=processors,
        fraud=CacheScorer(scoring),
        rates=rates,
        quotes=quotes,
        cost_plans=settings.processor_costs,
        clock=clock,
        ids=ids,
        recovery_delay=_LONGEST_REQUEST
        + timedelta(seconds=settings.processor_timeout_s + settings.recovery_margin_s),
        trouble=tell_trouble,
    )
    return Platform(
        settings=settings,
        database=database,
        cache=valkey,
        clock=clock,
        ids=ids,
        processor=processors.for_method("card").processor,
        payments=services,
        methods=methods,
        quotes=quotes,
        gate=Gate(
            database,
            valkey,
            clock,
            ids,
            default_limit=settings.rate_limit_per_min,
            pii_key=pii_key,
        ),
        pii_key=pii_key,
    )


def _processors(
    settings: Settings, database: Database, cache: Cache, clock: Clock, fingerprint_key: str
) -> Processors:
    conduct = Conduct(
        timeout_s=settings.processor_timeout_s,
        latency_s=settings.simulator_latency_ms / 1000,
        failure_rate=settings.simulator_failure_rate,
        notice_after=timedelta(seconds=settings.simulator_notice_after_s),
    )
    cards = Simulator(database, clock, conduct=conduct, fingerprint_key=fingerprint_key.encode())
    banks = BankTransfers(
        database,
        clock,
        conduct=conduct,
        business_days={"ach": settings.ach_business_days, "sepa": settings.sepa_business_days},
        fingerprint_key=fingerprint_key.encode(),
    )
    return Processors(
        tuple(
            Guarded(processor, CircuitBreaker(SharedState(cache, processor.name)))
            for processor in (cards, banks)
        ),
        {"card": cards.name, "bank_account": banks.name},
    )


def _check_processors(plans: tuple[CostPlan, ...], processors: Processors) -> None:
    known = sorted(each.name for each in processors)
    for plan in plans:
        if plan.processor not in known:
            raise ValueError(
                f"PROCESSOR_COSTS: {plan.processor} is no processor; there are {', '.join(known)}"
            )


def _rates(settings: Settings, cache: Cache, clock: Clock) -> CurrentRates:
    max_age = timedelta(hours=settings.fx_rate_max_age_h)
    if settings.fx_rates_url is None:
        return CurrentRates(ReferenceRates(), cache, clock, max_age=max_age)
    # Its HTTP client costs a cold start some milliseconds: only where it is used.
    from paywright.fx.live import LiveRates  # noqa: PLC0415

    url, timeout_s = settings.fx_rates_url.get_secret_value(), settings.fx_rates_timeout_s

    def new_breaker(name: str) -> CircuitBreaker:
        return CircuitBreaker(SharedState(cache, f"fx:{name}"))

    live = LiveRates(url, clock, timeout_s=timeout_s, new_breaker=new_breaker)
    return CurrentRates(live, cache, clock, max_age=max_age)
