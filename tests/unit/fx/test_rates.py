"""Converting with a spread, and sharing what was converted among refunds."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paywright.fx.rates import Rate, convert, refund_share
from paywright.money import Currency, Money

EUR, USD, JPY = Currency.of("eur"), Currency.of("usd"), Currency.of("jpy")
AT = datetime(2026, 11, 25, tzinfo=UTC)


def rate(value: str) -> Rate:
    return Rate(Decimal(value), "test", AT)


@pytest.mark.parametrize(
    ("captured", "value", "spread_bps", "settled", "spread"),
    [
        (10_000, "1.1172", 0, 11_172, 0),
        (10_000, "1.1172", 100, 11_172, 112),
        (10_000, "1.1150", 100, 11_150, 112),  # 111.5: a tie goes to the even neighbour
        (10_000, "1.1250", 100, 11_250, 112),  # 112.5: the same
        (1, "0.004", 1_000, 0, 0),
    ],
)
def test_the_spread_is_a_share_of_the_mid_value(
    captured: int, value: str, spread_bps: int, settled: int, spread: int
) -> None:
    conversion = convert(Money(captured, EUR), USD, rate(value), spread_bps)
    assert conversion.rate == Decimal(value)
    assert (conversion.settled, conversion.spread) == (Money(settled, USD), Money(spread, USD))


@given(
    st.integers(0, 10**15),
    st.lists(st.integers(1, 10**9), min_size=1, max_size=30),
)
def test_refunds_sum_exactly_back(settled: int, parts: list[int]) -> None:
    captured = sum(parts)
    refunded = given_back = 0
    for part in parts:
        share = refund_share(
            Money(settled, USD),
            Money(captured, JPY),
            Money(refunded, JPY),
            Money(given_back, USD),
            Money(part, JPY),
        )
        exact = Decimal(settled) * part / captured
        assert share.currency == USD
        assert share.amount >= 0
        assert abs(share.amount - exact) <= 1
        refunded, given_back = refunded + part, given_back + share.amount
    assert given_back == settled


@given(st.integers(0, 10_000), st.integers(1, 1_000), st.data())
def test_refunds_that_fail_after_all_leave_nothing_over(
    settled: int, captured: int, data: st.DataObject
) -> None:
    standing: list[tuple[int, int]] = []
    for _ in range(20):
        refunded = sum(part for part, _ in standing)
        given_back = sum(share for _, share in standing)
        if data.draw(st.booleans(), label="one fails") and standing:
            standing.pop(data.draw(st.integers(0, len(standing) - 1), label="which"))
            continue
        if refunded == captured:
            break
        part = data.draw(st.integers(1, captured - refunded), label="refund")
        share = refund_share(
            Money(settled, USD),
            Money(captured, EUR),
            Money(refunded, EUR),
            Money(given_back, USD),
            Money(part, EUR),
        ).amount
        assert 0 <= share <= settled - given_back
        if refunded + part == captured:
            assert given_back + share == settled
        standing.append((part, share))


@pytest.mark.parametrize("amount", [0, -1, 51])
def test_a_refund_beyond_the_rest_has_no_share(amount: int) -> None:
    with pytest.raises(ValueError, match="at most the rest"):
        refund_share(
            Money(100, USD), Money(90, EUR), Money(40, EUR), Money(44, USD), Money(amount, EUR)
        )


def test_shares_are_exact_beyond_28_digits() -> None:
    share = refund_share(
        Money(9 * 10**18, JPY),
        Money(99_999_999_999, EUR),
        Money(0, EUR),
        Money(0, JPY),
        Money(99_999_999_998, EUR),
    )
    assert share.amount == 8_999_999_999_910_000_000


def test_a_share_is_not_negative_after_a_larger_refund_failed() -> None:
    # One cent was settled. A refund of 50 took none of it, the next of 1 took it, the first failed.
    share = refund_share(
        Money(1, USD), Money(100, JPY), Money(1, JPY), Money(1, USD), Money(1, JPY)
    )
    assert share.amount == 0
