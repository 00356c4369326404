"""Who may send what: API keys, rate limits and idempotency keys, before a service is called.

Valkey answers all of it in two round trips. When it is away PostgreSQL does the same, slower: the
key's own row in T1 is then the lock.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from uuid import UUID

from paywright.cache import Away, Cache, expiry
from paywright.cache.wire import Command
from paywright.clock import Clock
from paywright.db import Database, load
from paywright.errors import (
    ApiKeyInvalid,
    ApiKeyMissing,
    IdempotencyKeyInProgress,
    MerchantNotActive,
    PaywrightError,
    RateLimited,
)
from paywright.events.wake import wake_commands
from paywright.fees import FeePlan
from paywright.http.messages import Request, Response
from paywright.http.refusals import Refusals
from paywright.ids import IdSource
from paywright.money import Currency
from paywright.payments.models import Answer, Caller, RequestContext, StoredKey
from paywright.payments.operation import replay

_SQL = load(__file__)
_ADMISSION = Path(__file__).with_suffix(".lua").read_text()
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"
_CALLER_TTL_MS = 300_000
_ANSWER_TTL_MS = 86_400_000
_LOCK_MS = 30_000
_WINDOW_MS = 60_000


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of a merchant's requests. `reset_s` is in seconds from now."""

    limit: int
    remaining: int
    reset_s: int

    def headers(self) -> dict[str, str]:
        """The RateLimit headers of a response."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_s),
        }


@dataclass(frozen=True, slots=True)
class Admission:
    """A request that may go on, or whose answer is known already."""

    context: RequestContext
    quota: Quota
    answer: Answer | None = None
    lock_token: str | None = None


def fingerprint_key(pii_key: str) -> bytes:
    """The key of requests' fingerprints, which serves for nothing else."""
    return hmac.digest(pii_key.encode(), b"idempotency fingerprint", "sha256")


