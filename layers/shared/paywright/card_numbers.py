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
# before the first digit is looked at after it: a search leaps from digit to digit then.
_GAP = r"[\s.-]{1,2}"
_WRITTEN = re.compile(
    r"[0-9](?<![0-9A-Za-z].)(?<![0-9]\..)[0-9]{3}"
    rf"(?:[0-9]{{10,15}}"
    rf"|(?:{_GAP}[0-9]{{4}}){{3}}(?:{_GAP}[0-9]{{1,3}})?"
    rf"|{_GAP}[0-9]{{6}}{_GAP}[0-9]{{4,5}})"
    r"(?![0-9A-Za-z])"
)
_SHORTEST = 14
# Networks by how their numbers begin, and how long they are (ISO/IEC 7812 issuer ranges).
_NETWORKS = re.compile(
    r"4[0-9]{15}(?:[0-9]{3})?"  # Visa
    r"|5[1-5][0-9]{14}"  # Mastercard, and its other range
    r"|(?:222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"
    r"|3[47][0-9]{13}"  # American Express
    r"|(?:30[0-5][0-9]|3095|3[689][0-9]{2})[0-9]{10}"  # Diners Club
    r"|35(?:2[89]|[3-8][0-9])[0-9]{12,15}"  # JCB
    r"|(?:6011|64[4-9][0-9]|65[0-9]{2}|62[0-9]{2})[0-9]{12,15}"  # Discover, UnionPay
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])[0-9]{12,15}"  # Maestro
)
_DOUBLED = str.maketrans("0123456789", "0246813579")

# As many digits as the shortest card number has, however they are grouped.
_CARD_LIKE = re.compile(r"[0-9](?:[ -]?[0-9]){11,}")


def holds_card_number(text: str) -> bool:
    """Whether a part of a text has a card number's form, network, length and check digit.

    Of other numbers of 16 digits one in forty has, of those of other lengths hardly any.
    """
    if len(text) < _SHORTEST:
        return False
    return any(_is_card_number(found[0]) for found in _WRITTEN.finditer(text))


def crossed_out(text: str) -> str:
    """The text without whatever may be a card number, but for its last four digits."""
    return _CARD_LIKE.sub(_cross_out, text)


def luhn_valid(number: str) -> bool:
    """Whether the check digit is right (ISO/IEC 7812-1, annex B)."""
    doubled = number[-2::-2].translate(_DOUBLED)
    return sum(map(int, number[-1::-2] + doubled)) % 10 == 0


def _is_card_number(written: str) -> bool:
    digits = re.sub(r"[^0-9]", "", written)
    return _NETWORKS.fullmatch(digits) is not None and luhn_valid(digits)


def _cross_out(found: re.Match[str]) -> str:
    digits = found[0].replace(" ", "").replace("-", "")
    return "*" * (len(digits) - 4) + digits[-4:]
