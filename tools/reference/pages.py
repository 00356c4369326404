"""Makes docs/errors.md and docs/testing.md from the errors and the test cards in the code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from paywright.errors import catalogue
from paywright.processors import test_accounts
from paywright.processors.test_cards import DESCRIPTIONS, SCENARIOS

NOTE: Final = "<!-- Made by `make docs`: change the code it is made from, not this page. -->"

_ERRORS: Final = """\
# Errors

Every error has the same form; fields that do not apply are left out:

```json
{"error": {"type": "card_error", "code": "card_declined", "message": "The card was declined.",
           "decline_code": "insufficient_funds", "payment_id": "txn_…", "request_id": "…",
           "doc_url": "…/docs/errors.md#card_declined"}}
```

Act on `type` and `code`; `message` is for people. `param` names the field at fault. Quote
`request_id` (also in the header `Request-Id`) when you ask about a request.

| type | what to do |
|---|---|
| `invalid_request_error` | mend the request; repeated as it is, it fails again; 402: declined |
| `authentication_error` | send a valid API key |
| `permission_error` | the key is right, but may not do this |
| `card_error` | ask the customer for another card; `decline_code` says why. Nothing was charged |
| `idempotency_error` | 409: repeat after `Retry-After`; 400: use a new key for a new request |
| `rate_limit_error` | repeat after `Retry-After` |
| `api_error` | repeat with the same `Idempotency-Key`, waiting longer each time |

## Codes
"""

_CARD_NUMBERS: Final = """
## Card numbers

A card's number goes into a payment method's `card` and nowhere else. Any other text that holds what
looks like one is refused with 400 `invalid_field` and not repeated; an `Idempotency-Key` that does
serves like any other, and only a keyed digest of it is kept. What looks like one is a number by
itself, in one piece or in groups, that begins as a card network's do, is as long and has the right
check digit, whatever date or security code stands beside it. Of other numbers of 16 digits one in
forty is like that, and one in eleven of those that begin with a day (`yyMMdd`) and go on at random.
None is what begins with a time (`yyMMddHHmmss`), or stands in groups of four behind a country and
two digits as in an IBAN; a letter right before it (`A4242…`) says that any other is none.

Names of fields and parameters are repeated where they are short, begin with a letter and have fewer
than eight digits; others are shown as `…`.
"""

_GATEWAY: Final = """
## Before a request reaches Paywright

What API Gateway refuses by itself has its own form, `{"message": "…"}`: an unknown route (404),
more than 10 MB (413), more requests a second than the whole API allows (429), no answer within
30 s, or more requests at once than a function's reserved concurrency lets through (503:
`{"message": "Service Unavailable"}`, without a `code`). A 503 leaves open what happened: repeat it
with the same `Idempotency-Key`, which charges once whatever became of the first try.
"""

_TESTING: Final = """\
# Testing

A test key (`sk_test_…`) reaches a simulated processor. Its cards behave by their number; any month
to come and any `cvc` will do.
"""

_TOKENIZING: Final = """
Every other valid number is approved. A number whose check digit is wrong (4242 4242 4242 4241) is
refused when the card is added, with 402 `invalid_card` and `incorrect_number`; so is a card whose
month is over, with `expired_card`.

Where no answer came in time the payment is `pending`, with `pending_reason` `processor_unknown`:
nobody knows yet. The platform asks the processor until it does, and an event tells. Where a request
never arrived that takes a day: it is reversed first, lest it still come. To have the day pass, type
`paywright clock advance 5m`, and `paywright clock advance 26h` once it is reversed, a few seconds
later: the day counts from there. These cards open no circuit breaker: that is for a processor that
is silent whatever the card (`SimulatorFailureRate`, below).

The processor keeps books of its own. It refuses what goes beyond them with `amount_exceeds_hold`,
`amount_exceeds_captured`, `already_captured`, `already_voided`, `not_captured`,
`currency_mismatch` or `charge_not_found`, whatever the platform thinks.

## Bank accounts

A debit of a bank account is `pending` until it is confirmed or returned: after four business days
in the US (ACH), after two in Europe (SEPA). Saturdays and Sundays do not count, and the days pass
with `paywright clock advance` too. American accounts go with the routing number 110000000.

"""

_TRANSFERRING: Final = """
Every other valid account is confirmed. An IBAN must have its country's length and check digits, a
routing number its own check digit; the currency is `eur` for an IBAN and `usd` in the US.

## A processor that is slow, or silent

On a laptop the simulated processors can be made worse, for all cards and accounts:

```sh
.venv/bin/paywright up --param SimulatorLatencyMs=100 --param SimulatorFailureRate=0.05
```

| parameter | |
| --- | --- |
| `SimulatorLatencyMs` | how long an answer takes |
| `SimulatorFailureRate` | the part of requests that get no answer in time, 0 to 1 |
| `ProcessorTimeoutS` | how long an answer is waited for |
| `SimulatorNoticeAfterS` | until a refund of the cards above ends, 3600 unless given |
| `AchBusinessDays`, `SepaBusinessDays` | until a debit is decided |

Of the requests without an answer to the card processor half were approved, and half declined with
`processing_error`. Which ones depends on the operation's id alone. Five in a row open the
processor's circuit breaker, as `--param SimulatorFailureRate=1` does at once: for 30 s all are
answered with 503 `processor_unavailable`, and nothing is written.
"""


def errors_page() -> str:
    """docs/errors.md: the errors by status and code, each with the anchor of its `doc_url`."""
    found = sorted(catalogue(), key=lambda error: (error.status, error.code))
    rows = (
        (f'<a id="{e.code}"></a>`{e.code}`', str(e.status), f"`{e.type}`", e().message)
        for e in found
    )
    table = _table(("code", "status", "type", "message"), rows)
    return f"{NOTE}\n\n{_ERRORS}\n{table}{_CARD_NUMBERS}{_GATEWAY}"


def testing_page() -> str:
    """docs/testing.md: the test cards and accounts, and what each of them does."""
    cards = ((_grouped(number), _happens(scenario)) for number, scenario in SCENARIOS.items())
    accounts = (
        (number, _becomes(scenario)) for number, scenario in test_accounts.SCENARIOS.items()
    )
    return (
        f"{NOTE}\n\n{_TESTING}\n{_table(('number', 'what happens'), cards)}{_TOKENIZING}"
        f"{_table(('account', 'what happens'), accounts)}{_TRANSFERRING}"
    )


def _happens(scenario: str) -> str:
    kind, _, decline_code = scenario.partition(":")
    return f"declined: `{decline_code}`" if kind == "declined" else DESCRIPTIONS[scenario]


def _becomes(scenario: str) -> str:
    kind, _, code = scenario.partition(":")
    if kind == "returned":
        return f"returned with `{code}`: {test_accounts.RETURN_CODES[code]}"
    if kind == "returned_later":
        reason = test_accounts.RETURN_CODES[code]
        return f"confirmed; as many days later it comes back with `{code}`: {reason}"
    return {
        "confirmed": "confirmed",
        "timeout": "no answer in time; a debit on its way can only be reversed",
    }[kind]


def _grouped(number: str) -> str:
    return " ".join(number[start : start + 4] for start in range(0, len(number), 4))


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [tuple(head), *(tuple(row) for row in rows)]
    lines.insert(1, ("---",) * len(lines[0]))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
