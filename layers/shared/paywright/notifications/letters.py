"""What merchants are told by e-mail: which events are worth one, and what it says.

A letter holds what its reader needs to act, and nothing that may not stand in a mailbox: no key, no
secret, no card, no query of a URL.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from paywright.money import Currency, Money

_LONGEST_VALUE = 200


class Recipient(StrEnum):
    """Whose address a letter goes to."""

    CHOSEN = "chosen"  # what the merchant prefers: its own, or another one
    OWN = "own"  # what it is registered with
    FORMER = "former"  # what it preferred until it was changed


class Kind(StrEnum):
    """The kinds of notifications."""

    ENDPOINT_DISABLED = "endpoint_disabled"
    DISPUTE_OPENED = "dispute_opened"
    SETTLEMENT_READY = "settlement_ready"
    API_KEY_CREATED = "api_key_created"
    EMAIL_CHANGED = "email_changed"


RECIPIENTS: Mapping[Kind, tuple[Recipient, ...]] = {
    Kind.ENDPOINT_DISABLED: (Recipient.CHOSEN,),
    Kind.DISPUTE_OPENED: (Recipient.CHOSEN,),
    Kind.SETTLEMENT_READY: (Recipient.CHOSEN,),
    Kind.API_KEY_CREATED: (Recipient.OWN, Recipient.CHOSEN),
    Kind.EMAIL_CHANGED: (Recipient.FORMER,),
}
"""Whoever has an API key can choose an address: what betrays a stolen one goes elsewhere too."""

SWITCHABLE = tuple(kind for kind in Kind if Recipient.CHOSEN in RECIPIENTS[kind])
"""The kinds that a merchant can switch off, for the address that it prefers."""

KIND_OF: Mapping[str, Kind] = {
    "merchant.webhook_endpoint_disabled": Kind.ENDPOINT_DISABLED,
    "dispute.created": Kind.DISPUTE_OPENED,
    "settlement.created": Kind.SETTLEMENT_READY,
    "merchant.api_key_created": Kind.API_KEY_CREATED,
    "merchant.notification_email_changed": Kind.EMAIL_CHANGED,
}
"""By the type of the event; of others nobody is told."""


class Incomplete(ValueError):
    """An event that lacks what its letter says."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail, still without form: `facts` are names and values, `reference` is the event's id."""

    subject: str
    opening: str
    facts: tuple[tuple[str, str], ...]
    advice: str
    reference: str

    @property
    def text(self) -> str:
        """As plain text."""
        facts = "\n".join(f"  {name}: {value}" for name, value in self.facts)
        return f"{self.opening}\n\n{facts}\n\n{self.advice}\n\n{self._end}\n"

    @property
    def html(self) -> str:
        """As HTML that any mail program shows; nothing in it is loaded from anywhere."""
        rows = "".join(
            f'<tr><td style="padding:2px 16px 2px 0;color:#666">{html.escape(name)}</td>'
            f"<td>{html.escape(value)}</td></tr>"
            for name, value in self.facts
        )
        return (
            '<!doctype html><html><body style="font-family:sans-serif;font-size:15px">'
            f"<p>{html.escape(self.opening)}</p><table>{rows}</table>"
            f"<p>{html.escape(self.advice)}</p>"
            f'<p style="color:#666;font-size:12px">{html.escape(self._end)}</p>'
            "</body></html>\n"
        )

    @property
    def _end(self) -> str:
        return f"Sent by Paywright. Reference: {self.reference}"


def letter(kind: Kind, payload: Mapping[str, Any]) -> Letter:
    """The letter about an event, given as merchants receive it; raise Incomplete."""
    event = _Fields(payload, "")
    subject, opening, facts, advice = _LETTERS[kind](event.inner("data").inner("object"))
    livemode = payload.get("livemode")
    if not isinstance(livemode, bool):
        raise Incomplete("livemode is missing")
    return Letter(
        subject=subject if livemode or kind in _OF_BOTH_MODES else f"[test mode] {subject}",
        opening=opening,
        facts=(*facts, ("When", event.moment("created_at"))),
        advice=advice,
        reference=event.text("id"),
    )


_Parts = tuple[str, str, tuple[tuple[str, str], ...], str]


