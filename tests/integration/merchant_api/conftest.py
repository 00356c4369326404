"""Fixtures: the platform and a merchant's API, and a ledger in the same database."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from paywright.clock import SystemClock
from paywright.ids import parse_typeid
from paywright.ledger.sequencer import Sequencer
from paywright.wiring import Platform
from tests.api import Api
from tests.platform import api, new_merchant, owner, platform, settings

__all__ = ["api", "new_merchant", "owner", "platform", "settings"]


@pytest.fixture
def sequence(platform: Platform) -> Callable[[], None]:
    """Puts in sequence whatever this worker's tests have posted."""

    def run() -> None:
        while Sequencer(platform.database, SystemClock()).run_once():
            pass

    return run


@pytest.fixture
def merchant_id(api: Api) -> UUID:
    found = parse_typeid("mer", api.merchant.id)
    assert found is not None
    return found
