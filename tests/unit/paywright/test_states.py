"""The state machine: what is drawn is allowed, everything else is refused."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paywright.payments.states import (
    FAILURE,
    ONLY_DECIDED,
    SUCCESS,
    Facts,
    Operation,
    Refused,
    Status,
    check_allowed,
    failed,
    succeeded,
)

_HELD, _ALL, _NOTHING = Facts(0, 0, True), Facts(100, 0, False), Facts(0, 0, False)

_DRAWN = [
    ("pending", "authorize", _HELD, "authorized"),
    ("pending", "authorize", _ALL, "captured"),
    ("authorized", "capture", Facts(40, 0, True), "authorized"),
    ("authorized", "capture", _ALL, "captured"),
    ("authorized", "void", _NOTHING, "voided"),
    ("authorized", "void", Facts(40, 0, False), "captured"),
    ("authorized", "expire", _NOTHING, "voided"),
    ("authorized", "expire", Facts(40, 0, False), "captured"),
    ("captured", "refund", Facts(100, 99, False), "captured"),
    ("captured", "refund", Facts(100, 100, False), "refunded"),
    ("captured", "return", _ALL, "failed"),
    ("refunded", "return", Facts(100, 100, False), "failed"),
    ("captured", "refund_return", Facts(100, 0, False), "captured"),
    ("refunded", "refund_return", Facts(100, 60, False), "captured"),
    ("failed", "refund", Facts(100, 60, False), "failed"),
    ("failed", "refund_return", Facts(100, 0, False), "failed"),
]
_FAILS = {
    ("pending", "authorize"): "failed",
    ("authorized", "capture"): "authorized",
    ("authorized", "void"): "authorized",
    ("captured", "refund"): "captured",
    ("failed", "refund"): "failed",
}


@pytest.mark.parametrize(("status", "operation", "facts", "to"), _DRAWN)
def test_success(status: str, operation: str, facts: Facts, to: str) -> None:
    assert succeeded(Status(status), Operation(operation), facts) == to


def test_nothing_else_is_drawn() -> None:
    drawn = {(status, operation) for status, operation, _, _ in _DRAWN}
    assert set(SUCCESS) == drawn
    assert set(FAILURE) == set(_FAILS)


@pytest.mark.parametrize(("status", "operation"), list(product(Status, Operation)))
def test_everything_else_is_refused(status: Status, operation: Operation) -> None:
    if (status, operation) not in SUCCESS or (status, operation) in ONLY_DECIDED:
        with pytest.raises(Refused) as refused:
            check_allowed(status, operation)
        assert refused.value.status is status
    if (status, operation) not in SUCCESS:
        with pytest.raises(Refused):
            succeeded(status, operation, _ALL)
    if (status.value, operation.value) in _FAILS:
        assert failed(status, operation) == _FAILS[status.value, operation.value]
    else:
        with pytest.raises(Refused):
            failed(status, operation)


@given(st.sampled_from(sorted(SUCCESS)), st.integers(0, 100), st.integers(0, 100), st.booleans())
def test_the_rules_of_a_transition_exclude_each_other(
    transition: tuple[Status, Operation], captured: int, refunded: int, is_held: bool
) -> None:
    facts = Facts(captured, min(captured, refunded), is_held)
    assert succeeded(*transition, facts) in Status
