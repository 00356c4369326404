"""Who may send what: API keys, rate limits and idempotency keys, before a service is called.

Valkey answers all of it in two round trips, and in one for a caller who was here before. When it is
away PostgreSQL does the same, slower: the key's own row in T1 is then the lock.
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
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from paywright.cache import Away, Cache, expiry
from paywright.cache.wire import Command
from paywright.card_numbers import crossed_out, holds_card_number
from paywright.clock import Clock
from paywright.db import Database, load
from paywright.errors import (
    IdempotencyKeyInProgress,
    MerchantNotActive,
    PaywrightError,
    RateLimited,
)
from paywright.events.wake import wake_commands
from paywright.http.callers import Callers, Remembered, key_digest
from paywright.http.messages import Request, Response
from paywright.http.refusals import Refusals
from paywright.ids import IdSource
from paywright.payments.models import Answer, Caller, RequestContext, StoredKey
from paywright.payments.operation import replay

_SQL = load(__file__)
_ADMISSION = Path(__file__).with_suffix(".lua").read_text()
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"
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
    """A request that may go on, or whose key Valkey knows what it stands for."""

    context: RequestContext
    quota: Quota
    stored: StoredKey | None = None
    lock_token: str | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the admission script is given; `token` names the lock that it takes."""

    now_ms: int
    limit: int
    token: str
    keys: list[str]
    arguments: list[str | bytes | int]
    undo: Command


