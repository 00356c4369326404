"""Objects that a merchant creates: once for each idempotency key, with their audit row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

from paywright.clock import Clock
from paywright.db.connection import Database, Row
from paywright.db.payments import PostgresPayments
from paywright.db.sql import load
from paywright.errors import IdempotencyKeyInProgress
from paywright.ids import IdSource, typeid
from paywright.payments.completion import KEY_LIFETIME
from paywright.payments.models import Answer, Caller, RequestContext, to_json
from paywright.payments.operation import replay

_SQL = load(__file__)
_CREATED = 201

Insert = Callable[[psycopg.Connection[Row], dict[str, Any]], dict[str, Any]]


class Creations:
    """Writes new objects of merchants."""

    def __init__(self, database: Database, clock: Clock, ids: IdSource) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    def replayed(self, caller: Caller, context: RequestContext) -> Answer | None:
        """The answer that was given before under this key; raise where it was for another request.

        To be asked before anything is done that costs or may fail.
        """
        if context.idempotency_key is None:
            return None
        store = PostgresPayments(self._database, self._clock)
        stored = store.stored_key(caller, context.idempotency_key)
        return None if stored is None else replay(stored, context)

    def write(
        self, caller: Caller, context: RequestContext, parameters: dict[str, Any], insert: Insert
    ) -> Answer:
        """The object, its audit row and the answer under its key: all in one transaction.

        `parameters` have the object's `id` and `entity_type`; `insert` is given them with all that
        is known of caller and request, and returns the object as the API shows it.
        """
        now = self._clock.now()
        values = parameters | {
            "merchant_id": caller.merchant_id,
            "livemode": caller.livemode,
            "api_key_id": caller.api_key_id,
            "actor_id": typeid("key", caller.api_key_id),
            "audit_id": self._ids.new(),
            "ip_address": context.ip_address,
            "user_agent": context.user_agent,
            "trace_id": context.trace_id,
            "key": context.idempotency_key,
            "now": now,
            "key_expires_at": now + KEY_LIFETIME,
        }
        with self._database.transaction() as connection:
            answer = Answer(_CREATED, to_json(insert(connection, values)))
            connection.execute(_SQL["insert_audit"], values)
            if context.idempotency_key is not None:
                key = {**values, "fingerprint": context.fingerprint, "response_body": answer.body}
                if connection.execute(_SQL["take_key"], key).fetchone() is None:
                    raise IdempotencyKeyInProgress(retry_after_s=1)
        return answer
