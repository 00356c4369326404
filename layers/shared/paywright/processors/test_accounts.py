"""The simulated bank's accounts: numbers that developers know, and a few of our own.

`docs/testing.md` is a table of these. The American ones are debited by ACH and answer with NACHA's
return codes (R01 …); the others by SEPA, with ISO 20022's reason codes (AM04 …).
"""

from __future__ import annotations

from typing import Final

SCENARIOS: Final[dict[str, str]] = {
    "000123456789": "confirmed",
    "000222222227": "returned:R01",
    "000111111113": "returned:R02",
    "000111111116": "returned:R03",
    "000333333335": "returned:R29",
    "000555555559": "returned_later:R10",
    "000999999991": "timeout",
    "AT611904300234573201": "confirmed",
    "DE89370400440532013000": "confirmed",
    "DE65370400440002222227": "returned:AM04",
    "AT981904300002222227": "returned:AM04",
    "AT861904300235473202": "returned:AC04",
    "DE62370400440532013001": "returned:AC04",
    "AT591904300235473203": "returned_later:MD06",
    "DE35370400440532013002": "returned_later:MD06",
    "DE51370400440532013005": "timeout",
}

RETURN_CODES: Final[dict[str, str]] = {
    "R01": "insufficient funds",
    "R02": "account closed",
    "R03": "no account",
    "R10": "the holder says that the debit was not authorized",
    "R29": "debit not authorized",
    "AM04": "insufficient funds",
    "AC04": "account closed",
    "MD06": "the holder wants the money back",
}
"""What a return code says (NACHA operating rules, appendix four; ISO 20022 external code sets)."""

BANKS: Final[dict[str, str]] = {
    "110000000": "TEST BANK",
    "AT19043": "TEST BANK AUSTRIA",
    "DE37040044": "TEST BANK GERMANY",
}
"""The names of the simulated banks, by routing number or by country and bank code of an IBAN."""


def scenario_of(number: str) -> str:
    """How the simulated bank treats an account; one that is not in the table is confirmed."""
    return SCENARIOS.get(number, "confirmed")


def bank_of(number: str, routing_number: str | None) -> str | None:
    """The bank's name, or None where it is not in the directory."""
    if routing_number is not None:
        return BANKS.get(routing_number)
    codes = number[:2] + number[4:]
    return next((name for code, name in BANKS.items() if codes.startswith(code)), None)
