"""Puts the platform together for one execution environment: the only place that builds edges."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from paywright.cache import Cache
from paywright.clock import Clock, business_clock
from paywright.db import Database
from paywright.db.opening import open_database
from paywright.db.payments import PostgresPayments
from paywright.fraud.scorer import CacheScorer
from paywright.fx.reference import ReferenceRates
from paywright.http.admission import Gate
from paywright.ids import IdSource, UuidSource
from paywright.payments.services import Services
from paywright.processors.base import Processor
from paywright.processors.breaker import CircuitBreaker
from paywright.processors.registry import Guarded, Processors
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
    gate: Gate
    pii_key: str


@cache
def platform() -> Platform:
    """The platform of this execution environment; raise ValueError for unsafe settings."""
    return assemble(Settings())


def assemble(settings: Settings, *, cache_prefix: str = "") -> Platform:
    """Build the platform from settings."""
    clock = business_clock(settings.clock_file)
    ids = UuidSource(clock)
    database = open_database(settings)
    valkey_url = settings.valkey_url.get_secret_value()
    valkey = Cache(valkey_url, timeout_ms=settings.valkey_timeout_ms, prefix=cache_prefix)
    scoring = Cache(valkey_url, timeout_ms=settings.fraud_budget_ms, prefix=cache_prefix)
    pii_key = resolve(settings.pii_key, settings.pii_key_secret_arn)
    processor = Simulator(
        database, clock, timeout_s=settings.processor_timeout_s, fingerprint_key=pii_key.encode()
    )
    cards = Guarded(processor, CircuitBreaker())
    services = Services(
        store=PostgresPayments(database, clock),
        processors=Processors((cards,), {"card": processor.name}),
        fraud=CacheScorer(scoring),
        rates=ReferenceRates(),
        clock=clock,
        ids=ids,
        recovery_delay=_LONGEST_REQUEST
        + timedelta(seconds=settings.processor_timeout_s + settings.recovery_margin_s),
    )
    return Platform(
        settings=settings,
        database=database,
        cache=valkey,
        clock=clock,
        ids=ids,
        processor=processor,
        payments=services,
        gate=Gate(database, valkey, clock, default_limit=settings.rate_limit_per_min),
        pii_key=pii_key,
    )
