"""The rates that hold now: a provider's table, asked for every five minutes, never too old."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Protocol

from paywright.cache import Away, Cache, expiry
from paywright.clock import Clock, rfc3339
from paywright.errors import FxRateUnavailable
from paywright.fx.rates import Rate
from paywright.fx.tables import InvalidTable, RateTable, parse
from paywright.money import Currency
from paywright.observability import get_logger

_TTL_MS = 300_000
_AGAIN_AFTER_MS = 5_000
"""How long the last table serves before a provider that is away is asked again."""

_PEGS_ALONE = RateTable(Currency.of("usd"), {}, "peg", datetime.min.replace(tzinfo=UTC))


class RateProvider(Protocol):
    """Where a table of rates comes from."""

    name: str
    """The source of its rates, as payments keep it; its tables are cached by it."""

    def table(self) -> RateTable:
        """The latest table; raise FxRateUnavailable."""
        ...


def _newest(kept: tuple[RateTable, int]) -> tuple[str, int]:
    # To the millisecond, as Valkey has it: the same table is no newer here than there.
    return rfc3339(kept[0].at), kept[1]


class CurrentRates:
    """Crosses the latest table of a provider.

    One table is shared by all environments through Valkey, and kept in this one besides, as the
    latest until the same moment of business time. Without Valkey each environment asks the provider
    by itself. Where that is away, or gives an older one, the last table serves, as long as its
    rates are not too old.
    """

    def __init__(
        self, provider: RateProvider, cache: Cache, clock: Clock, *, max_age: timedelta
    ) -> None:
        self._provider = provider
        self._cache = cache
        self._clock = clock
        self._max_age = max_age
        self._key = cache.key("fx", provider.name)
        self._held: tuple[RateTable, int] | None = None  # and until when it counts as the latest
        self._is_away = False

    def rate(self, base: Currency, quote: Currency) -> Rate:
        """Units of `quote` for one of `base`; FxRateUnavailable for none, or an old one."""
        now = self._clock.now()
        try:
            table = self._table(now)
        except FxRateUnavailable:
            # A table that is known says which pegs count, also when it is too old.
            by_peg = _PEGS_ALONE.cross(base, quote, now)
            if by_peg is None:
                raise
            return by_peg
        found = table.cross(base, quote, now)
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
        if self._lapsed(now):
            known = [each for each in (self._held, self._cached(now)) if each is not None]
            self._held = max(known, key=_newest, default=None)
        if self._lapsed(now):
            self._held = self._fetched(now)
        assert self._held is not None, "it was fetched"
        return self._held[0]

    def _lapsed(self, now: datetime) -> bool:
        return self._held is None or expiry.milliseconds(now) >= self._held[1]

    def _cached(self, now: datetime) -> tuple[RateTable, int] | None:
        # What cannot be read (another version wrote it) counts as not there.
        with suppress(Away, InvalidTable, ValueError):
            value = self._cache.get(self._key)
            if value is not None:
                expires_ms, _, text = value.partition(b" ")
                return parse(text, source=self._provider.name, now=now), int(expires_ms)
        return None

    def _fetched(self, now: datetime) -> tuple[RateTable, int]:
        try:
            table = self._provider.table()
        except FxRateUnavailable as error:
            if self._held is None:
                raise
            if not self._is_away:
                get_logger().warning(
                    "The provider of exchange rates is away; its last table serves meanwhile",
                    extra={"reason": str(error.__cause__), "rates_at": rfc3339(self._held[0].at)},
                )
            self._is_away = True
            return self._held[0], expiry.milliseconds(now) + _AGAIN_AFTER_MS
        self._is_away = False
        if self._held is not None and table.at < self._held[0].at:
            get_logger().warning(
                "The provider of exchange rates gave a table older than its last, which serves on",
                extra={"given_at": rfc3339(table.at), "rates_at": rfc3339(self._held[0].at)},
            )
            table = self._held[0]
        with suppress(Away):
            value = expiry.until(table.to_json(), now, ttl_ms=_TTL_MS)
            kept_ms = max(_TTL_MS, self._max_age // timedelta(milliseconds=1))
            self._cache.set(self._key, value, ttl_ms=kept_ms)
        return table, expiry.milliseconds(now) + _TTL_MS
