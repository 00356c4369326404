"""Which payments `payment.review` is about, as the catalogue says it."""

from __future__ import annotations

import re

from paywright.events.catalogue import PaymentReview
from paywright.fraud.rules import UNAVAILABLE, Facts, assess, needs_review


def test_the_catalogue_names_the_flags_that_are_for_review() -> None:
    every = {
        flag: assessment.declines
        for assessment in (
            UNAVAILABLE,
            assess(Facts(100_000, 0, "normal")),
            assess(Facts(5_000, 0, "normal")),
            assess(Facts(1, 21, "normal")),
            assess(Facts(1, 101, "normal")),
            assess(Facts(1, 0, "elevated")),
            assess(Facts(1, 0, "highest")),
        )
        for flag in assessment.flags
    }
    assert len(every) == 7, "one of each"
    for_review = {flag for flag in every if needs_review([flag])}
    assert for_review == set(re.findall(r"`(\w+)`", PaymentReview.__doc__ or ""))
    assert not any(every[flag] for flag in for_review), "what is declined is not reviewed"
