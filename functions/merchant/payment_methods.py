"""What a merchant sends of a card or a bank account, made into what a processor takes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from paywright.errors import InvalidField
from paywright.http.fields import RequestModel
from paywright.processors.bank_accounts import BankAccountInvalid, Given, checked
from paywright.processors.base import BankAccount, Card, Details


class CardInput(RequestModel):
    """A card as its holder typed it."""

    number: SecretStr = Field(min_length=12, max_length=19)
    exp_month: int = Field(ge=1, le=12)
    exp_year: int = Field(ge=2000, le=2100)
    cvc: SecretStr | None = Field(default=None, min_length=3, max_length=4)


class BankAccountInput(RequestModel):
    """A bank account as its holder typed it: an IBAN, or account and routing number."""

    account_number: SecretStr | None = Field(default=None, min_length=4, max_length=17)
    iban: SecretStr | None = Field(
        default=None, min_length=15, max_length=42, description="Blanks may group it."
    )
    routing_number: str | None = Field(
        default=None, min_length=9, max_length=9, description="The bank's ABA number, in the US."
    )
    country: str = Field(pattern="^[A-Za-z]{2}$", description="ISO 3166-1: US, or the IBAN's own.")
    currency: str = Field(pattern="^[A-Za-z]{3}$", description="usd in the US, eur for an IBAN.")
    account_holder_name: SecretStr = Field(min_length=1, max_length=255)


class CreatePaymentMethod(RequestModel):
    """The body of POST /v1/customers/{id}/payment_methods: a type, and the field of that name."""

    type: Literal["card", "bank_account"]
    card: CardInput | None = None
    bank_account: BankAccountInput | None = None


def details(body: CreatePaymentMethod) -> Details:
    """The card or the account, checked as far as it can be; raise InvalidField."""
    for name, given in (("card", body.card), ("bank_account", body.bank_account)):
        if (given is not None) != (name == body.type):
            wanted = "is needed" if name == body.type else "does not belong"
            raise InvalidField(f"{name}: {wanted} with type {body.type}.", param=name)
    if body.card is not None:
        return _card(body.card)
    assert body.bank_account is not None
    return _bank_account(body.bank_account)


def _card(given: CardInput) -> Card:
    number, cvc = given.number.get_secret_value(), _revealed(given.cvc)
    for param, digits in (("card.number", number), ("card.cvc", cvc)):
        if digits is not None and not (digits.isascii() and digits.isdigit()):
            raise InvalidField(f"{param}: only digits.", param=param)
    return Card(number, given.exp_month, given.exp_year, cvc)


def _bank_account(given: BankAccountInput) -> BankAccount:
    try:
        return checked(
            Given(
                account_number=_revealed(given.account_number),
                iban=_revealed(given.iban),
                routing_number=given.routing_number,
                country=given.country,
                currency=given.currency,
                holder_name=given.account_holder_name.get_secret_value(),
            )
        )
    except BankAccountInvalid as error:
        param = f"bank_account.{error.param}"
        raise InvalidField(f"{param}: {error}", param=param) from None


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
