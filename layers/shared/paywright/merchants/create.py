"""Create a merchant with its first API key and, if wanted, its first webhook endpoint."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from paywright.card_numbers import REFUSED, holds_card_number
from paywright.clock import Clock, rfc3339
from paywright.db.sql import load
from paywright.errors import InvalidField, MerchantExists, UnknownCurrency
from paywright.event import API_VERSION, EventType, event_text
from paywright.fx.rates import MAX_SPREAD_BPS
from paywright.ids import IdSource, typeid
from paywright.money import Currency
from paywright.payments.models import to_json
from paywright.webhooks.secrets import new_secret
from paywright.webhooks.urls import check_url

_SQL = load(__file__)
_EMAIL = re.compile(r"^[^@\s]{1,64}@[^@\s]{1,189}$")


@dataclass(frozen=True, slots=True)
class NewMerchant:
    """What is told of a new merchant once: key and secret cannot be read again."""

    id: str
    api_key: str
    webhook_secret: str | None

    def __repr__(self) -> str:
        """The id alone, wherever this lands."""
        return f"NewMerchant({self.id})"


def create_merchant(
    connection: psycopg.Connection[Any],
    pii_key: str,
    *,
    name: str,
    email: str,
    settlement_currency: str,
    clock: Clock,
    ids: IdSource,
    webhook_url: str | None = None,
    rate_limit_per_min: int | None = None,
    fx_spread_bps: int = 0,
    livemode: bool = False,
    allow_loopback: bool = False,
) -> NewMerchant:
    """Write everything in one transaction. `fx_spread_bps` of each conversion stay here.

    Raise InvalidField, UnknownCurrency, or MerchantExists for an e-mail address that has one.
    """
    for param, text in (("name", name), ("email", email), ("webhook_url", webhook_url or "")):
        if holds_card_number(text):
            raise InvalidField(f"{param}: {REFUSED}.", param=param)
    _check(name, email, rate_limit_per_min, fx_spread_bps)
    try:
        currency = Currency.of(settlement_currency)
    except ValueError as error:
        raise UnknownCurrency(param="settlement_currency") from error
    if webhook_url is not None:
        try:
            check_url(webhook_url, allow_loopback=allow_loopback)
        except ValueError as error:
            raise InvalidField(str(error), param="webhook_url") from error
    merchant_id, api_key_id, key = ids.new(), ids.new(), new_api_key(livemode)
    now = clock.now()
    secret = None if webhook_url is None else new_secret()
    parameters = {
        "merchant_id": merchant_id,
        "name": name,
        "email": email,
        "email_hash": hmac.digest(pii_key.encode(), email.lower().encode(), "sha256"),
        "pii_key": pii_key,
        "settlement_currency": currency.code,
        "rate_limit_per_min": rate_limit_per_min,
        "fx_spread_bps": fx_spread_bps,
        "api_key_id": api_key_id,
        "livemode": livemode,
        "key_hash": hashlib.sha256(key.encode()).digest(),
        "last_four": key[-4:],
        "endpoint_id": ids.new(),
        "url": webhook_url,
        "secret": secret,
        "api_version": API_VERSION,
        "now": now,
        **_key_created(ids.new(), api_key_id, key, livemode=livemode, now=now),
    }
    try:
        with connection.transaction():
            connection.execute(_SQL["insert_merchant"], parameters)
            connection.execute(_SQL["insert_key"], parameters)
            connection.execute(_SQL["insert_event"], parameters)
            if webhook_url is not None:
                connection.execute(_SQL["insert_endpoint"], parameters)
    except psycopg.errors.UniqueViolation as error:
        raise MerchantExists(param="email") from error
    return NewMerchant(typeid("mer", merchant_id), key, secret)


def is_email(text: str) -> bool:
    """Whether this has the form of an e-mail address."""
    return _EMAIL.match(text) is not None and "\x00" not in text


def new_api_key(livemode: bool) -> str:
    """A new key of 192 random bits; only its SHA-256 is stored."""
    return f"sk_{'live' if livemode else 'test'}_{secrets.token_urlsafe(24)}"


def _key_created(
    event_id: UUID, api_key_id: UUID, key: str, *, livemode: bool, now: datetime
) -> dict[str, Any]:
    """The event about a new key; of the key itself it has the last four characters."""
    shown = {
        "id": typeid("key", api_key_id),
        "object": "api_key",
        "last_four": key[-4:],
        "created_at": rfc3339(now),
        "livemode": livemode,
    }
    event = event_text(
        event_id,
        EventType.API_KEY_CREATED,
        created_at=now,
        livemode=livemode,
        sequence=1,
        about=to_json(shown),
    )
    return {
        "event_id": event_id,
        "event_type": EventType.API_KEY_CREATED,
        "event_payload": event,
    }


def _check(name: str, email: str, rate_limit_per_min: int | None, fx_spread_bps: int) -> None:
    if not 1 <= len(name.strip()) <= 255 or "\x00" in name:
        raise InvalidField("name: 1 to 255 characters.", param="name")
    if not is_email(email):
        raise InvalidField("email: this is no e-mail address.", param="email")
    if rate_limit_per_min is not None and not 1 <= rate_limit_per_min <= 10_000_000:
        raise InvalidField("rate_limit_per_min: 1 to 10000000.", param="rate_limit_per_min")
    if not 0 <= fx_spread_bps <= MAX_SPREAD_BPS:
        raise InvalidField(f"fx_spread_bps: 0 to {MAX_SPREAD_BPS}.", param="fx_spread_bps")
