"""Customers and their payment methods: created once, shown, never with a number that pays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from paywright.clock import Clock, rfc3339
from paywright.customers.remembered import RememberedMethods
from paywright.db.connection import Database, Row
from paywright.db.created import Creations, Insert
from paywright.db.sql import load
from paywright.errors import CustomerExists, MerchantNotActive, NotFound
from paywright.ids import IdSource, typeid
from paywright.payments.models import Answer, Caller, PaymentMethod, RequestContext, to_json
from paywright.processors.base import Card, Details, Tokenized
from paywright.processors.registry import Guarded

_SQL = load(__file__)


@dataclass(frozen=True, slots=True)
class NewCustomer:
    """What a merchant gives of a customer."""

    external_id: str | None
    name: str | None
    email: str | None
    metadata: dict[str, str]


class Customers:
    """The customers of all merchants. `pii_key` encrypts names and e-mail addresses.

    Payment methods that are added are told to `methods`, if given: they are about to be charged.
    """

    def __init__(
        self,
        database: Database,
        pii_key: str,
        clock: Clock,
        ids: IdSource,
        methods: RememberedMethods | None = None,
    ) -> None:
        self._database = database
        self._pii_key = pii_key
        self._clock = clock
        self._ids = ids
        self._methods = methods

    def create(self, caller: Caller, new: NewCustomer, context: RequestContext) -> Answer:
        """Store a customer; raise CustomerExists for an external id that has one."""
        now, customer_id = self._clock.now(), self._ids.new()
        shown = {
            "id": typeid("cus", customer_id),
            "object": "customer",
            "external_id": new.external_id,
            "name": new.name,
            "email": new.email,
            "metadata": new.metadata,
            "created_at": rfc3339(now),
            "livemode": caller.livemode,
        }
        parameters = {
            "id": customer_id,
            "external_id": new.external_id,
            "name": new.name,
            "email": new.email,
            "metadata": to_json(new.metadata),
            "pii_key": self._pii_key,
            "entity_type": "customer",
        }

        def insert(connection: psycopg.Connection[Row], values: dict[str, Any]) -> dict[str, Any]:
            if connection.execute(_SQL["insert_customer"], values).rowcount == 0:
                raise MerchantNotActive
            return shown

        try:
            return self._once(caller, context, parameters, insert)
        except psycopg.errors.UniqueViolation as error:
            raise CustomerExists(param="external_id") from error

    def find(self, caller: Caller, customer_id: UUID) -> dict[str, Any]:
        """A customer as the API shows it; raise NotFound."""
        row = self._database.one(
            _SQL["find_customer"],
            {
                "merchant_id": caller.merchant_id,
                "livemode": caller.livemode,
                "id": customer_id,
                "pii_key": self._pii_key,
            },
        )
        if row is None:
            raise NotFound
        return {
            "id": typeid("cus", row["id"]),
            "object": "customer",
            "external_id": row["external_id"],
            "name": row["name"],
            "email": row["email"],
            "metadata": row["metadata"],
            "created_at": rfc3339(row["created_at"]),
            "livemode": row["livemode"],
        }

    def add_method(
        self,
        caller: Caller,
        customer_id: UUID,
        details: Details,
        processor: Guarded,
        context: RequestContext,
    ) -> Answer:
        """Have a card or a bank account tokenized and keep the token.

        Raise NotFound, or what tokenizing raises.
        """
        mine = {"merchant_id": caller.merchant_id, "livemode": caller.livemode, "id": customer_id}
        if self._database.one(_SQL["customer_exists"], mine) is None:
            raise NotFound
        token = processor.call(lambda processor: processor.tokenize(details))
        method_id, now = self._ids.new(), self._clock.now()
        kind, shown = _shown(details, token)
        parameters = {
            **dict.fromkeys(("brand", "exp_month", "exp_year", "bank_name", "country", "currency")),
            **shown,
            "id": method_id,
            "type": kind,
            "customer_id": customer_id,
            "processor": processor.name,
            "token": token.token,
            "fingerprint": token.fingerprint,
            "risk": token.risk,
            "entity_type": "payment_method",
        }

        def insert(connection: psycopg.Connection[Row], values: dict[str, Any]) -> dict[str, Any]:
            row = connection.execute(_SQL["insert_method"], values).fetchone()
            if row is None:
                raise MerchantNotActive
            return {
                "id": typeid("pm", method_id),
                "object": "payment_method",
                "type": kind,
                "customer_id": typeid("cus", customer_id),
                kind: shown,
                "is_default": row["is_default"],
                "created_at": rfc3339(now),
                "livemode": caller.livemode,
            }

        answer = self._once(caller, context, parameters, insert)
        if self._methods is not None and not answer.replayed:
            names = PaymentMethod.__dataclass_fields__.keys() & parameters.keys()
            method = PaymentMethod(**{name: parameters[name] for name in names})
            self._methods.remember(caller.merchant_id, caller.livemode, method)
        return answer

    def _once(
        self,
        caller: Caller,
        context: RequestContext,
        parameters: dict[str, Any],
        insert: Insert,
    ) -> Answer:
        creations = Creations(self._database, self._clock, self._ids)
        return creations.replayed(caller, context) or creations.write(
            caller, context, parameters, insert
        )


def _shown(details: Details, token: Tokenized) -> tuple[str, dict[str, Any]]:
    if isinstance(details, Card):
        return "card", {
            "brand": token.brand,
            "last_four": token.last_four,
            "exp_month": details.exp_month,
            "exp_year": details.exp_year,
        }
    return "bank_account", {
        "bank_name": token.bank_name,
        "country": details.country,
        "currency": details.currency.code,
        "last_four": token.last_four,
    }
