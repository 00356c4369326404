"""A small client over redis-py that turns every failure into one exception."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

T = TypeVar("T")
_REST_AFTER_FAILURE_S = 1.0


class Away(Exception):
    """Valkey cannot be reached or did not answer in time: do without it."""


class Cache:
    """A connection to Valkey with a short timeout; every failure is `Away`.

    After a failure it is left alone for a second, so that a dead Valkey costs one timeout and not
    one for each call. `prefix` keeps the keys of parallel test runs apart.
    """

    def __init__(self, url: str, *, timeout_ms: int = 250, prefix: str = "") -> None:
        self._client = redis.Redis.from_url(
            url,
            socket_timeout=timeout_ms / 1000,
            socket_connect_timeout=timeout_ms / 1000,
            retry=Retry(NoBackoff(), 1),  # once: an idle connection may have been closed
            decode_responses=False,
        )
        self._prefix = prefix
        self._scripts: dict[str, Any] = {}
        self._rest_until = 0.0

    def key(self, *parts: object) -> str:
        """A key of the platform as a whole."""
        return self._prefix + ":".join(str(part) for part in parts)

    def merchant_key(self, merchant_id: UUID, *parts: object) -> str:
        """A key of one merchant: its hash tag keeps all of them in one slot of a cluster."""
        return self.key(f"{{mer_{merchant_id.hex}}}", *parts)

    def get(self, key: str) -> bytes | None:
        """The value of a key, or None."""
        return self._guarded(lambda: _bytes_or_none(self._client.get(key)))

    def set(self, key: str, value: bytes | str, *, ttl_ms: int) -> None:
        """Set a key for a time."""
        self._guarded(lambda: self._client.set(key, value, px=ttl_ms))

    def script(self, source: str, keys: list[str], arguments: list[Any]) -> Any:
        """Run a Lua script, sending its text only when the server does not know it yet."""
        script = self._scripts.get(source)
        if script is None:
            script = self._scripts[source] = self._client.register_script(source)
        return self._guarded(lambda: script(keys=keys, args=arguments))

    def pipeline(self, fill: Callable[[Any], None]) -> list[Any]:
        """Send several commands in one round trip; `fill` adds them to a redis-py pipeline."""

        def run() -> list[Any]:
            with self._client.pipeline(transaction=False) as pipe:
                fill(pipe)
                return list(pipe.execute())

        return self._guarded(run)

    def wait_for_wake(self, key: str, timeout_s: float) -> bool:
        """Block until something is pushed to a list, or the time is over; is there something?"""

        def run() -> bool:
            return bool(self._client.blpop([key], timeout=timeout_s))

        return self._guarded(run)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _guarded(self, call: Callable[[], T]) -> T:
        if time.monotonic() < self._rest_until:
            raise Away("Valkey did not answer a moment ago")
        try:
            return call()
        except redis.RedisError as error:
            self._rest_until = time.monotonic() + _REST_AFTER_FAILURE_S
            raise Away("Valkey cannot be reached or did not answer in time") from error


def _bytes_or_none(value: Any) -> bytes | None:
    return value if isinstance(value, bytes) else None
