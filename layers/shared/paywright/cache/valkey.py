"""What the platform asks of Valkey; every failure is one exception."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

import hiredis

from paywright.cache.wire import Command, Wire, check_url

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
        check_url(url)
        self._url = url
        self._timeout_s = timeout_ms / 1000
        self._wire: Wire | None = None
        self._prefix = prefix
        self._digests: dict[str, str] = {}
        self._rest_until = 0.0

    def key(self, *parts: object) -> str:
        """A key of the platform as a whole."""
        return self._prefix + ":".join(str(part) for part in parts)

    def merchant_key(self, merchant_id: UUID, *parts: object) -> str:
        """A key of one merchant: its hash tag keeps all of them in one slot of a cluster."""
        return self.key(f"{{mer_{merchant_id.hex}}}", *parts)

    def get(self, key: str) -> bytes | None:
        """The value of a key, or None."""
        value = self.send(("GET", key))[0]
        return value if isinstance(value, bytes) else None

    def set(self, key: str, value: bytes | str, *, ttl_ms: int) -> None:
        """Set a key for a time."""
        self.send(("SET", key, value, "PX", ttl_ms))

    def script(
        self,
        source: str,
        keys: list[str],
        arguments: list[str | bytes | int],
        *,
        undo: Command | None = None,
    ) -> Any:
        """Run a Lua script, sending its text only when the server does not know it yet.

        Where no answer came in time it may have run, or run yet: `undo` is sent after it.
        """
        return self._with_script((), source, keys, arguments, undo)[-1]

    def get_and_script(
        self,
        key: str,
        source: str,
        keys: list[str],
        arguments: list[str | bytes | int],
        *,
        undo: Command | None = None,
    ) -> tuple[bytes | None, Any]:
        """The value of a key, and then what a script says, in one round trip."""
        value, reply = self._with_script((("GET", key),), source, keys, arguments, undo)
        return value, reply

    def send(self, *commands: Command) -> list[Any]:
        """Send commands in one round trip and return their replies."""
        return [_checked(reply) for reply in self._replies(commands)]

    def post(self, *commands: Command) -> None:
        """Send commands whose outcome makes no difference, without waiting for their replies."""
        self._through(lambda wire: wire.post(commands))

    def wait_for_wake(self, key: str, timeout_s: float) -> bool:
        """Block until something is pushed to a list, or the time is over; is there something?"""
        return bool(self.send(("BLPOP", key, f"{timeout_s:.3f}"))[0])

    def close(self) -> None:
        """Close the connection."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def _with_script(
        self,
        before: tuple[Command, ...],
        source: str,
        keys: list[str],
        arguments: list[str | bytes | int],
        undo: Command | None,
    ) -> list[Any]:
        digest = self._digests.get(source)
        if digest is None:
            digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
            self._digests[source] = digest
        by_digest = ("EVALSHA", digest, len(keys), *keys, *arguments)
        *others, reply = self._replies((*before, by_digest), undo)
        if isinstance(reply, hiredis.ReplyError) and str(reply).startswith("NOSCRIPT"):
            (reply,) = self._replies((("EVAL", source, len(keys), *keys, *arguments),), undo)
        return [_checked(each) for each in (*others, reply)]

    def _replies(self, commands: tuple[Command, ...], undo: Command | None = None) -> list[Any]:
        return self._through(lambda wire: wire.send(commands, undo))

    def _through(self, ask: Callable[[Wire], T]) -> T:
        if time.monotonic() < self._rest_until:
            raise Away("Valkey did not answer a moment ago")
        try:
            if self._wire is None or not self._wire.is_usable():
                self.close()
                self._wire = Wire(self._url, self._timeout_s)
            return ask(self._wire)
        except (OSError, hiredis.HiredisError) as error:
            self.close()
            self._rest_until = time.monotonic() + _REST_AFTER_FAILURE_S
            raise Away("Valkey cannot be reached or did not answer in time") from error
        except BaseException:
            self.close()  # its reply may still come
            raise


def _checked(reply: Any) -> Any:
    if isinstance(reply, hiredis.ReplyError):
        raise Away(f"Valkey answered with an error: {reply}") from reply
    return reply
