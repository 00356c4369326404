"""Event patterns: which events a rule or a filter lets through.

Sources: Amazon EventBridge User Guide, "Creating Amazon EventBridge event patterns" and "Comparison
operators for use in event patterns"; what is refused, event-ruler's JsonRuleCompiler and Range.
"""

from __future__ import annotations

import ipaddress
import itertools
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Matcher = Callable[[Mapping[str, Any]], bool]
"""Whether an event matches."""

_Leaf = Callable[[Sequence[Any]], bool]
"""Whether the scalars at a pattern's key match; none of them means that the key is absent."""
_Scalar = Callable[[Any], bool]

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FARTHEST = 5e11
"""Numbers are compared to here only (event-ruler, ComparableNumber; the guide still says 5.0e9)."""
_OPERATORS = frozenset(
    ("exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists", "wildcard")
) | {"numeric", "cidr", *_COMPARISONS}
_MAX_WILDCARDS = 5
"""AWS computes a pattern's complexity; with six stars in one text it was seen to refuse."""


class PatternError(ValueError):
    """The event pattern is not valid; the message says why."""


def compile_pattern(pattern: Any) -> Matcher:
    """Return the pattern as a function; raise PatternError for one that AWS would refuse."""
    matches = compile_for_nested(pattern)
    return lambda event: matches(nested(event))


def compile_for_nested(pattern: Any) -> Matcher:
    """Return the same for events that `nested` gives, so that many patterns share its work."""
    if not isinstance(pattern, Mapping) or not pattern:
        raise PatternError("an event pattern is an object that is not empty")
    return _object(nested(pattern))


def nested(value: Any) -> Any:
    """Return the value with `{"a.b": c}` written as `{"a": {"b": c}}`: to AWS they are the same."""
    return _rewritten(value) if _has_dots(value) else value


def _has_dots(value: Any) -> bool:
    if isinstance(value, (str, int, float)):
        return False  # most values are, and asking for a Mapping is slow
    if isinstance(value, Mapping):
        return any("." in key or _has_dots(item) for key, item in value.items())
    return isinstance(value, list) and any(map(_has_dots, value))


