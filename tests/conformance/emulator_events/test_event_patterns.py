"""Event patterns against cases recorded on AWS (TestEventPattern; collected by LocalStack)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from emulator.patterns import PatternError, compile_pattern

FILE = Path(__file__).parent / "cases" / "event_patterns.json"
CASES = json.loads(FILE.read_text())["cases"]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_recorded(case: Any) -> None:
    if case["expected"] == "exception":
        with pytest.raises(PatternError):
            compile_pattern(case["pattern"])
    else:
        matches = compile_pattern(case["pattern"])
        assert matches(case["event"]) is (case["expected"] == "match")


@pytest.mark.parametrize(
    "pattern", [{}, [], "x", None, {"a": [[]]}, {"a": [{}]}, {"a": [{"no-such": 1}]}, {"$or": [{}]}]
)
def test_what_is_no_pattern(pattern: Any) -> None:
    with pytest.raises(PatternError):
        compile_pattern(pattern)


def test_arrays_of_objects_and_escaped_stars() -> None:
    nested = compile_pattern({"items": {"sku": ["b"], "n": [{"numeric": [">", 1]}]}})
    assert nested({"items": [{"sku": "a", "n": 5}, {"sku": "b", "n": 2}]})
    assert not nested({"items": [{"sku": "a", "n": 5}, {"sku": "b", "n": 1}]})
    star = compile_pattern({"a": [{"wildcard": r"x\**y"}]})
    assert star({"a": "x*--y"})
    assert not star({"a": "xx--y"})


def test_true_is_not_one() -> None:
    assert not compile_pattern({"a": [1]})({"a": True})
    assert not compile_pattern({"a": [True]})({"a": 1})
    assert compile_pattern({"a": [300]})({"a": 300.0})
