"""Fixtures: an API whose every answer is checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from paywright.wiring import Platform
from tests.conformance.openapi.contract import CheckedApi
from tests.platform import new_merchant, owner, platform, settings

__all__ = ["new_merchant", "owner", "platform", "settings"]


@pytest.fixture
def new_api(platform: Platform, new_merchant: Callable[..., Any]) -> Callable[..., CheckedApi]:
    return lambda **fields: CheckedApi(new_merchant(**fields))


@pytest.fixture
def api(new_api: Callable[..., CheckedApi]) -> CheckedApi:
    return new_api()