def _endpoint_disabled(endpoint: _Fields) -> _Parts:
    return (
        "Webhooks to one of your endpoints are switched off",
        "We have stopped sending events to this webhook endpoint, because it does not take them.",
        (
            ("Endpoint", endpoint.text("id")),
            ("URL", endpoint.url("url")),
            ("Reason", endpoint.text("disabled_reason")),
        ),
        "Mend the receiver, enable the endpoint again, and have the failed deliveries sent again. "
        "Until then the events are kept for 30 days: GET /v1/events lists them.",
    )


def _dispute_opened(dispute: _Fields) -> _Parts:
    amount = dispute.money("amount")
    return (
        f"A payment of {amount} is disputed",
        "A cardholder disputes a payment. Its amount and a fee are taken from your balance until "
        "it is decided.",
        (
            ("Dispute", dispute.text("id")),
            ("Payment", dispute.text("payment_id")),
            ("Amount", str(amount)),
            ("Reason", dispute.text("reason").replace("_", " ")),
            ("Evidence until", dispute.moment("evidence_due_by")),
        ),
        "Answer it with evidence in time, or accept it. Without an answer it is lost.",
    )


def _settlement_ready(settlement: _Fields) -> _Parts:
    net = settlement.money("net_amount")
    return (
        f"Your settlement of {settlement.text('business_date')} is ready: {net}",
        "What was taken, given back and kept as fees on this day is settled.",
        (
            ("Settlement", settlement.text("id")),
            ("Gross", str(settlement.money("gross_amount"))),
            ("Fees", str(settlement.money("fee_amount"))),
            ("Net", str(net)),
        ),
        "Each line of it can be read through the API.",
    )


def _api_key_created(key: _Fields) -> _Parts:
    return (
        "A new API key was created for your account",
        "Whoever has this key can act for you.",
        (("Key", key.text("id")), ("Ends in", key.text("last_four"))),
        "If nobody of yours has asked for it, tell us at once and do not use it.",
    )


def _email_changed(merchant: _Fields) -> _Parts:
    return (
        "E-mails about your account go to another address",
        "From now on we send e-mails about this account, of test mode and of live mode, to another "
        "address than this one.",
        (("Merchant", merchant.text("id")), ("Changed with key", merchant.text("changed_by"))),
        "If nobody of yours has done this, tell us at once: somebody else has this key.",
    )


_OF_BOTH_MODES = (Kind.EMAIL_CHANGED,)
_LETTERS: Mapping[Kind, Callable[[_Fields], _Parts]] = {
    Kind.ENDPOINT_DISABLED: _endpoint_disabled,
    Kind.DISPUTE_OPENED: _dispute_opened,
    Kind.SETTLEMENT_READY: _settlement_ready,
    Kind.API_KEY_CREATED: _api_key_created,
    Kind.EMAIL_CHANGED: _email_changed,
}


class _Fields:
    """Values of an object, checked, on one line each and of bounded length."""

    def __init__(self, values: object, where: str) -> None:
        if not isinstance(values, Mapping):
            raise Incomplete(f"{where.removesuffix('.') or 'the event'} is no object")
        self._values = values
        self._where = where

    def inner(self, name: str) -> _Fields:
        return _Fields(self._values.get(name), f"{self._where}{name}.")

    def text(self, name: str) -> str:
        value = self._values.get(name)
        if not isinstance(value, str) or not value.strip():
            raise Incomplete(f"{self._where}{name} is missing")
        shown = "".join(each if each.isprintable() else " " for each in value)
        shown = " ".join(shown.split())
        return shown if len(shown) <= _LONGEST_VALUE else f"{shown[: _LONGEST_VALUE - 1]}…"

    def url(self, name: str) -> str:
        """A URL without its query, in which receivers like to have a password."""
        try:
            parts = urlsplit(self.text(name))
        except ValueError as error:
            raise Incomplete(f"{self._where}{name} is no URL") from error
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=host, query="", fragment=""))

    def moment(self, name: str) -> str:
        try:
            found = datetime.fromisoformat(self.text(name))
        except ValueError as error:
            raise Incomplete(f"{self._where}{name} is no time") from error
        return f"{found.astimezone(UTC):%Y-%m-%d %H:%M} UTC"

    def money(self, name: str) -> Money:
        amount = self._values.get(name)
        if not isinstance(amount, int) or isinstance(amount, bool):
            raise Incomplete(f"{self._where}{name} is no amount")
        try:
            return Money(amount, Currency.of(self.text("currency")))
        except ValueError as error:
            raise Incomplete(f"{self._where}currency is none") from error
