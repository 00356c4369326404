"""Fixtures: a platform on this worker's servers, and merchants to call it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from paywright import wiring
from paywright.cache import Away
from paywright.clock import SystemClock
from paywright.ids import UuidSource
from paywright.merchants.create import NewMerchant, create_merchant
from paywright.settings import Settings
from paywright.wiring import Platform
from tests.api import Api, event_loop

PII_KEY = "a-key-of-tests"


@pytest.fixture
def settings(app_database_url: str, valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    values = {
        "ENVIRONMENT": "local",
        "DATABASE_URL": app_database_url,
        "VALKEY_URL": valkey_url,
        "PII_KEY": PII_KEY,
        "PROCESSOR_TIMEOUT_S": "0.2",
        "VALKEY_TIMEOUT_MS": "5000",  # a busy machine must not make it seem away
        "WEBHOOK_ALLOW_LOOPBACK": "true",
        "RATE_LIMIT_PER_MIN": "100000",
        "FX_RATE_MAX_AGE_H": "87600",  # the bundled rates are as old as their package
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return Settings()


@pytest.fixture
def platform(settings: Settings) -> Iterator[Platform]:
    wiring.platform.cache_clear()
    built = wiring.platform()
    # Failures that tests before this one provoked would count.
    breakers = [built.cache.key("breaker", each.name) for each in built.payments.processors]
    with suppress(Away):  # some tests do without Valkey
        built.cache.send(("DEL", *breakers))
    with event_loop():
        yield built
    built.database.close()
    built.cache.close()
    wiring.platform.cache_clear()


@pytest.fixture
def owner(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def new_merchant(owner: psycopg.Connection[Any]) -> Any:
    def make(**fields: Any) -> NewMerchant:
        clock = SystemClock()
        wanted: dict[str, Any] = {
            "name": "Test",
            "email": f"{uuid.uuid4().hex}@example.com",
            "settlement_currency": "usd",
            "clock": clock,
            "ids": UuidSource(clock),
        }
        return create_merchant(owner, PII_KEY, **(wanted | fields))

    return make


@pytest.fixture
def api(platform: Platform, new_merchant: Any) -> Api:
    return Api(new_merchant())
