"""The state machine of a payment: what may be done when, and what it leads to.

Everything that is not in these tables is refused. `docs/payments.md` draws them. Pure: no I/O, no
clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """What a payment is at."""

    PENDING = "pending"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    VOIDED = "voided"
    FAILED = "failed"
    REFUNDED = "refunded"


class Operation(StrEnum):
    """What can happen to a payment: asked of a processor, or come about by itself."""

    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"
    EXPIRE = "expire"  # a hold ran out
    RETURN = "return"  # a bank transfer came back after it was confirmed
    REFUND_RETURN = "refund_return"  # a refund failed after it had succeeded


class CaptureMethod(StrEnum):
    """When a payment is captured: with its authorization, or later by one request or by many."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"
    MANUAL_MULTIPLE = "manual_multiple"


@dataclass(frozen=True, slots=True)
class Facts:
    """What decides between two states: amounts as they are once the operation has succeeded."""

    captured: int
    refunded: int
    is_held: bool  # whether any of the hold is left


class Refused(Exception):
    """The operation is not allowed in this state."""

    def __init__(self, operation: Operation, status: Status) -> None:
        super().__init__(f"a payment that is {status} cannot {operation}")
        self.operation = operation
        self.status = status


@dataclass(frozen=True, slots=True)
class Rule:
    """Where an operation's success leads to when a condition holds; `when` is the condition."""

    when: str
    holds: Callable[[Facts], bool]
    to: Status


_RELEASED = (
    Rule("nothing was captured", lambda facts: facts.captured == 0, Status.VOIDED),
    Rule("a part was captured", lambda facts: facts.captured > 0, Status.CAPTURED),
)

SUCCESS: dict[tuple[Status, Operation], tuple[Rule, ...]] = {
    (Status.PENDING, Operation.AUTHORIZE): (
        Rule("manual capture", lambda facts: facts.is_held, Status.AUTHORIZED),
        Rule("automatic capture", lambda facts: not facts.is_held, Status.CAPTURED),
    ),
    (Status.AUTHORIZED, Operation.CAPTURE): (
        Rule("more may follow", lambda facts: facts.is_held, Status.AUTHORIZED),
        Rule("final", lambda facts: not facts.is_held, Status.CAPTURED),
    ),
    (Status.AUTHORIZED, Operation.VOID): _RELEASED,
    (Status.AUTHORIZED, Operation.EXPIRE): _RELEASED,
    (Status.CAPTURED, Operation.REFUND): (
        Rule("a part", lambda facts: facts.refunded < facts.captured, Status.CAPTURED),
        Rule("all", lambda facts: facts.refunded == facts.captured, Status.REFUNDED),
    ),
    (Status.CAPTURED, Operation.RETURN): (Rule("", lambda _: True, Status.FAILED),),
    (Status.REFUNDED, Operation.RETURN): (Rule("", lambda _: True, Status.FAILED),),
    (Status.CAPTURED, Operation.REFUND_RETURN): (Rule("", lambda _: True, Status.CAPTURED),),
    (Status.REFUNDED, Operation.REFUND_RETURN): (Rule("", lambda _: True, Status.CAPTURED),),
    # A refund that was under way as the bank took the payment back.
    (Status.FAILED, Operation.REFUND): (Rule("", lambda _: True, Status.FAILED),),
    (Status.FAILED, Operation.REFUND_RETURN): (Rule("", lambda _: True, Status.FAILED),),
}

FAILURE: dict[tuple[Status, Operation], Status] = {
    (Status.PENDING, Operation.AUTHORIZE): Status.FAILED,
    # The hold and the money stay as they are: it may be tried again.
    (Status.AUTHORIZED, Operation.CAPTURE): Status.AUTHORIZED,
    (Status.AUTHORIZED, Operation.VOID): Status.AUTHORIZED,
    (Status.CAPTURED, Operation.REFUND): Status.CAPTURED,
    (Status.FAILED, Operation.REFUND): Status.FAILED,
}

ONLY_DECIDED = frozenset({(Status.FAILED, Operation.REFUND)})
"""What does not begin in a state, but may have begun in another and is decided in this one."""


def check_allowed(status: Status, operation: Operation) -> None:
    """Raise Refused unless the operation may begin in this state."""
    if (status, operation) not in SUCCESS or (status, operation) in ONLY_DECIDED:
        raise Refused(operation, status)


def succeeded(status: Status, operation: Operation, facts: Facts) -> Status:
    """The state after the operation succeeded; raise Refused where it is not allowed."""
    if (status, operation) not in SUCCESS:
        raise Refused(operation, status)
    matching = [rule.to for rule in SUCCESS[status, operation] if rule.holds(facts)]
    assert len(matching) == 1, "the rules of a transition exclude each other and cover everything"
    return matching[0]


def failed(status: Status, operation: Operation) -> Status:
    """The state after the operation failed for good; raise Refused where it is not allowed."""
    try:
        return FAILURE[status, operation]
    except KeyError:
        raise Refused(operation, status) from None
