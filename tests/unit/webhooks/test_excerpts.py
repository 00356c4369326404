"""What is kept of a receiver's answer."""

from __future__ import annotations

import re

import pytest

from paywright.processors.test_cards import SCENARIOS
from paywright.webhooks.excerpt import EXCERPT_BYTES, excerpt


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b"", ""),
        (b"ok\n\tfine\r\n", "ok\n\tfine\r\n"),
        ("Zoë ☕".encode(), "Zoë ☕"),
        (b"\xff\xfe\x00", "\N{REPLACEMENT CHARACTER}" * 3),
        (b"\x1b[31mred\x7f", "\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}"),
        (b'{"number":"4242424242424242"}', '{"number":"************4242"}'),
        (b"4242 4242 4242 4242", "************4242"),
        (b"3782-822463-10005", "***********0005"),
        (b"1234567890123456789012345", "*" * 25),
        (
            b"at 2026-11-25T20:15:04.118Z, 99999999999 cents",
            "at 2026-11-25T20:15:04.118Z, 99999999999 cents",
        ),
    ],
)
def test_an_answer_becomes_text_that_can_be_kept_and_shown(body: bytes, kept: str) -> None:
    assert excerpt(body) == kept


@pytest.mark.parametrize("gap", ["", " ", "-", ".", "  "])
def test_no_test_card_is_kept_wherever_the_excerpt_ends(gap: str) -> None:
    for number in SCENARIOS:
        written = gap.join(re.findall("[0-9]{1,4}", number))
        for before in range(EXCERPT_BYTES - 25, EXCERPT_BYTES + 1):
            kept = excerpt(b"x" * before + written.encode() + b"y" * 100)
            assert len(kept.encode()) <= EXCERPT_BYTES
            shown = kept.strip("xy").replace("*", "")
            assert len(shown) <= 4, (number, before)


@pytest.mark.parametrize("body", [b"\xff", "☕".encode(), b"x"])
def test_at_most_4_kb_are_kept_as_utf_8(body: bytes) -> None:
    kept = excerpt(body * 10_000)
    assert 4096 - 3 <= len(kept.encode()) <= 4096