def fingerprint_key(pii_key: str) -> bytes:
    """The key of requests' fingerprints, and of idempotency keys that are kept as one."""
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
        self._callers = Callers(database, cache, clock)
        self._refusals = Refusals(database, clock, ids)

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
        writes = request.method != "GET"
        digest = key_digest(request)
        caller, admission, wrong = self._let_in(request, digest, key_required=key_required)
        context, answer = admission.context, None
        try:
            if wrong is not None:
                raise wrong
            if admission.stored is not None:
                answer = replay(admission.stored, context)
            else:
                answer = self._served(service, caller, context, digest)
        except PaywrightError as refusal:
            if writes:
                self._refusals.note(request, caller, context, refusal)
            raise
        finally:
            if writes and admission.stored is None:
                self.finish(caller, admission, answer)
        return Response.of(answer, admission.quota.headers())

    def _served(
        self,
        service: Callable[[Caller, RequestContext], Answer],
        caller: Caller,
        context: RequestContext,
        digest: bytes,
    ) -> Answer:
        """The service's answer. Where it finds that the caller may act no more, say why."""
        try:
            return service(caller, context)
        except MerchantNotActive:
            # What is cached of the caller is not so any more: the key was revoked, or it is the
            # merchant. The database tells, and nothing is cached from here on.
            self._callers.forget(digest)
            self._callers.find(digest)
            raise

    def _let_in(
        self, request: Request, digest: bytes, *, key_required: bool
    ) -> tuple[Caller, Admission, PaywrightError | None]:
        """Authenticate and admit: in one round trip whoever was here before, else in two.

        Whose key it is comes before what is wrong with the request, which counts against the
        limit like any other; its error comes along.
        """
        # One token for both ways: whichever took the lock, it is given back at the end.
        token = _new_token()
        known, asked = self._callers.remembered(digest), None
        if known is not None:
            asked = self._context(request, key_required=key_required)
            admission = self._admit_again(digest, known, asked[0], token)
            if admission is not None:
                return known.caller, admission, asked[1]
        caller = self._callers.find(digest)
        context, wrong = asked or self._context(request, key_required=key_required)
        return caller, self._admit(caller, context, token), wrong

    def _context(
        self, request: Request, *, key_required: bool
    ) -> tuple[RequestContext, PaywrightError | None]:
        """What is known of a request, and what is wrong with its idempotency key or its body."""
        key, fingerprint, wrong = None, b"", None
        if request.method == "POST":
            try:
                key = request.idempotency_key(required=key_required)
                if key is not None:
                    fingerprint = request.fingerprint(self._fingerprint_key)
                    key = _as_kept(key, self._fingerprint_key)
            except PaywrightError as error:
                key, wrong = None, error
        context = RequestContext(
            idempotency_key=key,
            fingerprint=fingerprint,
            trace_id=request.trace_id,
            ip_address=request.source_ip,
            user_agent=crossed_out(request.headers.get("user-agent", ""))[:255] or None,
        )
        return context, wrong

    def _admit_again(
        self, digest: bytes, known: Remembered, context: RequestContext, token: str
    ) -> Admission | None:
        """Admit a caller that is remembered; None where Valkey does not say the same any more.

        The request has then been counted once already, and the lock that it took is given back.
        """
        asked = self._admission_of(known.caller, context, token)
        try:
            cached, reply = self._cache.get_and_script(
                self._callers.cache_key(digest),
                _ADMISSION,
                asked.keys,
                asked.arguments,
                undo=asked.undo,
            )
        except Away:
            return None
        if self._callers.confirms(known, cached):
            return _admitted(asked, context, reply)
        if reply[0] == b"admitted":
            with suppress(Away):
                self._cache.post(asked.undo)
        return None

    def _admit(self, caller: Caller, context: RequestContext, token: str) -> Admission:
        asked = self._admission_of(caller, context, token)
        try:
            reply = self._cache.script(_ADMISSION, asked.keys, asked.arguments, undo=asked.undo)
        except Away:
            return self._admit_by_database(caller, context, token)
        return _admitted(asked, context, reply)

    def _admission_of(self, caller: Caller, context: RequestContext, token: str) -> _Asked:
        limit = caller.rate_limit_per_min or self._default_limit
        now_ms = time.time_ns() // 1_000_000
        answer_key, lock_key = self._key_names(caller, context)
        return _Asked(
            now_ms=now_ms,
            limit=limit,
            token=token,
            keys=[self._cache.merchant_key(caller.merchant_id, "rate"), answer_key, lock_key],
            arguments=[
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


def _as_kept(key: str, digest_key: bytes) -> str:
    """An idempotency key as it is known from here on: one that holds a card's number as a digest.

    Refused, its retry could never pass, and one order number in forty looks like a card's.
    """
    if not holds_card_number(key):
        return key
    # No request's fingerprint begins so.
    digest = hmac.digest(digest_key, f"Idempotency-Key: {key}".encode(), "sha256")
    return f"hmac-sha256:{digest.hex()}"


def _release(lock_key: str, token: str) -> Command:
    """Gives a lock back to whoever else wants it, if it is still this token's."""
    return ("EVAL", _RELEASE, 1, lock_key, token)


def _needed(token: str, context: RequestContext) -> str | None:
    return None if context.idempotency_key is None else token


def _new_token() -> str:
    return secrets.token_hex(8)


def _admitted(asked: _Asked, context: RequestContext, reply: list[Any]) -> Admission:
    """What the script's reply means; raise what keeps the request out."""
    state, remaining, reset_ms, *rest = reply
    quota = Quota(asked.limit, remaining, max(1, -(-(reset_ms - asked.now_ms) // 1000)))
    if state == b"limited":
        raise RateLimited(retry_after_s=quota.reset_s, headers=quota.headers())
    if state == b"answered":
        stored = _stored_from_json(rest[0].partition(b" ")[2])
        return Admission(context, quota, stored=stored)
    if state == b"locked":
        raise IdempotencyKeyInProgress(retry_after_s=1)
    return Admission(context, quota, lock_token=_needed(asked.token, context))


def _answer_to_json(context: RequestContext, answer: Answer) -> str:
    fingerprint = base64.b64encode(context.fingerprint).decode()
    return json.dumps({"fingerprint": fingerprint, "status": answer.status, "body": answer.body})


def _stored_from_json(text: bytes) -> StoredKey:
    stored = json.loads(text)
    answer = Answer(stored["status"], stored["body"])
    return StoredKey(base64.b64decode(stored["fingerprint"]), answer)
