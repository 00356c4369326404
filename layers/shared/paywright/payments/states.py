"""The state machine of a payment: what may be done when, and what it leads to.

Everything that is not in the table is refused. Pure: no I/O, no clock.
"""

from __future__ import annotations

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
    """What can be asked of a processor for a payment."""

    AUTHORIZE = "authorize"
    CAPTURE = "capture"


class CaptureMethod(StrEnum):
    """When a payment is captured: with its authorization, or by a later request."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"


class Refused(Exception):
    """The operation is not allowed in this state."""

    def __init__(self, operation: Operation, status: Status) -> None:
        super().__init__(f"a payment that is {status} cannot {operation}")
        self.operation = operation
        self.status = status


_SUCCESS: dict[tuple[Status, Operation, CaptureMethod], Status] = {
    (Status.PENDING, Operation.AUTHORIZE, CaptureMethod.AUTOMATIC): Status.CAPTURED,
    (Status.PENDING, Operation.AUTHORIZE, CaptureMethod.MANUAL): Status.AUTHORIZED,
    (Status.AUTHORIZED, Operation.CAPTURE, CaptureMethod.MANUAL): Status.CAPTURED,
}
_FAILURE: dict[tuple[Status, Operation], Status] = {
    (Status.PENDING, Operation.AUTHORIZE): Status.FAILED,
    (Status.AUTHORIZED, Operation.CAPTURE): Status.AUTHORIZED,  # the hold stays: try again
}


def succeeded(status: Status, operation: Operation, method: CaptureMethod) -> Status:
    """The state after the operation succeeded; raise Refused where it is not allowed."""
    try:
        return _SUCCESS[status, operation, method]
    except KeyError:
        raise Refused(operation, status) from None


def failed(status: Status, operation: Operation) -> Status:
    """The state after the operation failed for good; raise Refused where it is not allowed."""
    try:
        return _FAILURE[status, operation]
    except KeyError:
        raise Refused(operation, status) from None
