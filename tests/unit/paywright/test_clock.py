"""Business time: the machine's, moved by a file that functions and emulator map."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from paywright.cache import expiry
from paywright.clock import SystemClock, business_clock
from paywright.ids import UuidSource
from paywright.settings import Settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_clock_follows_its_file_at_once(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    file.write_bytes(bytes(8))
    clock = business_clock(str(file))
    assert abs((clock.now() - datetime.now(UTC)).total_seconds()) < 5
    day_us = 24 * 3600 * 1_000_000
    with file.open("r+b") as opened:
        opened.write(day_us.to_bytes(8, "little", signed=True))
    assert 86_395 < (clock.now() - datetime.now(UTC)).total_seconds() < 86_405
    assert clock.now().tzinfo is UTC


def test_without_a_file_business_time_is_wall_time() -> None:
    assert isinstance(business_clock(None), SystemClock)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        business_clock(str(tmp_path / "gone"))


def test_ids_carry_business_time(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    year_us = 365 * 24 * 3600 * 1_000_000
    file.write_bytes(year_us.to_bytes(8, "little", signed=True))
    made = UuidSource(business_clock(str(file))).new()
    at = datetime.fromtimestamp((made.int >> 80) / 1000, UTC)
    assert abs(at - datetime.now(UTC) - timedelta(days=365)) < timedelta(seconds=5)


@pytest.mark.parametrize(
    "toy",
    [
        {"clock_file": "f"},
        {"fx_rates_url": "http://127.0.0.1/rates"},
        {"simulator_failure_rate": 0.1},
        {"simulator_latency_ms": 1},
        {"webhook_allow_loopback": True},
    ],
)
def test_production_refuses_what_is_for_a_laptop(toy: dict[str, object]) -> None:
    given = {"database_url": "postgresql://x", "valkey_url": "redis://x", "pii_key": "k"}
    Settings.model_validate({**given, "environment": "local", **toy})
    (name,) = toy
    with pytest.raises(ValidationError, match=f"{name.upper()}.* for local mode only"):
        Settings.model_validate({**given, "environment": "production", **toy})


def test_a_cached_value_counts_until_its_business_time_is_over() -> None:
    cached = expiry.until('{"a": 1}', NOW, ttl_ms=1000).encode()
    assert expiry.still(cached, NOW + timedelta(milliseconds=999)) == b'{"a": 1}'
    assert expiry.still(cached, NOW + timedelta(milliseconds=1000)) is None
