"""The state machine: what is drawn is allowed, everything else is refused."""

from __future__ import annotations

from itertools import product

import pytest

from paywright.payments.states import (
    CaptureMethod,
    Operation,
    Refused,
    Status,
    failed,
    succeeded,
)

_DRAWN = {
    ("pending", "authorize", "automatic"): "captured",
    ("pending", "authorize", "manual"): "authorized",
    ("authorized", "capture", "manual"): "captured",
}


@pytest.mark.parametrize(
    ("status", "operation", "method"), list(product(Status, Operation, CaptureMethod))
)
def test_success(status: Status, operation: Operation, method: CaptureMethod) -> None:
    expected = _DRAWN.get((status.value, operation.value, method.value))
    if expected is None:
        with pytest.raises(Refused) as refused:
            succeeded(status, operation, method)
        assert refused.value.status is status
    else:
        assert succeeded(status, operation, method) == expected


@pytest.mark.parametrize(("status", "operation"), list(product(Status, Operation)))
def test_failure(status: Status, operation: Operation) -> None:
    expected = {("pending", "authorize"): "failed", ("authorized", "capture"): "authorized"}
    if (status.value, operation.value) in expected:
        assert failed(status, operation) == expected[status.value, operation.value]
    else:
        with pytest.raises(Refused):
            failed(status, operation)
