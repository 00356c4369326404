"""Which processor takes which kind of payment method; each is guarded by a breaker of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from paywright.processors.base import Processor
from paywright.processors.breaker import CircuitBreaker

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Guarded:
    """A processor behind its circuit breaker."""

    processor: Processor
    breaker: CircuitBreaker

    @property
    def name(self) -> str:
        """The processor's name, as payments and payment methods keep it."""
        return self.processor.name

    def check(self) -> None:
        """Raise Unavailable while the breaker is open: before anything is written."""
        self.breaker.check()

    def call(self, request: Callable[[Processor], T]) -> T:
        """Send a request through the breaker; raise Unknown or Unavailable."""
        return self.breaker.call(lambda: request(self.processor))


class Processors:
    """All processors of the platform. `by_method` maps a payment method's type to a name."""

    def __init__(self, guarded: tuple[Guarded, ...], by_method: Mapping[str, str]) -> None:
        self._by_name = {each.name: each for each in guarded}
        assert len(self._by_name) == len(guarded), "processors have different names"
        self._by_method = {kind: self._by_name[name] for kind, name in by_method.items()}

    def for_method(self, method_type: str) -> Guarded:
        """The processor for new payments with that type of method, one of `method_types`."""
        return self._by_method[method_type]

    def named(self, name: str) -> Guarded:
        """The processor that a payment went to; raise LookupError when there is none any more."""
        try:
            return self._by_name[name]
        except KeyError:
            raise LookupError(f"no processor is called {name!r}") from None

    @property
    def method_types(self) -> tuple[str, ...]:
        """The types of payment methods that can be charged."""
        return tuple(self._by_method)

    def __iter__(self) -> Iterator[Guarded]:
        """Each of them, for what concerns all: notices."""
        return iter(self._by_name.values())
