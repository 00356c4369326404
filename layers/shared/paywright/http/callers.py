"""Who an API key belongs to: found in Valkey, else in PostgreSQL, and remembered as text.

What is remembered is never gone by alone: whoever uses it asks Valkey in the same breath whether
it still says the same (`Callers.confirms`). Whoever writes anything asks the database as well,
with the write itself, and has forgotten what is not so any more (`Callers.forget`): a key that was
revoked changes nothing from then on. It may still read until then, for five minutes of business.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from uuid import UUID

from paywright.cache import Away, Cache, expiry
from paywright.clock import Clock
from paywright.db import Database, load
from paywright.errors import ApiKeyInvalid, ApiKeyMissing, MerchantNotActive
from paywright.fees import FeePlan
from paywright.http.messages import Request
from paywright.money import Currency
from paywright.payments.models import Caller

_SQL = load(__file__)
_TTL_MS = 300_000
_MOST_REMEMBERED = 1_024


@dataclass(frozen=True, slots=True)
class Remembered:
    """A caller, and the text in Valkey that it was read from."""

    text: bytes
    caller: Caller


class Callers:
    """Finds the merchants of API keys."""

    def __init__(self, database: Database, cache: Cache, clock: Clock) -> None:
        self._database = database
        self._cache = cache
        self._clock = clock
        self._remembered: dict[bytes, Remembered] = {}

    def cache_key(self, digest: bytes) -> str:
        """Where Valkey keeps the caller of a key's digest."""
        return self._cache.key("caller", digest.hex())

    def remembered(self, digest: bytes) -> Remembered | None:
        """Who it was the last time, to be confirmed by what Valkey says."""
        return self._remembered.get(digest)

    def confirms(self, known: Remembered, cached: bytes | None) -> bool:
        """Whether Valkey still says the same, and its time is not over."""
        return cached == known.text and expiry.still(known.text, self._clock.now()) is not None

    def find(self, digest: bytes) -> Caller:
        """Whose key it is; raise ApiKeyInvalid or MerchantNotActive."""
        cache_key = self.cache_key(digest)
        try:
            cached = self._cache.get(cache_key)
        except Away:
            cached = None
        now = self._clock.now()
        known = None if cached is None else expiry.still(cached, now)
        if cached is not None and known is not None:
            return self._remember(digest, cached, _from_json(known))
        caller = self._stored(digest)
        with suppress(Away):  # the next request asks the database again
            value = expiry.until(_to_json(caller), now, ttl_ms=_TTL_MS)
            self._cache.set(cache_key, value, ttl_ms=_TTL_MS)
        return caller

    def forget(self, digest: bytes) -> None:
        """Have the database asked again: something has changed that is known of a caller."""
        self._remembered.pop(digest, None)
        with suppress(Away):  # what is cached lapses by itself
            self._cache.send(("DEL", self.cache_key(digest)))

    def _stored(self, digest: bytes) -> Caller:
        row = self._database.one(_SQL["find_caller"], {"key_hash": digest})
        if row is None:
            raise ApiKeyInvalid
        if row.pop("status") != "active":
            raise MerchantNotActive
        return Caller(
            **row
            | {
                "settlement_currency": Currency.of(row["settlement_currency"]),
                "fee_plans": tuple(FeePlan(**plan) for plan in row["fee_plans"]),
            }
        )

    def _remember(self, digest: bytes, text: bytes, caller: Caller) -> Caller:
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[digest] = Remembered(text, caller)
        return caller


def key_digest(request: Request) -> bytes:
    """SHA-256 of the request's API key; raise ApiKeyMissing."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise ApiKeyMissing
    return hashlib.sha256(key.strip().encode()).digest()


def _to_json(caller: Caller) -> str:
    return json.dumps(
        {
            **asdict(caller),
            "merchant_id": caller.merchant_id.hex,
            "api_key_id": caller.api_key_id.hex,
            "settlement_currency": caller.settlement_currency.code,
        }
    )


def _from_json(text: bytes) -> Caller:
    fields = json.loads(text)
    return Caller(
        **fields
        | {
            "merchant_id": UUID(fields["merchant_id"]),
            "api_key_id": UUID(fields["api_key_id"]),
            "settlement_currency": Currency.of(fields["settlement_currency"]),
            "fee_plans": tuple(FeePlan(**plan) for plan in fields["fee_plans"]),
        }
    )
