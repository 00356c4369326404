"""Fixtures of the emulator's tests."""

from __future__ import annotations

import pytest

from tests.emulator_harness import LogKeeper


@pytest.fixture
async def logs() -> LogKeeper:
    return LogKeeper()
