"""What is kept of a receiver's answer for whoever looks into a delivery: its beginning, as text."""

from __future__ import annotations

import re

from paywright.card_numbers import crossed_out

EXCERPT_BYTES = 4096

# Digits where the excerpt ends, as many as a number has: its rest may be what was cut off.
_CUT_OFF = re.compile(r"[0-9](?:[\s.-]{0,2}[0-9]){0,18}[\s.-]{0,2}\Z")
# PostgreSQL's text takes no NUL, and a terminal acts on the others.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def excerpt(body: bytes) -> str:
    """The first 4 KB, whatever they are: what is not UTF-8 or not to be shown is replaced.

    What looks like the number of a card is crossed out but for its last four digits, or wholly
    where more digits than one has stand together: the last may be a security code. At most
    `EXCERPT_BYTES` bytes as UTF-8.
    """
    text = body[:EXCERPT_BYTES].decode("utf-8", "replace")
    text = crossed_out(_CONTROL.sub(_REPLACEMENT, text))
    encoded = text.encode()
    if len(body) <= EXCERPT_BYTES and len(encoded) <= EXCERPT_BYTES:
        return text
    return _CUT_OFF.sub("", encoded[:EXCERPT_BYTES].decode("utf-8", "ignore"))
