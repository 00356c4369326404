"""The rates that hold now: a provider's table, kept for five minutes, and no older than allowed."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Protocol

from paywright.cache import Away, Cache, expiry
from paywright.clock import Clock
from paywright.errors import FxRateUnavailable
from paywright.fx.rates import Rate
from paywright.fx.tables import InvalidTable, RateTable, parse
from paywright.money import Currency

_TTL_MS = 300_000


class RateProvider(Protocol):
    """Where a table of rates comes from."""

    name: str
    """The source of its rates, as payments keep it; its tables are cached by it."""

    def table(self) -> RateTable:
        """The latest table; raise FxRateUnavailable."""
        ...


class CurrentRates:
    """Crosses the latest table of a provider.

    One table is shared by all environments through Valkey, and kept in this one besides, until the
    same moment of business time. Without Valkey each environment asks the provider by itself.
    """

    def __init__(
        self, provider: RateProvider, cache: Cache, clock: Clock, *, max_age: timedelta
    ) -> None:
        self._provider = provider
        self._cache = cache
        self._clock = clock
        self._max_age = max_age
        self._key = cache.key("fx", provider.name)
        self._held: tuple[RateTable, int] | None = None

    def rate(self, base: Currency, quote: Currency) -> Rate:
        """Units of `quote` for one of `base`; FxRateUnavailable for none, or an old one."""
        now = self._clock.now()
        found = self._table(now).cross(base, quote, now)
        if found is None:
            raise FxRateUnavailable(
                f"There is no exchange rate from {base.code} to {quote.code}; nothing was done."
            )
        if now - found.at > self._max_age:
            raise FxRateUnavailable(
                f"The latest exchange rate from {base.code} to {quote.code} is of "
                f"{found.at:%Y-%m-%d %H:%M} UTC, which is too old; nothing was done."
            )
        return found

    def _table(self, now: datetime) -> RateTable:
        if self._held is None or expiry.milliseconds(now) >= self._held[1]:
            self._held = self._cached(now) or self._fetched(now)
        return self._held[0]

    def _cached(self, now: datetime) -> tuple[RateTable, int] | None:
        # What cannot be read (another version wrote it) counts as not there.
        with suppress(Away, InvalidTable, ValueError):
            value = self._cache.get(self._key)
            text = None if value is None else expiry.still(value, now)
            if value is not None and text is not None:
                expires_ms = int(value.partition(b" ")[0])
                return parse(text, source=self._provider.name, now=now), expires_ms
        return None

    def _fetched(self, now: datetime) -> tuple[RateTable, int]:
        table = self._provider.table()
        with suppress(Away):
            value = expiry.until(table.to_json(), now, ttl_ms=_TTL_MS)
            self._cache.set(self._key, value, ttl_ms=_TTL_MS)
        return table, expiry.milliseconds(now) + _TTL_MS
