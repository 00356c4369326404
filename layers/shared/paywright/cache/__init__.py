"""Valkey: quick and forgetful. Nothing that matters lives here alone."""

from paywright.cache.valkey import Away, Cache

__all__ = ["Away", "Cache"]