def _rewritten(value: Any) -> Any:
    if isinstance(value, list):
        return [_rewritten(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    result: dict[str, Any] = {}
    for key, item in value.items():
        *parents, last = key.split(".")
        place = result
        for parent in parents:
            inner = place.setdefault(parent, {})
            place = inner if isinstance(inner, dict) else {}
        place[last] = _rewritten(item)
    return result


def _object(pattern: Mapping[str, Any]) -> Matcher:
    if not pattern:
        raise PatternError("empty objects are not allowed")
    conditions = [_condition(key, value) for key, value in pattern.items()]
    return lambda event: all(condition(event) for condition in conditions)


def _condition(key: str, value: Any) -> Matcher:
    if _is_choice(key, value):
        choices = [_object(choice) for choice in value]
        return lambda event: any(choice(event) for choice in choices)
    if isinstance(value, Mapping):
        inner = _object(value)
        return lambda event: any(inner(child) for child in _objects(event.get(key)))
    if not isinstance(value, list):
        raise PatternError(f'"{key}" must be an object or an array')
    if not value:
        raise PatternError("empty arrays are not allowed")
    leaves = [_leaf(item) for item in value]

    def matches(event: Mapping[str, Any]) -> bool:
        found = _scalars(event[key]) if key in event else []
        return any(leaf(found) for leaf in leaves)

    return matches


def _is_choice(key: str, value: Any) -> bool:
    """Whether this is `$or` and no field of that name: two objects or more, without operators."""
    return (
        key == "$or"
        and isinstance(value, list)
        and len(value) > 1
        and all(isinstance(item, Mapping) and not _OPERATORS & item.keys() for item in value)
    )


def _objects(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects at a key; an empty one for what is not there, where nothing exists."""
    children = value if isinstance(value, list) else [value]
    return [child for child in children if isinstance(child, Mapping)] or [{}]


def _scalars(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [scalar for item in value for scalar in _scalars(item)]
    return [] if isinstance(value, Mapping) else [value]


def _leaf(item: Any) -> _Leaf:
    if isinstance(item, Mapping):
        if len(item) != 1:
            raise PatternError("an operator is an object with one key")
        ((name, operand),) = item.items()
        if name == "exists":
            if not isinstance(operand, bool):
                raise PatternError("exists match pattern must be either true or false")
            return lambda found: bool(found) is operand
        test = _operator(name, operand)
    else:
        test = _equal(item)
    return lambda found: any(test(scalar) for scalar in found)


def _operator(name: str, operand: Any) -> _Scalar:
    if name == "anything-but":
        return _anything_but(operand)
    if name == "numeric":
        return _numeric(operand)
    if name == "cidr":
        return _cidr(operand)
    if name == "exactly" and isinstance(operand, str):
        return _equal(operand)
    if name in ("prefix", "suffix", "equals-ignore-case", "wildcard"):
        return _text_operator(name, operand)
    raise PatternError(f"unrecognized match type {name}")


def _equal(wanted: Any) -> _Scalar:
    if isinstance(wanted, list):
        raise PatternError("a list within a list is not allowed")
    if _is_number(wanted):
        return lambda scalar: _is_number(scalar) and scalar == wanted
    return lambda scalar: type(scalar) is type(wanted) and scalar == wanted


def _anything_but(operand: Any) -> _Scalar:
    if isinstance(operand, Mapping) and len(operand) == 1:
        ((name, inner),) = operand.items()
        if name not in ("prefix", "suffix", "equals-ignore-case", "wildcard"):
            raise PatternError(f"anything-but does not support {name}")
        items = inner if isinstance(inner, list) else [inner]
        if name in ("prefix", "suffix") and "" in items:
            raise PatternError("an empty prefix or suffix is not allowed in anything-but")
        tests = [_text_operator(name, item) for item in items]
    else:
        items = operand if isinstance(operand, list) else [operand]
        if any(isinstance(item, (Mapping, list, bool)) or item is None for item in items):
            raise PatternError("inside anything-but, only texts and numbers are supported")
        if len({isinstance(item, str) for item in items}) > 1:
            raise PatternError("anything-but takes either texts or numbers, not both in one list")
        for item in items:
            _check_bound(item)
        tests = [_equal(item) for item in items]
    if not tests:
        raise PatternError("anything-but must not be empty")
    return lambda scalar: not any(test(scalar) for test in tests)


def _text_operator(name: str, operand: Any) -> _Scalar:
    if name in ("prefix", "suffix") and isinstance(operand, Mapping):
        folded = operand.get("equals-ignore-case")
        if len(operand) != 1 or not isinstance(folded, str):
            raise PatternError(f"{name} match pattern must be a string")
        test = _text_operator(name, folded.casefold())
        return lambda scalar: isinstance(scalar, str) and test(scalar.casefold())
    if not isinstance(operand, str):
        raise PatternError(f"{name} match pattern must be a string")
    if name == "wildcard":
        regular = _wildcard(operand)
        return lambda scalar: isinstance(scalar, str) and regular.fullmatch(scalar) is not None
    if name == "equals-ignore-case":
        wanted = operand.casefold()
        return lambda scalar: isinstance(scalar, str) and scalar.casefold() == wanted
    if name == "prefix":
        return lambda scalar: isinstance(scalar, str) and scalar.startswith(operand)
    return lambda scalar: isinstance(scalar, str) and scalar.endswith(operand)


def _wildcard(text: str) -> re.Pattern[str]:
    parts = re.findall(r"\\[*\\]|\*|[^*\\]+|\\", text)
    stars = parts.count("*")
    if any(pair == ("*", "*") for pair in itertools.pairwise(parts)):
        raise PatternError("consecutive wildcard characters are not allowed")
    if "\\" in parts:
        raise PatternError("a backslash must be followed by * or a backslash")
    if stars > _MAX_WILDCARDS:
        raise PatternError("the pattern is too complex: use fewer wildcard characters")
    literal = (".*" if part == "*" else re.escape(part.removeprefix("\\")) for part in parts)
    return re.compile("".join(literal), re.DOTALL)


def _numeric(operand: Any) -> _Scalar:
    if not isinstance(operand, list):
        raise PatternError("the value of numeric must be an array")
    pairs = list(zip(operand[::2], operand[1::2], strict=False))
    is_whole = len(operand) in (2, 4) and all(
        name in _COMPARISONS and _is_number(bound) for name, bound in pairs
    )
    if not is_whole:
        raise PatternError("numeric takes one or two comparisons, each with a number")
    for _, bound in pairs:
        _check_bound(bound)
    if len(pairs) == 2:
        (lower, bottom), (upper, top) = pairs
        if lower not in (">", ">=") or upper not in ("<", "<="):
            raise PatternError("a numeric range is > or >=, then < or <=")
        if bottom >= top:
            raise PatternError("the bottom of a numeric range must be less than its top")
    return lambda scalar: (
        _is_number(scalar) and all(_COMPARISONS[name](scalar, bound) for name, bound in pairs)
    )


def _check_bound(value: Any) -> None:
    if _is_number(value) and not -_FARTHEST <= value <= _FARTHEST:
        raise PatternError("numbers must be between -5.0E11 and 5.0E11, inclusive")


def _cidr(operand: Any) -> _Scalar:
    try:
        network = ipaddress.ip_network(operand, strict=False) if "/" in operand else None
    except (TypeError, ValueError):
        network = None
    if network is None:
        raise PatternError(f"{operand!r} is not a network such as 10.0.0.0/24")

    def matches(scalar: Any) -> bool:
        try:
            return isinstance(scalar, str) and ipaddress.ip_address(scalar) in network
        except ValueError:
            return False

    return matches


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
