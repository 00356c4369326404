"""Lengths of time as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cli.clock import duration, words
from cli.errors import Failure


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("36h", timedelta(hours=36)),
        ("7d", timedelta(days=7)),
        ("2w", timedelta(weeks=2)),
        ("1d12h", timedelta(hours=36)),
        ("1D12H", timedelta(hours=36)),
        ("PT36H", timedelta(hours=36)),
        ("P1DT12H", timedelta(hours=36)),
        ("P2W", timedelta(weeks=2)),
        ("pt1m30s", timedelta(seconds=90)),
    ],
)
def test_lengths(text: str, expected: timedelta) -> None:
    assert duration(text) == expected


@pytest.mark.parametrize(
    "text", ["", "36", "h", "1x", "-1h", "1h-2m", "P", "PT", "P1M", "P1H", "1.5h", "1 h 2"]
)
def test_what_is_no_length(text: str) -> None:
    with pytest.raises(Failure, match="no length of time"):
        duration(text)


@pytest.mark.parametrize("text", ["0s", "0d0h", "PT0S"])
def test_nothing_is_no_step(text: str) -> None:
    with pytest.raises(Failure, match="only moves forward"):
        duration(text)


def test_a_length_beyond_all_reckoning_is_left_to_the_clock() -> None:
    assert duration("9" * 30 + "w") == timedelta.max


def test_words() -> None:
    assert words(timedelta(days=1, hours=12)) == "1d 12h"
    assert words(timedelta(minutes=61, seconds=5)) == "1h 1m 5s"
    assert words(timedelta(0)) == "0s"
