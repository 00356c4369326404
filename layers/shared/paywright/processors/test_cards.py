"""The simulated processor's cards: the numbers that developers know, and a few of our own.

`docs/testing.md` is a table of these. A card's scenario is all that is kept of its number.
"""

from __future__ import annotations

from typing import Final

SCENARIOS: Final[dict[str, str]] = {
    "4242424242424242": "approved",
    "4000000000000002": "declined:generic_decline",
    "4000000000009995": "declined:insufficient_funds",
    "4000000000009987": "declined:lost_card",
    "4000000000009979": "declined:stolen_card",
    "4000000000000069": "declined:expired_card",
    "4000000000000127": "declined:incorrect_cvc",
    "4000000000000119": "declined:processing_error",
    "4000000000006975": "declined:card_velocity_exceeded",
    "4100000000000019": "highest_risk",
    "4000000000000259": "disputed:fraudulent",
    "4000000000002685": "disputed:product_not_received",
    "4000000000001976": "disputed:inquiry",
    "4000000000007726": "refund_pending",
    "4000000000005126": "refund_fails",
    "4000000000003006": "timeout_approved",
    "4000000000003014": "timeout_declined",
    "4000000000003022": "slow",
    "4000000000003030": "alternates",
    "4000000000003048": "timeout_lost",
    "4000000000003055": "capture_timeout",
    "4000000000003063": "void_timeout",
    "4000000000003071": "refund_timeout",
}

DESCRIPTIONS: Final[dict[str, str]] = {
    "approved": "approved",
    "highest_risk": "tokenized as of highest risk: the fraud score declines it",
    "disputed:fraudulent": "approved; meant for a dispute as fraudulent, once there are disputes",
    "disputed:product_not_received": "approved; meant for a dispute as not received, likewise",
    "disputed:inquiry": "approved; meant for an inquiry, likewise",
    "refund_pending": "approved; a refund is pending and succeeds an hour later",
    "refund_fails": "approved; a refund succeeds, and an hour later turns out to have failed",
    "timeout_approved": "no answer in time; was approved",
    "timeout_declined": "no answer in time; was declined",
    "slow": "approved after 3 s",
    "alternates": "approved, declined, approved, … by turns",
    "timeout_lost": "no answer in time; the request never arrived",
    "capture_timeout": "approved; a capture gets no answer in time, but was done",
    "void_timeout": "approved; a void gets no answer in time, but was done",
    "refund_timeout": "approved; a refund gets no answer in time, but was done",
}


def scenario_of(number: str) -> str:
    """How the simulator treats a card; every number that is not in the table is approved."""
    return SCENARIOS.get(number, "approved")


def brand_of(number: str) -> str:
    """The card network by the number's first digits (ISO/IEC 7812 issuer ranges)."""
    if number[0] == "4":
        return "visa"
    if 51 <= int(number[:2]) <= 55 or 2221 <= int(number[:4]) <= 2720:
        return "mastercard"
    if number[:2] in ("34", "37"):
        return "amex"
    if number[:4] == "6011" or number[:2] == "65":
        return "discover"
    return "unknown"
