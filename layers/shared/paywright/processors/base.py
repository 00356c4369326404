"""What a payment processor can be asked, and how it answers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

from paywright.money import Currency, Money

Scheme = Literal["ach", "sepa"]
Risk = Literal["normal", "elevated", "highest"]


@dataclass(frozen=True, slots=True)
class Card:
    """A card as its holder typed it. Never logged, stored or put in an error: see `__repr__`."""

    number: str
    exp_month: int
    exp_year: int
    cvc: str | None

    def __repr__(self) -> str:
        """Nothing of the card, wherever this lands."""
        return "Card(…)"


@dataclass(frozen=True, slots=True)
class BankAccount:
    """A bank account as its holder typed it; checked by `bank_accounts.checked`. As secret as Card.

    `routing_number` is None where the number is an IBAN. `country` is an ISO 3166-1 alpha-2 code.
    """

    number: str
    routing_number: str | None
    country: str
    currency: Currency
    holder_name: str

    @property
    def scheme(self) -> Scheme:
        """How it is debited: by ACH with a routing number, by SEPA with an IBAN."""
        return "sepa" if self.routing_number is None else "ach"

    def __repr__(self) -> str:
        """Nothing of the account, wherever this lands."""
        return "BankAccount(…)"


Details = Card | BankAccount


@dataclass(frozen=True, slots=True)
class Tokenized:
    """What may be kept of a card or a bank account: a token and what can be shown of it."""

    token: str
    fingerprint: str
    last_four: str
    risk: Risk = "normal"
    brand: str | None = None
    bank_name: str | None = None


@dataclass(frozen=True, slots=True)
class Approved:
    """The processor did it; `reference` is its name for it."""

    reference: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The processor refused for good. `reference` is None when it gave the request no name."""

    decline_code: str
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """The processor took the request and will decide later; `reference` is its name for it."""

    reference: str


Outcome = Approved | Declined
Reply = Outcome | Pending


@dataclass(frozen=True, slots=True)
class Notice:
    """What a processor says of a request later: what became of it, or that it turned out otherwise.

    `outcome` replaces what was answered: a transfer that came back, a refund that failed after all.
    """

    operation_id: UUID
    outcome: Outcome


class Unknown(Exception):
    """No answer came in time: it may have happened or not, or may yet."""


class ScriptedSilence(Unknown):
    """No answer came, because a test card or account asks for that: the processor is well."""


class Unavailable(Exception):
    """The request was never sent: nothing happened."""


class CardInvalid(Exception):
    """The card's data cannot be right; `code` says what."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Processor(Protocol):
    """A payment processor. `operation_id` is the idempotency key of each request to it.

    Every request is given a time to be answered in. It raises Unknown when no answer came, and
    Unavailable when it was not sent. An outcome is an answer for now; Pending says that one will
    come, days later, as a Notice.
    """

    name: str
    can_hold: bool
    """Whether `authorize` can hold an amount for a later capture; without it only take it."""
    can_look_up: bool
    """Whether `lookup` tells what became of a request; without it only `reverse` is left."""

    def tokenize(self, details: Details) -> Tokenized:
        """Exchange a card or an account for a token; raise CardInvalid or Unavailable."""
        ...

    def authorize(self, operation_id: UUID, *, token: str, amount: Money, capture: bool) -> Reply:
        """Hold (or take at once) an amount."""
        ...

    def capture(self, operation_id: UUID, *, reference: str, amount: Money, final: bool) -> Reply:
        """Take what was held under `reference`; a final capture lets go of what it leaves."""
        ...

    def void(self, operation_id: UUID, *, reference: str) -> Reply:
        """Let go of what is still held under `reference`."""
        ...

    def refund(self, operation_id: UUID, *, reference: str, amount: Money) -> Reply:
        """Give back a part of what was taken under `reference`."""
        ...

    def lookup(self, operation_id: UUID) -> Reply | None:
        """What became of a request, or None when it is not known; raise Unknown."""
        ...

    def reverse(self, operation_id: UUID) -> None:
        """Undo a request, also one still on its way; returns once that is acknowledged.

        Raise Unknown when no answer came, or when later requests were built on it.
        """
        ...

    def notices(self, limit: int, *, besides: Collection[UUID] = ()) -> list[Notice]:
        """What is to be told and was not acknowledged yet, the oldest first; raise Unknown.

        At most one for each operation: the next comes once this one is acknowledged. None of the
        operations in `besides`: they are known and have to wait.
        """
        ...

    def acknowledge(self, operation_ids: list[UUID]) -> None:
        """Take note that these were heard: they are not told again."""
        ...
