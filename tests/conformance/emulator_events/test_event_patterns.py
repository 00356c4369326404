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


_STATE = "event-ruler, JsonRuleCompiler.processAnythingButListMatchExpression"
_RANGE = "event-ruler, JsonRuleCompiler.completeNumericRange and Range.ensureValidRange"
_BOUND = "event-ruler, ComparableNumber.generate"
_REFUSED = [
    ({"anything-but": ["a", 1]}, _STATE),
    ({"anything-but": [1, "a", 2]}, _STATE),
    ({"anything-but": []}, _STATE),
    ({"anything-but": [True]}, _STATE),
    ({"anything-but": 1e12}, _BOUND),
    ({"anything-but": [1, -6e11]}, _BOUND),
    ({"numeric": [">", 5, "<", 5]}, _RANGE),
    ({"numeric": [">=", 5, "<=", 5]}, _RANGE),
    ({"numeric": [">", 6, "<", 5]}, _RANGE),
    ({"numeric": ["<", 5, ">", 1]}, _RANGE),
    ({"numeric": ["<=", 5, ">=", 1]}, _RANGE),
    ({"numeric": [">", 1, ">", 2]}, _RANGE),
    ({"numeric": ["=", 1, "=", 2]}, _RANGE),
    ({"numeric": [">", 1, "=", 2]}, _RANGE),
    ({"numeric": [">", 1, "<", 2, "<", 3]}, _RANGE),
    ({"numeric": [">", 500_000_000_001]}, _BOUND),
    ({"numeric": ["<", True]}, _RANGE),
    ({"numeric": []}, _RANGE),
]


@pytest.mark.parametrize(("operator", "source"), _REFUSED)
def test_refused(operator: Any, source: str) -> None:
    assert source
    for pattern in ({"detail": {"n": [operator]}}, {"detail": {"n": ["x", operator]}}):
        with pytest.raises(PatternError):
            compile_pattern(pattern)


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ({"numeric": [">=", 5, "<", 5.000001]}, 5, True),
        ({"numeric": [">", -5e11, "<=", 5e11]}, 5e11, True),
        ({"prefix": ""}, "any", True),
        ({"suffix": ""}, 1, False),
        ({"exactly": "x"}, "x", True),
        ({"exactly": "x"}, "xy", False),
        ({"anything-but": [1, 2.5]}, "a", True),
        ({"anything-but": [1, 2.5]}, 2.5, False),
    ],
)
def test_accepted(operator: Any, value: Any, expected: bool) -> None:
    """event-ruler, JsonRuleCompiler.processMatchExpression."""
    assert compile_pattern({"n": [operator]})({"n": value}) is expected


def test_or_with_operators_is_a_field() -> None:
    """event-ruler, README, "The $or Primitive": a name of an operator makes it a plain field."""
    matches = compile_pattern({"$or": [{"prefix": "a"}, {"numeric": ["=", 1]}]})
    assert matches({"$or": "abc"})
    assert not matches({"x": "abc"})


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
