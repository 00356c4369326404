"""Gathers the facts within the budget, and scores them."""

from __future__ import annotations

from datetime import datetime

from paywright.cache import Away, Cache
from paywright.fraud.rules import UNAVAILABLE, Assessment, Facts, assess
from paywright.money import Money
from paywright.payments.models import Caller, PaymentMethod

_HOUR_MS = 3_600_000


class CacheScorer:
    """Counts a card's payments of the last hour in Valkey. Its timeout is the scoring budget."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def assess(
        self, caller: Caller, method: PaymentMethod, amount: Money, now: datetime
    ) -> Assessment:
        """Score a payment; without Valkey it is flagged for a look afterwards."""
        hour = int(now.timestamp()) * 1000 // _HOUR_MS
        key = self._cache.merchant_key(caller.merchant_id, "velocity", method.fingerprint, hour)
        try:
            count, _ = self._cache.send(("INCR", key), ("PEXPIRE", key, 2 * _HOUR_MS))
        except Away:
            return UNAVAILABLE
        return assess(
            Facts(
                amount_major=amount.amount // 10**amount.currency.exponent,
                card_payments_last_hour=count,
                card_risk=method.risk,
            )
        )
