"""Which events an endpoint wants: `payment.captured`, `payment.*` or `*`."""

from __future__ import annotations

from collections.abc import Iterable

TEST_EVENT = "webhook_endpoint.test"
"""An event about an endpoint that goes to that one alone, whatever it wants."""


def wants(event_types: Iterable[str], event_type: str) -> bool:
    """Does one of an endpoint's filters match the type of an event?"""
    return any(
        pattern in ("*", event_type)
        or (pattern.endswith(".*") and event_type.startswith(pattern[:-1]))
        for pattern in event_types
    )
