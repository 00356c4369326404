"""Bank account numbers: what one must look like, and what is wrong with one that does not.

Pure. Nothing here puts a number into a message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from paywright.money import Currency
from paywright.processors.base import BankAccount

# Lengths of IBANs (SWIFT's IBAN registry, ISO 13616) in the countries that SEPA reaches (European
# Payments Council, list of SEPA scheme countries).
_IBAN_LENGTHS: Final = {
    **dict.fromkeys(("NO",), 15),
    **dict.fromkeys(("BE",), 16),
    **dict.fromkeys(("DK", "FI", "NL"), 18),
    **dict.fromkeys(("MK", "SI"), 19),
    **dict.fromkeys(("AT", "EE", "LT", "LU"), 20),
    **dict.fromkeys(("CH", "HR", "LI", "LV"), 21),
    **dict.fromkeys(("BG", "DE", "GB", "IE", "ME", "RS", "VA"), 22),
    **dict.fromkeys(("GI",), 23),
    **dict.fromkeys(("AD", "CZ", "ES", "MD", "RO", "SE", "SK"), 24),
    **dict.fromkeys(("PT",), 25),
    **dict.fromkeys(("IS",), 26),
    **dict.fromkeys(("FR", "GR", "IT", "MC", "SM"), 27),
    **dict.fromkeys(("AL", "CY", "HU", "PL"), 28),
    **dict.fromkeys(("MT",), 31),
}
_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[0-9A-Z]{11,27}")
_US_ACCOUNT: Final = re.compile(r"[0-9]{4,17}")
_ROUTING_NUMBER: Final = re.compile(r"[0-9]{9}")
_ROUTING_WEIGHTS: Final = (3, 7, 1) * 3


class BankAccountInvalid(Exception):
    """The account's data cannot be right; `param` names the field and the message says what."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(message)
        self.param = param


@dataclass(frozen=True, slots=True)
class Given:
    """A bank account as it came, nothing checked; blanks may group the digits of an IBAN."""

    account_number: str | None
    iban: str | None
    routing_number: str | None
    country: str
    currency: str
    holder_name: str

    def __repr__(self) -> str:
        """Nothing of the account, wherever this lands."""
        return "Given(…)"


def checked(given: Given) -> BankAccount:
    """The account, when everything about it can be right; raise BankAccountInvalid.

    An IBAN is debited in euros by SEPA; an account number with a routing number is American and
    debited in US dollars by ACH.
    """
    if (given.iban is None) == (given.account_number is None):
        raise BankAccountInvalid("iban", "Give either an iban or an account_number, not both.")
    country = given.country.upper()
    if given.iban is not None:
        number = iban_checked(given.iban)
        if given.routing_number is not None:
            raise BankAccountInvalid("routing_number", "An IBAN has no routing number.")
        if country != number[:2]:
            raise BankAccountInvalid("country", "The country is not the one that the IBAN names.")
        currency = _currency(given.currency, "eur", "An IBAN is debited in eur.")
        return BankAccount(number, None, country, currency, given.holder_name)
    number = given.account_number or ""
    if country != "US":
        raise BankAccountInvalid("country", "An account outside the US is given by its iban.")
    if not _US_ACCOUNT.fullmatch(number):
        raise BankAccountInvalid("account_number", "An account number has 4 to 17 digits.")
    routing_number = routing_number_checked(given.routing_number)
    currency = _currency(given.currency, "usd", "An American account is debited in usd.")
    return BankAccount(number, routing_number, country, currency, given.holder_name)


def iban_checked(text: str) -> str:
    """An IBAN without blanks and in capitals; raise BankAccountInvalid.

    The remainder by 97 is ISO 13616's (ISO 7064, MOD 97-10): letters count as 10 to 35, and the
    first four characters go to the end.
    """
    iban = text.replace(" ", "").upper()
    if not _IBAN.fullmatch(iban):
        raise BankAccountInvalid(
            "iban", "An IBAN is two letters, two check digits, and 11 to 27 letters and digits."
        )
    length = _IBAN_LENGTHS.get(iban[:2])
    if length is None:
        raise BankAccountInvalid("iban", f"SEPA does not reach accounts in {iban[:2]}.")
    if len(iban) != length:
        raise BankAccountInvalid("iban", f"An IBAN of {iban[:2]} has {length} characters.")
    rearranged = "".join(str(int(char, 36)) for char in iban[4:] + iban[:4])
    if int(rearranged) % 97 != 1:
        raise BankAccountInvalid("iban", "The IBAN's check digits are wrong; is it mistyped?")
    return iban


def routing_number_checked(text: str | None) -> str:
    """An ABA routing number; raise BankAccountInvalid.

    Weights 3, 7 and 1 make a multiple of 10, and it begins with 00 to 12, 21 to 32, 61 to 72 or 80
    (American Bankers Association, routing number policy).
    """
    if text is None:
        raise BankAccountInvalid("routing_number", "An account_number needs a routing_number.")
    if not _ROUTING_NUMBER.fullmatch(text):
        raise BankAccountInvalid("routing_number", "A routing number has 9 digits.")
    symbol = int(text[:2])
    known = symbol <= 12 or 21 <= symbol <= 32 or 61 <= symbol <= 72 or symbol == 80
    weighted = sum(
        int(digit) * weight for digit, weight in zip(text, _ROUTING_WEIGHTS, strict=True)
    )
    if not known or weighted % 10 != 0 or text == "000000000":
        raise BankAccountInvalid("routing_number", "There is no such routing number.")
    return text


def _currency(given: str, wanted: str, message: str) -> Currency:
    if given.lower() != wanted:
        raise BankAccountInvalid("currency", message)
    return Currency.of(wanted)
