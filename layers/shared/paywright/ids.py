"""Identifiers: UUIDv7 inside (RFC 9562, section 5.7), TypeID outside (`txn_01h…`)."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from os import urandom
from typing import Protocol
from uuid import UUID

from typeid import TypeID
from typeid.codecs.base32 import encode

from paywright.clock import Clock

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class IdSource(Protocol):
    """Makes new ids."""

    def new(self) -> UUID:
        """A UUIDv7 greater than every one made before by this source."""
        ...

    def several(self, count: int) -> tuple[UUID, ...]:
        """That many of them, in order."""
        ...


class UuidSource:
    """UUIDv7s of a clock's time, monotonic within this process (RFC 9562, section 6.2).

    The 12 bits after the version count up within one millisecond, so that the journals and
    entries of one operation sort in the order in which they were made.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last_ms = -1
        self._counter = 0

    def new(self) -> UUID:
        """A UUIDv7 of the clock's present moment."""
        return self._next((self._clock.now() - _EPOCH) // _MILLISECOND)

    def several(self, count: int) -> tuple[UUID, ...]:
        """That many, all of one moment."""
        now_ms = (self._clock.now() - _EPOCH) // _MILLISECOND
        return tuple([self._next(now_ms) for _ in range(count)])

    def _next(self, now_ms: int) -> UUID:
        if now_ms > self._last_ms:
            self._last_ms, self._counter = now_ms, secrets.randbits(11)
        else:
            self._counter += 1
            if self._counter > 0xFFF:
                self._last_ms, self._counter = self._last_ms + 1, 0
        value = self._last_ms << 80 | 0x7 << 76 | self._counter << 64 | 0b10 << 62
        return UUID(int=value | int.from_bytes(urandom(8)) >> 2)


def uuid_floor(moment: datetime) -> UUID:
    """The smallest UUID of a moment's millisecond: below every UUIDv7 that is made from then on."""
    milliseconds = (moment - _EPOCH) // _MILLISECOND
    return UUID(int=min(max(milliseconds, 0), 2**48 - 1) << 80)


def typeid(prefix: str, uuid: UUID) -> str:
    """The outer form of an id."""
    # What TypeID.from_uuid does of it, without the object: a payment shows some fifteen of them.
    return f"{prefix}_{encode(uuid.bytes)}"


def parse_typeid(prefix: str, text: str) -> UUID | None:
    """The UUID within a TypeID of that prefix, or None when it is not one."""
    try:
        parsed = TypeID.from_string(text)
    except Exception:  # whatever is wrong with it, a caller's text is not an id
        return None
    return UUID(str(parsed.uuid)) if parsed.prefix == prefix else None
