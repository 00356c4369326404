"""What a merchant creates or changes: once for each idempotency key, with its audit row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg

from paywright.clock import Clock
from paywright.db.connection import Database, Row
from paywright.db.payments import PostgresPayments
from paywright.db.sql import load
from paywright.errors import IdempotencyKeyInProgress
from paywright.ids import IdSource
from paywright.payments.completion import KEY_LIFETIME
from paywright.payments.models import Answer, Caller, Operator, RequestContext, to_json
from paywright.payments.operation import replay

_SQL = load(__file__)
_CREATED = 201
_SEALED = "sealed:"
"""Begins what is kept of an answer that holds a secret; JSON never does."""

Insert = Callable[[psycopg.Connection[Row], dict[str, Any]], dict[str, Any]]


class Creations:
    """Writes objects of merchants.

    With a `pii_key`, the answers hold secrets: what is kept of them for replays is encrypted, and
    in the database alone.
    """

    def __init__(
        self, database: Database, clock: Clock, ids: IdSource, *, pii_key: str | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._pii_key = pii_key

    def replayed(self, caller: Caller, context: RequestContext) -> Answer | None:
        """The answer that was given before under this key; raise where it was for another request.

        To be asked before anything is done that costs or may fail.
        """
        if context.idempotency_key is None:
            return None
        store = PostgresPayments(self._database, self._clock)
        stored = store.stored_key(caller, context.idempotency_key)
        if stored is None:
            return None
        answer = replay(stored, context)
        if self._pii_key is None or not answer.body.startswith(_SEALED):
            return answer
        sealed = {"sealed": answer.body.removeprefix(_SEALED), "pii_key": self._pii_key}
        row = self._database.one(_SQL["unseal"], sealed)
        assert row is not None
        return replace(answer, body=row["body"])

    def write(
        self,
        caller: Caller | Operator,
        context: RequestContext,
        parameters: dict[str, Any],
        insert: Insert,
        *,
        action: str = "created",
        status: int = _CREATED,
    ) -> Answer:
        """The object, its audit row and the answer under its key: all in one transaction.

        `parameters` have the object's `id` and `entity_type`; `insert` is given them with all that
        is known of caller and request, and returns the object as the API shows it. What it sets as
        `changes` among them goes into the audit row; there is none where it sets None, as nothing
        has changed.
        """
        now = self._clock.now()
        actor_type, actor_id = caller.actor
        values = parameters | {
            "merchant_id": caller.merchant_id,
            "livemode": caller.livemode,
            "api_key_id": caller.api_key_id if isinstance(caller, Caller) else None,
            "actor_type": actor_type,
            "actor_id": actor_id,
            "action": action,
            "changes": "{}",
            "audit_id": self._ids.new(),
            "ip_address": context.ip_address,
            "user_agent": context.user_agent,
            "trace_id": context.trace_id,
            "key": context.idempotency_key,
            "now": now,
            "key_expires_at": now + KEY_LIFETIME,
        }
        with self._database.transaction() as connection:
            body = to_json(insert(connection, values))
            if values["changes"] is not None:
                connection.execute(_SQL["insert_audit"], values)
            if context.idempotency_key is not None:
                key = {
                    **values,
                    "fingerprint": context.fingerprint,
                    "response_status": status,
                    "response_body": self._kept(connection, body),
                }
                if connection.execute(_SQL["take_key"], key).fetchone() is None:
                    raise IdempotencyKeyInProgress(retry_after_s=1)
        # What is not `stored` stays out of the cache.
        return Answer(status, body, stored=self._pii_key is None)

    def _kept(self, connection: psycopg.Connection[Row], body: str) -> str:
        """What is kept of an answer."""
        if self._pii_key is None:
            return body
        row = connection.execute(_SQL["seal"], {"body": body, "pii_key": self._pii_key}).fetchone()
        assert row is not None
        return f"{_SEALED}{row['sealed']}"
