"""Cached values that lapse by business time, however little wall time has passed.

A time to live in Valkey is wall time and only frees memory; the value itself says until when it
counts: milliseconds since 1970 come first, so that a Lua script reads them too.
"""

from __future__ import annotations

from datetime import datetime


def until(value: str, now: datetime, *, ttl_ms: int) -> str:
    """The value as it is cached, for that long from now."""
    return f"{milliseconds(now) + ttl_ms} {value}"


def still(cached: bytes, now: datetime) -> bytes | None:
    """The value, or None once its time is over."""
    expires_ms, _, value = cached.partition(b" ")
    return value if milliseconds(now) < int(expires_ms) else None


def milliseconds(moment: datetime) -> int:
    """A moment in milliseconds since 1970."""
    return int(moment.timestamp() * 1000)