class Gate:
    """Lets requests in. `default_limit` is requests a minute for merchants without their own."""

    def __init__(
        self,
        database: Database,
        cache: Cache,
        clock: Clock,
        ids: IdSource,
        *,
        default_limit: int,
        pii_key: str,
    ) -> None:
        self._database = database
        self._cache = cache
        self._clock = clock
        self._default_limit = default_limit
        self._fingerprint_key = fingerprint_key(pii_key)
        self._refusals = Refusals(database, clock, ids)

    def authenticate(self, request: Request) -> Caller:
        """The merchant of the API key; raise ApiKeyMissing, ApiKeyInvalid or MerchantNotActive."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise ApiKeyMissing
        digest = hashlib.sha256(key.strip().encode()).digest()
        cache_key = self._cache.key("caller", digest.hex())
        try:
            cached = self._cache.get(cache_key)
        except Away:
            cached = None
        now = self._clock.now()
        known = None if cached is None else expiry.still(cached, now)
        if known is not None:
            return _caller_from_json(known)
        row = self._database.one(_SQL["find_caller"], {"key_hash": digest})
        if row is None:
            raise ApiKeyInvalid
        if row.pop("status") != "active":
            raise MerchantNotActive
        caller = Caller(
            **row
            | {
                "settlement_currency": Currency.of(row["settlement_currency"]),
                "fee_plans": tuple(FeePlan(**plan) for plan in row["fee_plans"]),
            }
        )
        with suppress(Away):  # the next request asks the database again
            value = expiry.until(_caller_to_json(caller), now, ttl_ms=_CALLER_TTL_MS)
            self._cache.set(cache_key, value, ttl_ms=_CALLER_TTL_MS)
        return caller

    def admit(self, request: Request, caller: Caller, *, key_required: bool = False) -> Admission:
        """Count the request and take its idempotency key's lock.

        Raise RateLimited, IdempotencyKeyInProgress, IdempotencyKeyReused or a key's own errors.
        """
        writes = request.method == "POST"
        key = request.idempotency_key(required=key_required) if writes else None
        context = RequestContext(
            idempotency_key=key,
            fingerprint=b"" if key is None else request.fingerprint(self._fingerprint_key),
            trace_id=request.trace_id,
            ip_address=request.source_ip,
            user_agent=request.headers.get("user-agent", "")[:255] or None,
        )
        token = secrets.token_hex(8)
        try:
            return self._admit_by_cache(caller, context, token)
        except Away:
            return self._admit_by_database(caller, context, token)

    def finish(self, caller: Caller, admission: Admission, answer: Answer | None) -> None:
        """Remember an answer, give the lock back and wake the relay; nobody waits for it."""
        context = admission.context
        answer_key, lock_key = self._key_names(caller, context)
        # A replay came from the database: cached anew, it would outlive its key there. What the
        # database does not have would be told until Valkey forgets it, and then something else.
        is_new = answer is not None and answer.stored and not answer.replayed

        commands: list[Command] = []
        if answer is not None and is_new and context.idempotency_key is not None:
            stored = _answer_to_json(context, answer)
            value = expiry.until(stored, self._clock.now(), ttl_ms=_ANSWER_TTL_MS)
            commands.append(("SET", answer_key, value, "PX", _ANSWER_TTL_MS))
        if admission.lock_token is not None:
            commands.append(_release(lock_key, admission.lock_token))
        # Without Valkey the lock lapses, the answer is in the database, the relay looks by itself.
        with suppress(Away):
            self._cache.post(*commands, *wake_commands(self._cache))

    def serve(
        self,
        request: Request,
        service: Callable[[Caller, RequestContext], Answer],
        *,
        key_required: bool = False,
    ) -> Response:
        """Let a request in, have it served, and see it out whatever comes of it."""
        caller = self.authenticate(request)
        admission = self.admit(request, caller, key_required=key_required)
        answer = admission.answer
        if answer is None:
            try:
                answer = service(caller, admission.context)
            except PaywrightError as refusal:
                if request.method == "POST":
                    self._refusals.note(request, caller, admission.context, refusal)
                raise
            finally:
                if request.method == "POST":
                    self.finish(caller, admission, answer)
        return Response.of(answer, admission.quota.headers())

    def _admit_by_cache(self, caller: Caller, context: RequestContext, token: str) -> Admission:
        limit = caller.rate_limit_per_min or self._default_limit
        now_ms = time.time_ns() // 1_000_000
        answer_key, lock_key = self._key_names(caller, context)
        state, remaining, reset_ms, *rest = self._cache.script(
            _ADMISSION,
            [self._cache.merchant_key(caller.merchant_id, "rate"), answer_key, lock_key],
            [
                now_ms,
                _WINDOW_MS,
                limit,
                f"{now_ms}-{token}",
                "0" if context.idempotency_key is None else "1",
                token,
                _LOCK_MS,
                expiry.milliseconds(self._clock.now()),
            ],
            # A lock that was taken, and told of too late, would keep its own request's retry out.
            undo=_release(lock_key, token),
        )
        quota = Quota(limit, remaining, max(1, -(-(reset_ms - now_ms) // 1000)))
        if state == b"limited":
            raise RateLimited(retry_after_s=quota.reset_s, headers=quota.headers())
        if state == b"answered":
            stored = _stored_from_json(rest[0].partition(b" ")[2])
            return Admission(context, quota, answer=replay(stored, context))
        if state == b"locked":
            raise IdempotencyKeyInProgress(retry_after_s=1)
        return Admission(context, quota, lock_token=_needed(token, context))

    def _admit_by_database(self, caller: Caller, context: RequestContext, token: str) -> Admission:
        limit = caller.rate_limit_per_min or self._default_limit
        now = datetime.now(UTC)  # rate limits live in wall time, whatever business time it is
        window = now.replace(second=0, microsecond=0)
        row = self._database.one(
            _SQL["count_request"], {"merchant_id": caller.merchant_id, "window": window}
        )
        assert row is not None
        quota = Quota(limit, max(0, limit - row["requests"]), 60 - now.second)
        if row["requests"] > limit:
            raise RateLimited(retry_after_s=quota.reset_s, headers=quota.headers())
        # Valkey may have taken the lock before it went away.
        return Admission(context, quota, lock_token=_needed(token, context))

    def _key_names(self, caller: Caller, context: RequestContext) -> tuple[str, str]:
        # Hashed: a caller's text must not shape the names of keys.
        digest = hashlib.sha256((context.idempotency_key or "").encode()).hexdigest()
        mode = "live" if caller.livemode else "test"
        name = self._cache.merchant_key(caller.merchant_id, "idempotency", mode, digest)
        return name, f"{name}:lock"


def _release(lock_key: str, token: str) -> Command:
    """Gives a lock back to whoever else wants it, if it is still this token's."""
    return ("EVAL", _RELEASE, 1, lock_key, token)


def _needed(token: str, context: RequestContext) -> str | None:
    return None if context.idempotency_key is None else token


def _answer_to_json(context: RequestContext, answer: Answer) -> str:
    fingerprint = base64.b64encode(context.fingerprint).decode()
    return json.dumps({"fingerprint": fingerprint, "status": answer.status, "body": answer.body})


def _stored_from_json(text: bytes) -> StoredKey:
    stored = json.loads(text)
    answer = Answer(stored["status"], stored["body"])
    return StoredKey(base64.b64decode(stored["fingerprint"]), answer)


def _caller_to_json(caller: Caller) -> str:
    return json.dumps(
        {
            **asdict(caller),
            "merchant_id": caller.merchant_id.hex,
            "api_key_id": caller.api_key_id.hex,
            "settlement_currency": caller.settlement_currency.code,
        }
    )


@lru_cache(maxsize=1024)  # the same merchants come again and again, as the same text
def _caller_from_json(text: bytes) -> Caller:
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
