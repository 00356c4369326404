"""docs/fx.md says what the code does."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from paywright.fx.pegs import PEGS
from paywright.fx.tables import parse
from paywright.money import all_currencies

PAGE = (Path(__file__).parents[3] / "docs" / "fx.md").read_text()
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def test_every_answer_that_the_page_shows_is_read() -> None:
    tables = [text for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL) if "base" in text]
    assert len(tables) == 3
    for text in tables:
        assert parse(text, source="live", now=NOW).units


def test_the_pegs_are_those_of_the_page() -> None:
    listed = dict(re.findall(r"^\| ([a-z]{3}) \| (.+) \|$", PAGE, re.MULTILINE))
    assert listed == {code: peg.source for code, peg in PEGS.items()}
    for peg in PEGS.values():
        assert str(peg.units if peg.dollars == 1 else peg.dollars) in peg.source


def test_the_page_counts_the_currencies() -> None:
    assert f"({len(all_currencies())} of them" in PAGE
