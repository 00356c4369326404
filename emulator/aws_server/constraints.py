"""What a service model asks of a request's members, and AWS's words for what breaks it.

Source: the messages of AWS's services, as SDKs' issues and LocalStack's snapshots quote them:
"1 validation error detected: Value 'x' at 'name' failed to satisfy constraint: Member must ...".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_NOTHING = object()


@dataclass(frozen=True)
class Constraint:
    """One member, by its path such as `Target.RetryPolicy.MaximumRetryAttempts`.

    `low` and `high` limit a number, or the length of a text. `pattern` is one of a whole text. Of a
    member inside of an absent one nothing is asked.
    """

    path: str
    required: bool = False
    low: int | None = None
    high: int | None = None
    pattern: str | None = None
    choices: Sequence[str] = ()
    is_number: bool = False


def broken(constraints: Sequence[Constraint], request: Mapping[str, Any]) -> str | None:
    """Return AWS's message for all that breaks them, or None."""
    found = [reason for constraint in constraints for reason in _broken(constraint, request)]
    if not found:
        return None
    count = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected: "
    return count + "; ".join(found)


def _broken(constraint: Constraint, request: Mapping[str, Any]) -> Iterator[str]:
    value = _value(constraint.path, request)
    if value is _NOTHING:
        return
    wanted = list(_unmet(constraint, value))
    where = ".".join(part[:1].lower() + part[1:] for part in constraint.path.split("."))
    shown = "null" if value is None else f"'{value}'"
    for what in wanted:
        yield f"Value {shown} at '{where}' failed to satisfy constraint: Member must {what}"


def _value(path: str, request: Mapping[str, Any]) -> Any:
    value: Any = request
    *parents, last = path.split(".")
    for parent in parents:
        value = value.get(parent)
        if not isinstance(value, Mapping):
            return _NOTHING
    return value.get(last)


def _unmet(constraint: Constraint, value: Any) -> Iterator[str]:
    if value is None:
        if constraint.required:
            yield "not be null"
        return
    if constraint.is_number:
        if isinstance(value, bool) or not isinstance(value, int):
            yield "be an integer"
            return
        size, of = value, "value"
    else:
        if not isinstance(value, str):
            yield "be a string"
            return
        size, of = len(value), "length"
    if constraint.high is not None and size > constraint.high:
        yield f"have {of} less than or equal to {constraint.high}"
    if constraint.low is not None and size < constraint.low:
        yield f"have {of} greater than or equal to {constraint.low}"
    if constraint.pattern is not None and re.fullmatch(constraint.pattern, value) is None:
        yield f"satisfy regular expression pattern: {constraint.pattern}"
    if constraint.choices and value not in constraint.choices:
        yield f"satisfy enum value set: [{', '.join(constraint.choices)}]"
