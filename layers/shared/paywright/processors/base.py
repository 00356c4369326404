"""What a payment processor can be asked, and how it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

from paywright.money import Money

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
class TokenizedCard:
    """What may be kept of a card: the processor's token and what can be shown of it."""

    token: str
    fingerprint: str
    brand: str
    last_four: str
    risk: Risk


@dataclass(frozen=True, slots=True)
class Approved:
    """The processor did it; `reference` is its name for it."""

    reference: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The processor refused for good. `reference` is None when it gave the request no name."""

    decline_code: str
    reference: str | None = None


Outcome = Approved | Declined


class Unknown(Exception):
    """No answer came in time: it may have happened or not, or may yet."""


class Unavailable(Exception):
    """The request was never sent: nothing happened."""


class CardInvalid(Exception):
    """The card's data cannot be right; `code` says what."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Processor(Protocol):
    """A payment processor. `operation_id` is the idempotency key of each request to it."""

    name: str

    def tokenize(self, card: Card) -> TokenizedCard:
        """Exchange a card for a token; raise CardInvalid or Unavailable."""
        ...

    def authorize(self, operation_id: UUID, *, token: str, amount: Money, capture: bool) -> Outcome:
        """Hold (or take at once) an amount; raise Unknown or Unavailable."""
        ...

    def capture(self, operation_id: UUID, *, reference: str, amount: Money) -> Outcome:
        """Take what was held under `reference`; raise Unknown or Unavailable."""
        ...

    def lookup(self, operation_id: UUID) -> Outcome | None:
        """What became of a request, or None when it is not known; raise Unknown."""
        ...

    def reverse(self, operation_id: UUID) -> None:
        """Undo a request, also one still on its way; returns once that is acknowledged."""
        ...

    def cost(self, amount: Money) -> Money:
        """What it charges for taking an amount."""
        ...
