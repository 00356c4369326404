"""Makes docs/payments.md: what can be done with a payment, drawn from the tables in the code."""

# ruff: noqa: E501 - prose is as wide as in the other pages

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from paywright.payments.lifetimes import BY_BRAND, DEFAULT
from paywright.payments.recovery import LOOK_AGAIN_AFTER
from paywright.payments.states import FAILURE, ONLY_DECIDED, SUCCESS, Status

_INTRODUCTION: Final = """\
# Payments

What can be done with a payment, and what it leads to. Everything that is not drawn here is refused with 409
and a code that says why.

"""

_REST: Final = """
## Operations

| request | what it does |
|---|---|
| `POST /v1/payments` | charges, or holds with `capture: false`; `capture_method: "manual_multiple"` lets a hold be captured in parts |
| `POST /v1/payments/{id}/capture` | takes all that is held or `amount` of it. The rest is released, unless more captures may follow: then `final: true` releases it. Where none may follow, `final: false` is refused |
| `POST /v1/payments/{id}/void` | releases the hold, or what captures left of it |
| `POST /v1/payments/{id}/refund` | gives back all that is left or `amount` of it; answers the payment, with the new `refund` in it |
| `GET /v1/payments/{id}/refunds`, `GET /v1/refunds/{id}` | refunds: `pending`, `succeeded` or `failed` |

While one capture or void of a payment is undecided, no other begins. Refunds do not exclude each other: each
takes its amount from what can be refunded before the processor is asked (`pending_refund_amount`), so that
together they never give back more than was captured. The database has the last word: a CHECK.

A hold that is captured in parts can be refunded once it is `captured`: after a final capture, after a void of
its rest, or when it has expired. Until then a refund is refused with 409 `payment_not_refundable`, whatever
was captured.

A refund of a converted payment takes the same share of what the captures came to in the merchant's currency;
the refund of the last part takes the exact rest. The fee stays, unless the merchant's plan returns its
percentage: then each refund returns its share of it.

## How long a hold lasts

`expires_at` says it. Then the hold is released by itself (`void_reason: "expired"`, event `payment.expired`);
a capture that was on its way by then is decided first, one that comes later is refused.

| card | days |
|---|---|
"""

_UNKNOWN: Final = """
## When the answer does not come

An operation is written down before the processor is asked, and its outcome after. When no answer comes the
payment (or the refund) is `pending` with `pending_reason: "processor_unknown"`, and the answer says so. It is
never called failed before that is known.

Once all timeouts have passed, the processor is asked what became of the operation. Found: that is the
outcome. Not found: it is reversed under its own id, so that a request still on its way does nothing either,
and is looked up again {pauses} later; only then is it called failed. A processor that cannot be asked is told to
reverse at once. What is undecided after half a day of attempts is left to a person: `paywright operations list`
shows it, and `paywright operations retry` has it looked at again.

What is found out later is what would have been written at once: a capture is converted at the rate that it was
begun with, and a hold lasts from its authorization.

Banks answer within days (`pending_reason: "bank_transfer"`), and so do some refunds
(`"processor_pending"`): a notice of theirs decides. What they confirmed may still come back; the payment is
then `failed`, and the merchant's balance bears it.

## Keys

Every POST takes an `Idempotency-Key`; a payment needs one. The same key and request give the same answer, byte
for byte, with `Idempotent-Replayed: true`, for 24 hours of business time. A request is the same when its method
and path are and its body says the same, in whatever order; any other one is refused with 400
`idempotency_key_reused`. A refusal is not kept: the next try is a new one.

A key whose operation is undecided never expires and never starts a second one. Until there is an answer it gives
409 with `Retry-After`. Where the answer was `pending` it stays that for this key, also once the payment is
captured or has failed: what became of it is told by `GET` and by event. The 24 hours begin when it is decided.
What came first is in PostgreSQL; Valkey makes it faster.

## Nothing half-written

A request that is refused leaves one row in the audit log (`request_refused`) and nothing else: which request
it was, with which code, and which field was wrong. A decline leaves its operation's row instead. Not noted are
requests that only read, those whose API key is not valid or whose merchant is not active when they arrive, those
beyond the rate limit, those that are only too early and come again after `Retry-After`
(`idempotency_key_in_progress`, `operation_in_progress`), and what fails on our side (5xx).
"""


def payments_page(note: str) -> str:
    """The page; `note` says that it is made."""
    return "\n".join(
        [
            note,
            "",
            _INTRODUCTION + "```mermaid",
            *_diagram(),
            "```",
            "",
            "| at | what | leads to |",
            "|---|---|---|",
            *_rows(),
            _REST.rstrip("\n"),
            *_lifetimes(),
            _UNKNOWN.replace("{pauses}", _pauses()).rstrip("\n"),
            "",
        ]
    )


def _diagram() -> Iterator[str]:
    yield "stateDiagram-v2"
    yield f"    [*] --> {Status.PENDING}"
    for (status, operation), rules in SUCCESS.items():
        for rule in rules:
            said = f"{operation}: {rule.when}" if rule.when else str(operation)
            yield f"    {status} --> {rule.to}: {said.replace(':', ',')}"
    for (status, operation), to in FAILURE.items():
        if to is not status:
            yield f"    {status} --> {to}: {operation} fails"


def _rows() -> Iterator[str]:
    for (status, operation), rules in SUCCESS.items():
        begun = " (begun before)" if (status, operation) in ONLY_DECIDED else ""
        for rule in rules:
            yield f"| `{status}` | {operation}{begun}: {rule.when or 'always'} | `{rule.to}` |"
    for (status, operation), to in FAILURE.items():
        yield f"| `{status}` | {operation} fails | `{to}` |"


def _lifetimes() -> Iterator[str]:
    for (brand, off_session), lifetime in BY_BRAND.items():
        kind = "without the customer (`off_session`)" if off_session else "with the customer"
        yield f"| {brand}, {kind} | {lifetime.days} |"
    yield f"| every other | {DEFAULT.days} |"


def _pauses() -> str:
    hours = [pause.total_seconds() / 3600 for pause in LOOK_AGAIN_AFTER]
    words = [f"{hour * 60:g} minutes" if hour < 1 else f"{hour:g} h" for hour in hours]
    return ", ".join(words[:-1]) + f" and {words[-1]}"
