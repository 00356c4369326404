"""A store whose time stands still until a test moves it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emulator.aws_server.sqs.journal import NoJournal
from emulator.aws_server.sqs.store import Store
from tests.sqs_store import Bench, Clock


@pytest.fixture
def make_bench() -> Callable[..., Bench]:
    def make(**options: object) -> Bench:
        clock = Clock()
        return Bench(Store(NoJournal(), clock=clock, **options), clock)  # type: ignore[arg-type]

    return make


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()
