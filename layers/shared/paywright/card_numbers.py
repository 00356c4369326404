"""Card numbers where none belong: what looks like one is found, or crossed out.

The number of a card goes to the processor's tokenizer and is kept nowhere else, wherever a caller
writes it.
"""

from __future__ import annotations

import re
from typing import Final

REFUSED: Final = (
    "looks like the number of a card, which only a payment method may be given; "
    "write a letter right before a number that is none"
)
"""What is said of a text that holds one; the text itself is not repeated."""

# In one piece, or in groups of four, or as American Express and Diners Club have them. A number
# within a longer word is none: ids in hexadecimal have digits enough to look like anything. What is
# before the first digit is looked at after it: a search leaps from digit to digit then. It takes
# that digit only, since what stands before a number or after it may look like a group of it: when
# the card expires, its security code. The fifth group is such a one, or the number's own.
_GAP = r"[\s.-]{1,2}"
_END = r"(?![0-9A-Za-z])"
_WRITTEN = re.compile(
    r"([0-9])(?<![0-9A-Za-z].)(?="
    rf"(?:((?<![0-9]\..)[0-9]{{13,18}})|([0-9]{{3}}){_GAP}([0-9]{{6}}){_GAP}([0-9]{{4,5}})){_END}"
    rf"|([0-9]{{3}}){_GAP}([0-9]{{4}}){_GAP}([0-9]{{4}}){_GAP}([0-9]{{4}}){_END}"
    rf"(?:{_GAP}([0-9]{{1,3}}){_END})?)"
)
# An IBAN in groups has a country and a check before them, and an Italian one its bank's letter.
_IBAN = re.compile(
    r"[A-Z](?<![0-9A-Za-z].)[A-Z][0-9]{2}[ \u00a0](?:[A-Z][0-9]{3}[ \u00a0])?"
    rf"[0-9]{{4}}(?:[ \u00a0][0-9]{{4}}{_END}){{3,6}}(?:[ \u00a0][0-9]{{1,3}}{_END})?"
)
_SHORTEST = 14
# yyMMddHHmmss, from 2023 to 2027: many an order's number begins so, and then as Mastercard's do.
_TIME = r"2[3-7](?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]"
# Networks by how their numbers begin, and how long they are (ISO/IEC 7812 issuer ranges).
_NETWORKS = re.compile(
    r"4[0-9]{15}(?:[0-9]{3})?"  # Visa
    r"|5[1-5][0-9]{14}"  # Mastercard, and its other range
    rf"|(?!{_TIME})"
    r"(?:222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"
    r"|3[47][0-9]{13}"  # American Express
    r"|(?:30[0-5][0-9]|3095|3[689][0-9]{2})[0-9]{10}"  # Diners Club
    r"|35(?:2[89]|[3-8][0-9])[0-9]{12,15}"  # JCB
    r"|(?:6011|64[4-9][0-9]|65[0-9]{2}|62[0-9]{2})[0-9]{12,15}"  # Discover, UnionPay
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])[0-9]{12,15}"  # Maestro
)
_NO_DIGITS = re.compile(r"[^0-9]+")
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")

# As many digits as the shortest card number has, however they are grouped.
_CARD_LIKE = re.compile(
    rf"[0-9](?:[ -]?[0-9]){{11,}}|[0-9]{{4}}{_GAP}(?:[0-9]{{4}}{_GAP}[0-9]{{4}}{_GAP}[0-9]{{4}}"
    rf"|[0-9]{{6}}{_GAP}[0-9]{{4,5}})"
)
# Written so, it is one number, and how it ends may be told: of others that may be a security code.
_ONE_NUMBER = re.compile(
    rf"[0-9]{{12,16}}|[0-9]{{4}}(?:{_GAP}[0-9]{{4}}){{3}}|[0-9]{{4}}{_GAP}[0-9]{{6}}{_GAP}[0-9]{{4,5}}"
)


def holds_card_number(text: str) -> bool:
    """Whether a part of a text has a card number's form, network, length and check digit.

    Of other numbers of 16 digits one in forty has, of those of other lengths hardly any. Of
    Mastercard's that begin with 2 one in 300 is taken for a time, and not found.
    """
    if len(text) < _SHORTEST:
        return False
    for found in _WRITTEN.finditer(_IBAN.sub("x", text)):
        *groups, fifth = found.groups("")
        number = "".join(groups)
        if _is_card_number(number) or (fifth and _is_card_number(number + fifth)):
            return True
    return False


def crossed_out(text: str) -> str:
    """The text without whatever may be a card number, but for the last four digits of just one."""
    return _CARD_LIKE.sub(_cross_out, text)


def luhn_valid(number: str) -> bool:
    """Whether the check digit is right (ISO/IEC 7812-1, annex B)."""
    digits = number.encode()
    counted = digits[-1::-2] + digits[-2::-2].translate(_DOUBLED)
    return (sum(counted) - len(counted) * ord("0")) % 10 == 0


def _is_card_number(digits: str) -> bool:
    return luhn_valid(digits) and _NETWORKS.fullmatch(digits) is not None


def _cross_out(found: re.Match[str]) -> str:
    digits = _NO_DIGITS.sub("", found[0])
    shown = 4 if _ONE_NUMBER.fullmatch(found[0]) else 0
    return "*" * (len(digits) - shown) + digits[len(digits) - shown :]
