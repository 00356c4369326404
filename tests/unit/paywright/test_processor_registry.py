"""A payment method's type and a payment's processor lead to the same guarded processor."""

from __future__ import annotations

from typing import Any, cast

import pytest

from paywright.processors.base import Processor, Unavailable, Unknown
from paywright.processors.breaker import CircuitBreaker
from paywright.processors.registry import Guarded, Processors


class Named:
    """As much of a processor as the registry looks at."""

    def __init__(self, name: str) -> None:
        self.name = name

    def fail(self) -> None:
        raise Unknown


def registry(*names: str) -> Processors:
    guarded = tuple(Guarded(cast("Processor", Named(n)), CircuitBreaker()) for n in names)
    return Processors(guarded, {"card": "cards", "bank_account": "banks"})


def test_a_method_and_a_name_lead_to_the_same_processor() -> None:
    processors = registry("cards", "banks")
    assert processors.for_method("bank_account") is processors.named("banks")
    assert processors.method_types == ("card", "bank_account")
    assert [each.name for each in processors] == ["cards", "banks"]
    with pytest.raises(LookupError, match="no processor is called 'gone'"):
        processors.named("gone")


def test_each_has_a_breaker_of_its_own() -> None:
    processors = registry("cards", "banks")
    for _ in range(5):
        with pytest.raises(Unknown):
            processors.named("cards").call(lambda cards: cast("Any", cards).fail())
    with pytest.raises(Unavailable):
        processors.named("cards").check()
    processors.named("banks").check()
    assert processors.named("banks").call(lambda banks: banks.name) == "banks"
