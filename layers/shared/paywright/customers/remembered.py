"""Payment methods in Valkey: a card that was saved a moment ago is about to be charged.

It costs half of what asking PostgreSQL does. A payment method never changes once it is there, so
what is remembered of it is true for as long as it is kept; an hour covers a checkout.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from uuid import UUID

from paywright.cache import Away, Cache
from paywright.payments.models import PaymentMethod, to_json
from paywright.payments.ports import MethodSource

_TTL_MS = 3_600_000
_FIELDS = frozenset(PaymentMethod.__dataclass_fields__)


class RememberedMethods:
    """Finds payment methods in Valkey, else where `stored` has them, and remembers those."""

    def __init__(self, cache: Cache, stored: MethodSource) -> None:
        self._cache = cache
        self._stored = stored

    def find_method(
        self, merchant_id: UUID, livemode: bool, method_id: UUID
    ) -> PaymentMethod | None:
        """A payment method of that merchant and mode."""
        try:
            text = self._cache.get(self._key(merchant_id, livemode, method_id))
        except Away:
            return self._stored.find_method(merchant_id, livemode, method_id)
        method = None if text is None else _from_json(text)
        if method is None:
            method = self._stored.find_method(merchant_id, livemode, method_id)
            if method is not None:
                self.remember(merchant_id, livemode, method)
        return method

    def remember(self, merchant_id: UUID, livemode: bool, method: PaymentMethod) -> None:
        """Keep a payment method that is stored; nobody waits for it."""
        key = self._key(merchant_id, livemode, method.id)
        with suppress(Away):  # the next payment asks the database
            self._cache.post(("SET", key, _to_json(method), "PX", _TTL_MS))

    def _key(self, merchant_id: UUID, livemode: bool, method_id: UUID) -> str:
        mode = "live" if livemode else "test"
        return self._cache.merchant_key(merchant_id, "method", mode, method_id.hex)


def _to_json(method: PaymentMethod) -> str:
    return to_json({**asdict(method), "id": method.id.hex, "customer_id": method.customer_id.hex})


def _from_json(text: bytes) -> PaymentMethod | None:
    """The method; None where another version of the platform wrote it with other fields."""
    fields = json.loads(text)
    if fields.keys() != _FIELDS:
        return None
    ids = {name: UUID(fields[name]) for name in ("id", "customer_id")}
    return PaymentMethod(**fields | ids)
